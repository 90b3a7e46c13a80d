// What it costs to write an INSERT of journal records, as the flusher does for MySQL.
#include "bench/micro/samples.h"
#include "bench/micro/suite.h"
#include "orders/order_table.h"

namespace sluice::bench::micro {
namespace {

constexpr size_t kRows = 1000;  // of one statement

void format_rows(benchmark::State& state) {
  const SampleRecords samples(kRows);
  const orders::OrderTable table;
  std::string statement;
  for (auto _ : state) {
    statement = table.insert_head("`orders`");
    for (const journal::Record& record : samples.records()) {
      table.append_row(statement, {&record});
      statement += ',';
    }
    statement.pop_back();
  }
  expect(state, statement.ends_with(")") && statement.size() > kRows * 100, "not all rows");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kRows));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(statement.size()));
}

}  // namespace

void add_rows(const Suite& suite) { suite.add("insert_rows", format_rows); }

}  // namespace sluice::bench::micro
