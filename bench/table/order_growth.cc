#include "bench/table/order_growth.h"

#include <fstream>

#include "bench/samples.h"
#include "bench/table/rig.h"
#include "bench/text.h"

namespace sluice::bench::table {
namespace {

constexpr uint64_t kOrderLevels[] = {10'000, 1'000'000, 10'000'000};
constexpr uint64_t kRunOrders = 50'000;  // few beside the level that is measured
constexpr double kFillSecondsMax = 120;
constexpr double kGrowthWanted = 1.1;
constexpr uint64_t kBytesPerOrder = 400;  // Redis's memory, the page cache of journal and table

uint64_t available_bytes() {
  std::ifstream info("/proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    unsigned long long kib = 0;
    if (std::sscanf(line.c_str(), "MemAvailable: %llu kB", &kib) == 1) return kib * 1024;
  }
  return 0;
}

std::string text_of(uint64_t orders) { return with_commas(static_cast<double>(orders)); }

// Filling is what costs time here, so all rounds are made in one, by turns between the items.
class OrderGrowth : public Measure {
 public:
  explicit OrderGrowth(const Effort& effort) : effort_(effort) {}

  Status round(Rig& rig, int number) override {
    if (number + 1 < effort_.rounds) return {};
    for (const uint64_t orders : kOrderLevels) {
      if (orders > effort_.orders_max || orders * kBytesPerOrder > available_bytes()) continue;
      levels_.push_back({orders, {}, 0, {}, {}});
    }
    for (int turn = 0; turn < effort_.rounds; ++turn) {
      for (Level& level : levels_) SLUICE_TRY(measure(rig, level));
    }
    return {};
  }
  std::vector<Section> sections() const override;
  std::vector<Goal> goals() const override;

 private:
  struct Level {
    uint64_t orders;
    SaleOptions sale;
    uint64_t sold;  // of the item so far
    Samples cpu_us, redis_us;
  };

  Status fill(Rig& rig, Level& level);
  Status warm_up(Rig& rig, Level& level);
  Status measure(Rig& rig, Level& level);

  const Effort effort_;
  std::vector<Level> levels_;
};

Status OrderGrowth::fill(Rig& rig, Level& level) {
  level.sale.item = rig.next_item();
  level.sale.first_buyer = 0;
  SLUICE_TRY(rig.create_items(level.sale, kEndlessStock));
  const auto filled =
      rig.sell_items(level.sale, closed_loop(50, 64, kFillSecondsMax, level.orders));
  if (!filled) return filled.error();
  level.sold = filled->load.accepted;
  rig.say("orders in the item", text_of(level.sold),
          figure_text(filled->per_second(), Unit::kPerSecond));
  return {};
}

// What sold last was another item, or nothing: without as many orders before, the run would measure
// how caches and page tables are filled.
Status OrderGrowth::warm_up(Rig& rig, Level& level) {
  level.sale.first_buyer = level.sold;
  const auto sold = rig.sell_items(level.sale, closed_loop(50, 16, kFillSecondsMax, kRunOrders));
  if (!sold) return sold.error();
  level.sold += sold->load.accepted;
  return {};
}

Status OrderGrowth::measure(Rig& rig, Level& level) {
  // A small item would not stay small: it is a new one in every turn, and warm from being filled.
  const bool is_small = level.orders < 10 * kRunOrders;
  if (level.sold == 0 || is_small) SLUICE_TRY(fill(rig, level));
  if (!is_small) SLUICE_TRY(warm_up(rig, level));
  level.sale.first_buyer = level.sold;
  const auto sold = rig.sell_items(level.sale, closed_loop(50, 16, kFillSecondsMax, kRunOrders));
  if (!sold) return sold.error();
  level.sold += sold->load.accepted;
  level.cpu_us.add(sold->cpu_us());
  level.redis_us.add(sold->redis_us());
  rig.say("orders in the item", text_of(level.orders),
          figure_text(sold->cpu_us(), Unit::kMicroseconds));
  return {};
}

std::vector<Section> OrderGrowth::sections() const {
  Section section{"CPU us per purchase (proxy, Redis, journal), 50 connections x 16", {}, {}};
  Section::Row all{"by orders in the item before", {}}, redis{"  of it Redis", {}};
  for (const Level& level : levels_) {
    section.columns.push_back(text_of(level.orders));
    all.cells.push_back(figure_text(level.cpu_us.median(), Unit::kMicroseconds));
    redis.cells.push_back(figure_text(level.redis_us.median(), Unit::kMicroseconds));
  }
  section.rows = {std::move(all), std::move(redis)};
  return {section};
}

std::vector<Goal> OrderGrowth::goals() const {
  std::vector<Goal> goals;
  for (size_t i = 1; i < std::size(kOrderLevels); ++i) {
    const uint64_t orders = kOrderLevels[i];
    Goal goal{"CPU per purchase, " + text_of(orders) + " orders in item", Unit::kMicroseconds};
    goal.reference = "with " + text_of(kOrderLevels[0]);
    goal.wanted = kGrowthWanted;
    goal.at_most = true;
    if (i < levels_.size()) {
      goal.figure = levels_[i].cpu_us.median();
      goal.reference_value = levels_[0].cpu_us.median();
    } else {
      goal.missing = orders > effort_.orders_max ? "only without --quick" : "too little memory";
    }
    goals.push_back(goal);
  }
  return goals;
}

}  // namespace

std::unique_ptr<Measure> make_order_growth(const Effort& effort) {
  return std::make_unique<OrderGrowth>(effort);
}

}  // namespace sluice::bench::table
