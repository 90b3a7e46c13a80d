// What the purchase script's and the replay script's wire forms cost the proxy.
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "proxy/sale/purchase_answer.h"
#include "proxy/sale/purchase_call.h"
#include "proxy/sale/replay_chunk.h"

namespace sluice::bench::micro {
namespace {

constexpr size_t kBatch = 64;
constexpr int64_t kTimeMs = 1'795'000'000'000;

void count_purchases(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

// As the proxy foresees it in the midst of a sale.
proxy::sale::ItemForecast foreseen_item(uint32_t buyers) {
  proxy::sale::ItemForecast forecast{.only_first_buys = true, .units = buyers, .buyers = buyers};
  forecast.foreseen = true;
  forecast.before.stock = 1'000'000;
  forecast.before.born = 7;
  return forecast;
}

void encode_batch(benchmark::State& state) {
  const auto operations = purchase_operations(kBatch);
  const std::vector<proxy::sale::ItemForecast> forecasts(1, foreseen_item(kBatch));
  const proxy::sale::CallTarget target{.lane = "1", .writer = "journal incarnation"};
  size_t bytes = 0;
  for (auto _ : state) {
    const auto payload = proxy::sale::encode_call(kTimeMs, operations,
                                                  proxy::sale::kinds_text(operations), forecasts);
    proxy::sale::CallWords words(target, payload);
    bytes += words.with("EVALSHA", "").size();
  }
  expect(state, bytes > 0, "nothing was encoded");
  count_purchases(state);
}

void parse_batch_answer(benchmark::State& state) {
  const std::string text = "OK 7 1 0 0 =";
  const auto operations = purchase_operations(kBatch);
  const std::vector<proxy::sale::ItemForecast> forecasts(1, foreseen_item(kBatch));
  size_t verdicts = 0;
  for (auto _ : state) {
    const auto answer = proxy::sale::parse_call_answer(text, operations, forecasts);
    if (answer) verdicts += answer->verdicts.size();
  }
  expect(state, verdicts == kBatch * static_cast<size_t>(state.iterations()),
         "verdicts are missing");
  count_purchases(state);
}

void encode_replay(benchmark::State& state) {
  const SampleRecords samples(kBatch);
  size_t bytes = 0;
  for (auto _ : state) {
    proxy::sale::ReplayChunk chunk;
    for (const journal::Record& record : samples.records()) chunk.add(record);
    bytes += chunk.take().records.size();
  }
  expect(state, bytes > 0, "nothing was encoded");
  count_purchases(state);
}

}  // namespace

void add_script(const Suite& suite) {
  suite.add("script_encode", encode_batch);
  suite.add("script_answer", parse_batch_answer);
  suite.add("replay_encode", encode_replay);
}

}  // namespace sluice::bench::micro
