// One proxy without its front, for tests: owner threads, gate, a real journal, on a real Redis.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "journal/reader.h"
#include "journal/recovery.h"
#include "proxy/sale/sale.h"
#include "redis_fixture.h"

namespace sluice::proxy::sale {

// A client: collects replies by token.
class Client final : public ReplySink {
 public:
  void deliver(uint64_t token, std::string_view reply) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(replies_.emplace(token, reply).second) << "token " << token << " answered twice";
    changed_.notify_all();
  }
  std::string wait(uint64_t token) {
    std::unique_lock lock(mutex_);
    const bool there =
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return replies_.contains(token); });
    return there ? replies_[token] : "(no reply)";
  }
  uint64_t next() { return ++last_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, std::string> replies_;
  std::atomic<uint64_t> last_{0};
};

class NoFlusher final : public FlusherPort {
 public:
  void flush(int64_t, Drained done) override { done(int64_t{0}); }
  void pause(Done done) override { done({}); }
  void resume(Done done) override { done({}); }
  std::string state() const override { return "none"; }
  int64_t backlog_records() const override { return -1; }
};

// One proxy without its front, on a folder and a Redis; destroyed and made anew like a process.
class Proxy {
 public:
  Proxy(const std::string& dir, const std::string& redis_socket, size_t io_threads,
        uint64_t lane = 7, const std::function<void(Limits&)>& change_limits = nullptr)
      : metrics_(registry_), order_ids_(lane) {
    shared_.lane = std::to_string(lane);
    shared_.limits.beat_us = shared_.limits.join_poll_us = 20'000;
    if (change_limits) change_limits(shared_.limits);
    shared_.journal_dir = dir;
    shared_.files = &base::posix_file_system();
    shared_.order_ids = &order_ids_;
    shared_.metrics = &metrics_;
    shared_.scripts = load_scripts();
    shared_.fatal = [this](const Error& error) {
      const std::lock_guard lock(mutex_);
      fatal_ = error.message();
    };
    std::map<std::string, uint64_t> batches;
    const auto report = journal::recover(dir, *shared_.files, [&](const journal::Record& record) {
      batches[std::string(record.item)] = record.batch;
    });
    EXPECT_TRUE(report.ok());
    order_ids_.raise_above(report->order_id_max);
    if (report->snapshot) {
      for (const auto& [name, item] : report->snapshot->items) {
        batches.try_emplace(name, item.last_batch);
      }
      if (report->snapshot->retired_ms != 0) {
        shared_.journal_begins_ms = report->snapshot->retired_ms + 1;
      }
    }
    journal::WriterOptions options;
    options.dir = dir;
    options.segment_bytes = 4 << 20;
    auto journal = journal::GroupCommit::start(options, *shared_.files, registry_);
    EXPECT_TRUE(journal.ok()) << journal.error().message();
    journal_ = *std::move(journal);
    shared_.journal = journal_.get();
    shared_.journal_id = std::to_string(journal_->journal_id());
    auto lanes = Lanes::open(dir, *shared_.files, lane);
    EXPECT_TRUE(lanes.ok());
    lanes_ = *std::move(lanes);
    shared_.lanes = lanes_.get();
    for (size_t i = 0; i < io_threads; ++i) {
      threads_.push_back(std::make_unique<upstream::IoThread>(i));
      inboxes_.push_back(std::make_unique<upstream::Inbox>(*threads_.back()));
    }
    upstream::Endpoint redis;
    redis.host = redis_socket, redis.port = 0;
    redis.reconnect_delay_us = 1'000, redis.reconnect_delay_max_us = 10'000;
    sale_ = std::make_unique<Sale>(threads_, inboxes_, redis, shared_, flusher_);
    for (const auto& [name, batch] : batches) sale_->know_item(name, batch, report->last_sequence);
    for (auto& thread : threads_) thread->start();
    sale_->start();
  }
  ~Proxy() {
    sale_->stop();
    EXPECT_TRUE(journal_->stop().ok());
    for (auto& thread : threads_) thread->stop();
    for (auto& thread : threads_) thread->join();
  }

  // Changes limits where they are read: on the heartbeat's thread.
  void set_limits(const std::function<void(Limits&)>& change) {
    std::promise<void> done;
    boost::asio::post(threads_[0]->context(), [&] {
      change(shared_.limits);
      done.set_value();
    });
    done.get_future().wait();
  }
  bool wait_ready() {
    for (int i = 0; i < 2000 && !sale_->ready(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return sale_->ready();
  }
  bool ready() const { return sale_->ready(); }
  // Sends from the I/O thread of this index, as a session does.
  uint64_t send(const std::shared_ptr<Client>& client, std::vector<std::string> words,
                size_t thread = 0) {
    const uint64_t token = client->next();
    inboxes_[thread]->push([this, client, words = std::move(words), thread, token] {
      const std::vector<std::string_view> args(words.begin(), words.end());
      const std::string_view reply = sale_->answer_at_once(args, thread);
      if (!reply.empty()) return client->deliver(token, reply);
      sale_->execute(args, thread, client, token);
    });
    return token;
  }
  // All in one turn of the I/O thread, as many clients at once; the tokens in order.
  std::vector<uint64_t> send_all(const std::shared_ptr<Client>& client,
                                 std::vector<std::vector<std::string>> commands) {
    std::vector<uint64_t> tokens;
    for (size_t i = 0; i < commands.size(); ++i) tokens.push_back(client->next());
    inboxes_[0]->push([this, client, commands = std::move(commands), tokens] {
      for (size_t i = 0; i < commands.size(); ++i) {
        const std::vector<std::string_view> args(commands[i].begin(), commands[i].end());
        sale_->execute(args, 0, client, tokens[i]);
      }
    });
    return tokens;
  }
  std::string ask(std::vector<std::string> words) {
    const auto client = std::make_shared<Client>();
    return client->wait(send(client, std::move(words)));
  }
  // Again and again while the answer is -LOADING.
  std::string ask_patiently(const std::vector<std::string>& words) {
    std::string reply = ask(words);
    for (int i = 0; i < 4000 && reply.starts_with("-LOADING "); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      reply = ask(words);
    }
    return reply;
  }
  std::string fatal() {
    const std::lock_guard lock(mutex_);
    return fatal_;
  }
  Shared& shared() { return shared_; }

 private:
  base::Registry registry_;
  SaleMetrics metrics_;
  OrderIds order_ids_;
  Shared shared_;
  std::unique_ptr<Lanes> lanes_;
  NoFlusher flusher_;
  std::mutex mutex_;
  std::string fatal_;
  std::unique_ptr<journal::GroupCommit> journal_;
  std::vector<std::unique_ptr<upstream::IoThread>> threads_;
  std::vector<std::unique_ptr<upstream::Inbox>> inboxes_;
  std::unique_ptr<Sale> sale_;
};

inline std::string array(std::initializer_list<std::string> bulks) {
  std::string out = "*" + std::to_string(bulks.size()) + "\r\n";
  for (const std::string& bulk : bulks) {
    out += bulk.starts_with(':') ? bulk + "\r\n"
                                 : "$" + std::to_string(bulk.size()) + "\r\n" + bulk + "\r\n";
  }
  return out;
}

// The order id in a ["OK", id, …] reply.
inline std::string order_of(const std::string& reply) {
  const size_t at = reply.find("\r\n", reply.find("OK\r\n") + 4);
  return reply.substr(at + 2, reply.find("\r\n", at + 2) - at - 2);
}

}  // namespace sluice::proxy::sale
