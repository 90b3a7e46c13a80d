#include "bench/table/many_items.h"

#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint32_t kItems = 1000;
constexpr double kExponent = 0.99;  // as in YCSB: the hottest item takes 13 %, the coldest 0.01 %
constexpr double kWantedOfHot = 0.7;
constexpr double kWantedOfDiy = 2.5;

class ManyItems : public Measure {
 public:
  explicit ManyItems(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int) override {
    const LoadOptions load = closed_loop(50, 16, effort_.run_s, effort_.run_requests);
    const auto hot = rig.sell(Contender::kSluice, load);
    if (!hot) return hot.error();
    SaleOptions options;
    options.item = rig.next_item();
    options.items = kItems;
    options.zipf = kExponent;
    SLUICE_TRY(rig.create_items(options, kEndlessStock));
    const auto many = rig.sell_items(options, load);
    if (!many) return many.error();
    options.item = rig.next_item();
    const auto diy = rig.sell_items_as(Contender::kDiy, options, load);
    if (!diy) return diy.error();
    hot_.add(*hot);
    many_.add(*many);
    diy_.add(*diy);
    rig.say("x 16", "one hot item", figure_text(hot->per_second(), Unit::kPerSecond));
    rig.say("x 16", "1,000 items, Zipf", figure_text(many->per_second(), Unit::kPerSecond));
    rig.say("x 16", "the same, do it yourself", figure_text(diy->per_second(), Unit::kPerSecond));
    return {};
  }
  std::vector<Section> sections() const override {
    Section section{"Many items, 50 connections x 16", {"accepted /s", "p99", "CPU us each"}, {}};
    section.rows = {row("one hot item", hot_), row("1,000 items, Zipf with exponent 0.99", many_),
                    row("the same, do it yourself: + XADD, AOF always", diy_)};
    return {section};
  }
  std::vector<Goal> goals() const override {
    return {goal("one hot item", hot_, kWantedOfHot),
            goal("do it yourself, same items", diy_, kWantedOfDiy)};
  }

 private:
  struct Kind {
    Samples rate, p99_ns, cpu_us;

    void add(const Measured& measured) {
      rate.add(measured.per_second());
      p99_ns.add(static_cast<double>(measured.load.accepted_ns.quantile(0.99)));
      cpu_us.add(measured.cpu_us());
    }
  };

  static Section::Row row(const char* name, const Kind& kind) {
    char cpu[32];
    std::snprintf(cpu, sizeof cpu, "%.2f", kind.cpu_us.median());
    return {name,
            {with_commas(kind.rate.median()),
             latency_text(static_cast<int64_t>(kind.p99_ns.median())), cpu}};
  }

  Goal goal(const char* reference, const Kind& than, double wanted) const {
    Goal goal{"1,000 items (Zipf 0.99), purchases/s x 16"};
    goal.figure = many_.rate.median();
    goal.reference = reference;
    goal.reference_value = than.rate.median();
    goal.wanted = wanted;
    return goal;
  }

  const Effort effort_;
  Kind hot_, many_, diy_;
};

}  // namespace

std::unique_ptr<Measure> make_many_items(const Effort& effort) {
  return std::make_unique<ManyItems>(effort);
}

}  // namespace sluice::bench::table
