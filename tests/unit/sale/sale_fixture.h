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

#include "base/clock.h"
#include "journal/reader.h"
#include "proxy/sale/no_flusher.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/sale_setup.h"
#include "redis_fixture.h"
#include "shelves/packed_item.h"
#include "shelves/shelf_of.h"

namespace sluice::proxy::sale {

inline uint32_t shelf_of(const std::string& item) { return shelves::shelf_of(item, 64); }
inline const std::string kShelfKey = shelves::shelf_key(shelf_of("phone"));
inline const std::string kBuyersKey = shelves::buyers_key(shelf_of("phone"), "phone");
inline const std::string kReceiptsKey = shelves::receipts_key(shelf_of("phone"), "7");

// The item as Redis has it; all 0 if it has none.
inline shelves::PackedItem item_in(test::RedisServer& redis, const std::string& name = "phone") {
  const std::string key = shelves::shelf_key(shelf_of(name));
  const auto item = shelves::unpack(redis.run({"HGET", key, name}));
  return item.ok() ? *item : shelves::PackedItem{};
}
// A batch for the item "phone", by somebody who is not the proxy but writes its lane; the answer.
inline std::string purchase_call(test::RedisServer& redis, const std::vector<Operation>& operations,
                                 const std::string& expected) {
  const std::string lane = redis.run({"HGET", kShelfKey, "@lane:7"});
  const std::string writer = lane.substr(lane.find(' ') + 1);
  const uint64_t epoch = std::stoull(redis.run({"HGET", kShelfKey, "@epoch"}));
  CallPayload payload = encode_call(base::wall_ms(), operations, kinds_text(operations), {});
  payload.lowest = "9007199254740991";  // the ids here are made up
  CallWords words({shelf_of("phone"), "7", writer, epoch, std::stoull(expected), 0}, payload);
  const Scripts scripts = load_scripts();
  const auto& all = words.with("EVAL", scripts.purchase.text);
  return redis.run({all.begin(), all.end()});
}

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

// One proxy without its front, on a folder and a Redis; destroyed and made anew like a process.
class Proxy {
 public:
  Proxy(const std::string& dir, const std::string& redis_socket, size_t io_threads,
        uint64_t lane = 7, const std::function<void(Limits&)>& change_limits = nullptr) {
    Settings settings;
    settings.proxy_id = lane;
    settings.limits.beat_us = settings.limits.join_poll_us = 20'000;
    if (change_limits) change_limits(settings.limits);
    settings.journal.dir = dir;
    settings.journal.segment_bytes = 4 << 20;
    settings.redis.host = redis_socket, settings.redis.port = 0;
    settings.redis.reconnect_delay_us = 1'000, settings.redis.reconnect_delay_max_us = 10'000;
    for (size_t i = 0; i < io_threads; ++i) {
      threads_.push_back(std::make_unique<upstream::IoThread>(i));
    }
    auto setup = SaleSetup::open(settings, base::posix_file_system(), threads_, registry_, flusher_,
                                 [this](const Error& error) {
                                   const std::lock_guard lock(mutex_);
                                   fatal_ = error.message();
                                 });
    EXPECT_TRUE(setup.ok()) << setup.error().message();
    setup_ = *std::move(setup);
    for (auto& thread : threads_) thread->start();
    setup_->start();
  }
  ~Proxy() {
    EXPECT_TRUE(setup_->stop().ok());
    for (auto& thread : threads_) thread->stop();
    for (auto& thread : threads_) thread->join();
  }

  // Changes what the first thread reads where it reads it.
  void change(const std::function<void(Shared&)>& change) {
    std::promise<void> done;
    boost::asio::post(threads_[0]->context(), [&] {
      change(setup_->shared());
      done.set_value();
    });
    done.get_future().wait();
  }
  void set_limits(const std::function<void(Limits&)>& set) {
    change([&](Shared& shared) { set(shared.limits); });
  }
  // Returns the one before.
  journal::GroupCommit* set_journal(journal::GroupCommit* journal) {
    change([&](Shared& shared) { std::swap(shared.journal, journal); });
    return journal;
  }
  bool wait_ready() {
    for (int i = 0; i < 2000 && !setup_->sale().ready(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return setup_->sale().ready();
  }
  bool ready() const { return setup_->sale().ready(); }
  std::string why_not_ready() const { return setup_->sale().why_not_ready(); }
  // Sends from the I/O thread of this index, as a session does.
  uint64_t send(const std::shared_ptr<Client>& client, std::vector<std::string> words,
                size_t thread = 0) {
    const uint64_t token = client->next();
    setup_->inbox(thread).push([this, client, words = std::move(words), thread, token] {
      const std::vector<std::string_view> args(words.begin(), words.end());
      const std::string_view reply = setup_->sale().answer_at_once(args, thread);
      if (!reply.empty()) return client->deliver(token, reply);
      setup_->sale().execute(args, thread, client, token);
    });
    return token;
  }
  // All in one turn of the I/O thread, as many clients at once; the tokens in order.
  std::vector<uint64_t> send_all(const std::shared_ptr<Client>& client,
                                 std::vector<std::vector<std::string>> commands) {
    std::vector<uint64_t> tokens;
    for (size_t i = 0; i < commands.size(); ++i) tokens.push_back(client->next());
    setup_->inbox(0).push([this, client, commands = std::move(commands), tokens] {
      for (size_t i = 0; i < commands.size(); ++i) {
        const std::vector<std::string_view> args(commands[i].begin(), commands[i].end());
        setup_->sale().execute(args, 0, client, tokens[i]);
      }
    });
    return tokens;
  }
  std::string ask(std::vector<std::string> words) {
    const auto client = std::make_shared<Client>();
    return client->wait(send(client, std::move(words)));
  }
  // Again and again while the answer asks for it: -LOADING, or an order whose record is on its way.
  std::string ask_patiently(const std::vector<std::string>& words) {
    std::string reply = ask(words);
    const auto is_to_be_asked_again = [&reply] {
      return reply.starts_with("-LOADING ") ||
             (reply.starts_with("-UNKNOWNSTATE ") && reply.ends_with("ask again\r\n"));
    };
    for (int i = 0; i < 4000 && is_to_be_asked_again(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      reply = ask(words);
    }
    return reply;
  }
  std::string fatal() {
    const std::lock_guard lock(mutex_);
    return fatal_;
  }
  Shared& shared() { return setup_->shared(); }

 private:
  base::Registry registry_;
  NoFlusher flusher_;
  std::mutex mutex_;
  std::string fatal_;
  std::vector<std::unique_ptr<upstream::IoThread>> threads_;
  std::unique_ptr<SaleSetup> setup_;
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
