// A purchase's way through the coalescer: submitted, gathered into a batch, encoded, sent, the
// answer parsed, the records handed to the journal, the reply encoded and delivered.
//
// Redis is a socket in the same thread that accepts whatever it is asked, the journal one that
// commits at once: what is measured is the proxy's own work and its four system calls a batch.
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "base/file.h"
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "bench/temp_folder.h"
#include "proxy/sale/coalescer.h"
#include "proxy/sale/gate.h"
#include "proxy/sale/no_flusher.h"
#include "resp/request_parser.h"
#include "resp/writer.h"

namespace sluice::bench::micro {
namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using namespace proxy;

constexpr uint64_t kLane = 0;

// Answers each command with the purchase script's answer that accepts a batch.
class AcceptingServer {
 public:
  AcceptingServer(asio::io_context& context, const std::string& path, size_t batch)
      : acceptor_(context, path), socket_(context), parser_(limits_), batch_(batch) {
    acceptor_.async_accept(socket_, [this](const auto& failure) {
      if (!failure) read();
    });
  }

 private:
  void read() {
    socket_.async_read_some(asio::buffer(input_), [this](const auto& failure, size_t bytes) {
      if (failure) return;
      gathered_.append(input_.data(), bytes);
      answer();
      read();
    });
  }
  void answer() {
    std::string out;
    size_t done = 0;
    while (parser_.parse(std::string_view(gathered_).substr(done)) ==
           resp::RequestParser::State::kCommand) {
      done += parser_.consumed();
      parser_.next();
      resp::append_bulk(out, accepting_answer(++sequence_, batch_));
    }
    gathered_.erase(0, done);
    if (!out.empty()) asio::write(socket_, asio::buffer(out));
  }

  stream_protocol::acceptor acceptor_;
  stream_protocol::socket socket_;
  const resp::RequestLimits limits_;
  resp::RequestParser parser_;
  std::array<char, 64 << 10> input_;
  std::string gathered_;
  const size_t batch_;
  uint64_t sequence_ = 0;
};

class InstantJournal final : public journal::GroupCommit {
 public:
  bool reserve(size_t) override { return true; }
  void release(size_t) override {}
  void submit(std::string, uint32_t count, size_t, uint64_t, Done done) override {
    sequence_ += count;
    done({{}, sequence_, true});
  }
  uint64_t synced_sequence() const override { return sequence_; }
  uint64_t written_sequence() const override { return sequence_; }
  uint64_t journal_id() const override { return 1; }
  int64_t bytes_used() const override { return 0; }
  int64_t busy_us() const override { return 0; }
  bool full() const override { return false; }
  std::string shortage() const override { return ""; }
  Status stop() override { return {}; }

 private:
  uint64_t sequence_ = 0;
};

class NoSession final : public sale::ReplySink {
 public:
  void deliver(uint64_t, std::string_view) override {}
};

// One coalescer with an open shelf, on the calling thread.
class OpenItem {
 public:
  OpenItem(const std::string& dir, size_t batch)
      : server_(thread_.context(), dir + "/redis", batch), metrics_(registry_), order_ids_(kLane) {
    shared_.lane = std::to_string(kLane);
    shared_.journal = &journal_;
    shared_.journal_id = "1";
    shared_.order_ids = &order_ids_;
    shared_.metrics = &metrics_;
    shared_.scripts = sale::load_scripts();
    shared_.fatal = [](const Error&) {};
    shared_.shelves = 1;
    shared_.condensed.resize(1);
    auto lanes = sale::Lanes::open(dir, base::posix_file_system(), kLane, shared_.fatal);
    SLUICE_ASSERT(lanes, "an empty folder has no damaged file of peers");
    lanes_ = *std::move(lanes);
    shared_.lanes = lanes_.get();
    upstream::Endpoint endpoint;
    endpoint.host = dir + "/redis";
    redis_ = std::make_unique<upstream::RedisClient>(thread_, endpoint);
    coalescer_ = std::make_unique<sale::Coalescer>(
        thread_, inbox_, *redis_, shared_, flusher_, shelves_, *gate_, sold_out_,
        [this](const sale::Operation&, std::string_view reply) {
          accepted_ += reply.starts_with("*4\r\n");
          ++answered_;
        });
    gate_ = std::make_unique<sale::Gate>(thread_, inbox_, *redis_, shared_, shelves_, refusals_,
                                         *coalescer_, sale::Gate::Hooks{});
    redis_->start({[this] { connected_ = true; }, [](const Error&) {}});
    while (!connected_) thread_.context().run_one();
    shelves_.at(0).move(sale::Shelf::State::kAsking);
    shelves_.at(0).move(sale::Shelf::State::kOpen);
  }

  // Submits copies of all, and waits for their replies.
  void buy(const std::vector<sale::Operation>& operations) {
    for (sale::Operation op : operations) {
      op.sink = session_;
      op.order_id = 0;  // The shelf gives it, when it takes the purchase.
      coalescer_->submit(std::move(op));
    }
    const size_t wanted = answered_ + operations.size();
    while (answered_ < wanted) thread_.context().run_one();
  }
  size_t accepted() const { return accepted_; }

 private:
  upstream::IoThread thread_{0};
  upstream::Inbox inbox_{thread_};
  // Nothing is ever sold out here: nobody is told so.
  std::vector<std::unique_ptr<upstream::IoThread>> no_threads_;
  std::vector<std::unique_ptr<upstream::Inbox>> no_inboxes_;
  AcceptingServer server_;
  base::Registry registry_;
  sale::SaleMetrics metrics_;
  sale::OrderIds order_ids_;
  InstantJournal journal_;
  sale::Shared shared_;
  std::unique_ptr<sale::Lanes> lanes_;
  const std::shared_ptr<NoSession> session_ = std::make_shared<NoSession>();
  bool connected_ = false;
  size_t answered_ = 0, accepted_ = 0;
  sale::NoFlusher flusher_;
  sale::SoldOutBoard sold_out_{no_threads_, no_inboxes_, shared_};
  sale::ShelfMap shelves_{1, 1, 0, "0"};
  sale::RefusalLog refusals_;
  std::unique_ptr<upstream::RedisClient> redis_;
  std::unique_ptr<sale::Gate> gate_;
  std::unique_ptr<sale::Coalescer> coalescer_;
};

void coalesce(benchmark::State& state, const std::string& parent, size_t batch) {
  const auto folder = TempFolder::create(parent);
  if (!folder) return expect(state, false, folder.error().message());
  const auto operations = purchase_operations(batch);
  OpenItem item(folder->path(), batch);
  for (auto _ : state) item.buy(operations);
  const auto wanted = batch * static_cast<size_t>(state.iterations());
  expect(state, item.accepted() == wanted, "not every purchase was accepted");
  state.SetItemsProcessed(static_cast<int64_t>(wanted));
}

}  // namespace

void add_coalescer(const Suite& suite) {
  for (const size_t batch : {16, 256}) {
    suite.add("coalescer/" + std::to_string(batch),
              [parent = suite.folder(), batch](benchmark::State& state) {
                coalesce(state, parent, batch);
              });
  }
}

}  // namespace sluice::bench::micro
