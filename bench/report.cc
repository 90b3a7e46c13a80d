#include "bench/report.h"

#include <boost/json.hpp>

#include "bench/text.h"

namespace sluice::bench {
namespace {

constexpr struct {
  const char* name;
  double q;
} kQuantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};

std::string count_line(const std::string& name, uint64_t count, const std::string& rest = {}) {
  return "  " + padded(name, 14, false) + padded(with_commas(static_cast<double>(count)), 14) +
         (rest.empty() ? "" : "   " + rest) + "\n";
}

std::string tally_lines(const std::string& name, const Tally& tally) {
  std::string text = count_line(name, tally.total());
  for (const auto& [what, count] : tally.entries()) text += count_line("  " + what, count);
  return text;
}

std::string latency_line(const std::string& name, const LatencyHistogram& histogram) {
  if (histogram.count() == 0) return {};
  std::string text = "  " + padded(name, 14, false);
  for (const auto& quantile : kQuantiles) {
    text += std::string("  ") + quantile.name + " " + latency_text(histogram.quantile(quantile.q));
  }
  return text + "  max " + latency_text(histogram.max()) + "\n";
}

std::string trouble_lines(const SaleFacts& facts, const LoadResult& result) {
  std::string text;
  if (result.resent > 0) text += count_line("sent again", result.resent);
  if (result.disconnects > 0) text += count_line("disconnects", result.disconnects);
  if (result.lost > 0) text += count_line("lost", result.lost, "the connection broke first");
  if (result.unanswered > 0) text += count_line("unanswered", result.unanswered);
  if (result.not_sent > 0) {
    text += count_line("not sent", result.not_sent, "due, but every connection was full");
  }
  if (facts.mismatched > 0) {
    text += count_line("MISMATCHED", facts.mismatched, "repeated REQs that got another order_id");
  }
  return text;
}

boost::json::object latency_json(const LatencyHistogram& histogram) {
  boost::json::object object;
  for (const auto& quantile : kQuantiles) {
    object[quantile.name] = static_cast<double>(histogram.quantile(quantile.q)) / 1e3;
  }
  object["max"] = static_cast<double>(histogram.max()) / 1e3;
  object["mean"] = histogram.mean() / 1e3;
  return object;
}

boost::json::object tally_json(const Tally& tally) {
  boost::json::object object;
  for (const auto& [name, count] : tally.entries()) object[name] = count;
  return object;
}

}  // namespace

std::string report_text(const SaleFacts& facts, const LoadResult& result) {
  char elapsed[32];
  std::snprintf(elapsed, sizeof elapsed, "%.2f s", result.elapsed_s);
  std::string text = facts.scenario + " " + facts.target +
                     (result.interrupted ? " (stopped)" : "") + "\n" +
                     count_line("sent", result.sent, std::string("in ") + elapsed);
  text += count_line("accepted", result.accepted,
                     with_commas(result.per_second(result.accepted)) + "/s");
  if (facts.orders > 0) text += count_line("  orders", facts.orders);
  if (facts.sold >= 0) {
    text += count_line("  sold", static_cast<uint64_t>(facts.sold), "as the server counts");
  }
  text += tally_lines("refused", result.refused) + tally_lines("errors", result.errors);
  text += trouble_lines(facts, result);
  text += latency_line("accepted in", result.accepted_ns);
  text += latency_line("refused in", result.refused_ns);
  text += latency_line("sent late", result.sent_late_ns);
  if (result.answered() > 0) {
    char own[64];
    std::snprintf(own, sizeof own, "%.2f us",
                  result.own_cpu_s * 1e6 / static_cast<double>(result.answered()));
    text += "  " + padded("generator", 14, false) + "  " + own + " of CPU a request\n";
  }
  return text;
}

std::string report_json(const SaleFacts& facts, const LoadResult& result) {
  boost::json::object object;
  object["scenario"] = facts.scenario;
  object["target"] = facts.target;
  object["stock"] = facts.stock;
  object["elapsed_s"] = result.elapsed_s;
  object["interrupted"] = result.interrupted;
  object["sent"] = result.sent;
  object["resent"] = result.resent;
  object["accepted"] = result.accepted;
  object["accepted_per_s"] = result.per_second(result.accepted);
  object["answered_per_s"] = result.per_second(result.answered());
  object["orders"] = facts.orders;
  object["sold"] = facts.sold;
  object["mismatched"] = facts.mismatched;
  object["refused"] = tally_json(result.refused);
  object["errors"] = tally_json(result.errors);
  object["unanswered"] = result.unanswered;
  object["lost"] = result.lost;
  object["not_sent"] = result.not_sent;
  object["disconnects"] = result.disconnects;
  object["generator_cpu_s"] = result.own_cpu_s;
  object["accepted_us"] = latency_json(result.accepted_ns);
  object["refused_us"] = latency_json(result.refused_ns);
  object["sent_late_us"] = latency_json(result.sent_late_ns);
  return boost::json::serialize(object) + "\n";
}

}  // namespace sluice::bench
