// The sale of one proxy: owner threads, and the routing of commands to them.
//
// Built by main.cc over the I/O threads and the opened journal; outlives the front.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/sale/operator_verbs.h"
#include "proxy/sale/purchase_flow.h"
#include "proxy/sale/sale_thread.h"
#include "proxy/sale/shared.h"
#include "proxy/sale/sold_out_board.h"

namespace sluice::proxy::sale {

class Sale final : public PurchaseFlow {
 public:
  // `inboxes[i]` belongs to `threads[i]`. `shared`, `flusher` and the threads outlive the Sale.
  Sale(std::vector<std::unique_ptr<upstream::IoThread>>& threads,
       std::vector<std::unique_ptr<upstream::Inbox>>& inboxes, const upstream::Endpoint& redis,
       Shared& shared, FlusherPort& flusher);
  ~Sale() override;

  // What recovery found; before start().
  void know_shelf(uint32_t shelf, uint64_t lane_sequence, uint64_t journal_sequence);
  void start();
  // Refuses what is new, answers what waits; returns when every I/O thread has done so.
  void stop();

  std::string_view answer_at_once(std::span<const std::string_view> args, size_t thread) override {
    return sold_out_.refusal(args, thread);
  }
  void execute(std::span<const std::string_view> args, size_t thread,
               std::shared_ptr<ReplySink> sink, uint64_t token) override;
  std::string info_section() const override { return operator_verbs_.info_section(); }

  // Every shelf sells, or none has to yet; and why not, for people. Any thread.
  bool ready() const;
  std::string why_not_ready() const;
  ShelfReport report_of_shelves() const;  // any thread
  // Name and value pairs of STATUS, INFO and the admin listener; any thread.
  std::vector<std::pair<std::string, std::string>> status() const {
    return operator_verbs_.status();
  }

 private:
  void route(Operation&& op, size_t thread, std::shared_ptr<ReplySink> sink, uint64_t token);

  std::vector<std::unique_ptr<upstream::IoThread>>& threads_;
  std::vector<std::unique_ptr<upstream::Inbox>>& inboxes_;
  Shared& shared_;
  SoldOutBoard sold_out_;
  OperatorVerbs operator_verbs_;
  std::vector<std::unique_ptr<SaleThread>> sellers_;  // one an I/O thread
};

}  // namespace sluice::proxy::sale
