// Makes items through the proxy's port, as SECKILL.CREATE does, and says what came of each.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <map>

#include "base/clock.h"
#include "base/units.h"
#include "ctl/commands.h"
#include "ctl/sale.h"
#include "ctl/words.h"

namespace sluice::ctl {
namespace {

constexpr size_t kCreatesAtOnce = 500;

struct Setting {
  const char* name;
  int64_t wanted;
};

std::vector<Setting> settings_of(const SaleItem& item) {
  return {{"stock", item.stock},
          {"limit", item.limit},
          {"start", item.start_ms},
          {"end", item.end_ms},
          {"hold", item.hold_ms}};
}

void send_create(RedisConnection& proxy, const SaleItem& item) {
  std::vector<std::string> words = {"SECKILL.CREATE", item.name};
  for (const Setting& setting : settings_of(item)) {
    if (setting.wanted == 0) continue;
    words.emplace_back(setting.name);
    words.push_back(std::to_string(setting.wanted));
  }
  const std::vector<std::string_view> views(words.begin(), words.end());
  proxy.send(std::span(views));
}

// "stock is 100 and not 200, limit is 2 and not 1"
std::string differences_of(const SaleItem& item, const Stock& stock) {
  std::string text;
  for (const Setting& setting : settings_of(item)) {
    const auto there = base::parse_integer(value_in(stock, setting.name));
    const int64_t value = there ? *there : 0;
    if (value == setting.wanted) continue;
    text += (text.empty() ? "" : ", ") + std::string(setting.name) + " is " +
            std::to_string(value) + " and not " + std::to_string(setting.wanted);
  }
  return text.empty() ? "it was made with another stock" : text;
}

class Maker {
 public:
  Maker(RedisConnection& proxy, const std::vector<SaleRow>& rows) : proxy_(proxy), rows_(rows) {}

  // Finds what is wrong while nothing has been made yet. Of what is there the proxy judges: a
  // CREATE of it changes nothing.
  Status look() {
    std::vector<std::string> names;
    for (const SaleRow& row : rows_) names.push_back(row.item.name);
    const auto stocks = read_stocks(proxy_, names);
    if (!stocks) return stocks.error();
    std::map<std::string, const Stock*> there;
    for (const Stock& stock : *stocks) there.emplace(value_in(stock, "item"), &stock);
    const int64_t now_ms = base::wall_ms();
    std::vector<const SaleRow*> old;
    for (const SaleRow& row : rows_) {
      if (there.contains(row.item.name)) {
        old.push_back(&row);
      } else if (const Status good = check_times(row.item, now_ms); good) {
        new_.push_back(&row);
      } else {
        problem(row, good.error().message());
      }
    }
    return create(old, [&](const SaleRow& row, const std::string& refusal) {
      if (refusal.empty()) {
        same_.push_back(row.item.name);
      } else if (refusal.find("EXISTS") == std::string::npos) {
        problem(row, refusal);
      } else {
        exists_ = true;
        problem(row, row.item.name + " exists with other settings: " +
                         differences_of(row.item, *there[row.item.name]) +
                         " (SECKILL.CHANGE and SECKILL.RESTOCK change what is there)");
      }
    });
  }

  Status make() {
    return create(new_, [&](const SaleRow& row, const std::string& refusal) {
      if (refusal.empty())
        made_.push_back(&row);
      else
        problem(row, refusal);
    });
  }

  const std::vector<std::string>& problems() const { return problems_; }
  bool exists() const { return exists_; }
  const std::vector<const SaleRow*>& made() const { return made_; }
  const std::vector<std::string>& same() const { return same_; }

 private:
  template <class Take>
  Status create(const std::vector<const SaleRow*>& rows, const Take& take) {
    for (size_t done = 0; done < rows.size();) {
      const size_t end = std::min(rows.size(), done + kCreatesAtOnce);
      for (size_t i = done; i < end; ++i) send_create(proxy_, rows[i]->item);
      for (; done < end; ++done) {
        const auto reply = proxy_.read();
        if (!reply && reply.error().cls() != ErrorClass::kRefused) return reply.error();
        take(*rows[done], reply ? "" : reply.error().message());
      }
    }
    return {};
  }

  void problem(const SaleRow& row, const std::string& text) {
    problems_.push_back((row.where.empty() ? "" : row.where + ": ") + text);
  }

  RedisConnection& proxy_;
  const std::vector<SaleRow>& rows_;
  std::vector<const SaleRow*> new_, made_;
  std::vector<std::string> same_, problems_;
  bool exists_ = false;
};

void tell(const Maker& maker, size_t rows, bool as_json) {
  if (as_json) {
    boost::json::array made, same(maker.same().begin(), maker.same().end());
    for (const SaleRow* row : maker.made()) made.emplace_back(row->item.name);
    const boost::json::object object{{"made", made}, {"same", same}};
    std::printf("%s\n", boost::json::serialize(object).c_str());
    return;
  }
  for (const SaleRow* row : maker.made())
    std::printf("made %s: %s\n", row->item.name.c_str(), settings_text(row->item).c_str());
  if (rows == 1 && maker.same().size() == 1) {
    std::printf("%s is there with the same settings\n", maker.same().front().c_str());
  } else if (rows > 1) {
    std::printf("%s made, %zu there with the same settings\n",
                plural(maker.made().size(), "item").c_str(), maker.same().size());
  }
}

// What was made stays; the same command again makes the rest.
int broke_off(const Maker& maker, const std::string& why) {
  std::fprintf(stderr, "sale: %s\nsale: %s made before that; run it again for the rest\n",
               why.c_str(), plural(maker.made().size(), "item").c_str());
  return kFailed;
}

}  // namespace

std::string settings_text(const SaleItem& item) {
  std::string text = "stock " + std::to_string(item.stock);
  if (item.limit != 0) text += ", limit " + std::to_string(item.limit);
  text += item.start_ms == 0 ? ", on sale at once" : ", starts " + base::utc_text(item.start_ms);
  if (item.end_ms != 0) text += ", ends " + base::utc_text(item.end_ms);
  if (item.hold_ms != 0) text += ", hold " + base::format_duration_us(item.hold_ms * 1000);
  return text;
}

int refuse(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) std::fprintf(stderr, "%s\n", problem.c_str());
  std::fprintf(stderr, "sale: nothing was made: %s\n", plural(problems.size(), "problem").c_str());
  return kBadArguments;
}

int make_items(const SaleOptions& options, const std::vector<SaleRow>& rows) {
  const auto proxies = configs_of(ConfigKind::kProxy, options.configs);
  const auto target = proxies
                          ? front_target(proxies->empty() ? "" : proxies->front(), options.front)
                          : Result<RedisTarget>(proxies.error());
  if (!target) {
    std::fprintf(stderr, "sale: %s\n", target.error().message().c_str());
    return kBadArguments;
  }
  auto proxy = RedisConnection::connect(*target, "the proxy");
  if (!proxy) {
    std::fprintf(stderr, "sale: %s\n", proxy.error().message().c_str());
    return kFailed;
  }
  Maker maker(*proxy, rows);
  if (const Status looked = maker.look(); !looked)
    return broke_off(maker, looked.error().message());
  if (!maker.problems().empty()) {
    const int code = refuse(maker.problems());
    return maker.exists() ? kFailed : code;
  }
  const Status made = maker.make();
  tell(maker, rows.size(), options.json);
  if (!made) return broke_off(maker, made.error().message());
  return maker.problems().empty() ? kDone : broke_off(maker, maker.problems().front());
}

Result<std::vector<std::string>> configs_of(ConfigKind kind,
                                            const std::vector<std::string>& configs) {
  std::vector<std::string> found;
  for (const std::string& path : configs) {
    const auto its = config_kind(path);
    if (!its) return its.error();
    if (*its == kind) found.push_back(path);
  }
  return found;
}

}  // namespace sluice::ctl
