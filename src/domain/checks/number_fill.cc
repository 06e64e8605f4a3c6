#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "domain/checks/cell_text.h"
#include "domain/checks/column_fill.h"
#include "domain/checks/kernels.h"
#include "domain/checks/stable_hash.h"
#include "domain/checks/tally.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::kChunkRowsMax;
using table::Type;

constexpr std::size_t kNumbersMax = 10'000;  // different whole numbers that are counted one by one
constexpr std::size_t kRealsMax = 400;       // other numbers
constexpr std::size_t kEarly = 16'384;       // values that own bins are told from

class NumberFill final : public ColumnFill {
 public:
  NumberFill(const ColumnPlan& plan, const table::Field& field) : ColumnFill(plan, field) {
    if (Bins::are_edges(plan.edges)) profile_.bins.emplace(plan.edges);
    own_bins_ = plan.own_bins && !profile_.bins;
    if (plan.quantiles) profile_.quantiles.emplace();
    if (plan.frequent)
      profile_.frequent.emplace(field.type == Type::kReal ? kRealsMax : kNumbersMax);
    if (plan.order) profile_.order.emplace();
  }

  ColumnProfile result() const override {
    ColumnProfile result = ColumnFill::result();
    tally_.each([&](std::uint64_t hash, const NumberKey&, std::int64_t count) {
      result.frequent->add_known(hash, count);
    });
    if (own_bins_) result.bins = own_bins(result);
    return result;
  }

 protected:
  void fill(const ColumnView& view, std::size_t rows) override {
    Cells cells = view.type == Type::kReal ? reals_of(view, rows) : integers_of(view, rows);
    profile_.moments.add(cells.values, cells.sum);
    if (profile_.quantiles) profile_.quantiles->add(cells.values);
    if (profile_.order) add_order(cells);
    if (profile_.distinct || counts_values() || plan_->unique) add_values(cells);
    add_bins(cells.values);
    const bool exactly = are_beyond_doubles(cells);
    for (RuleCounter& rule : rules_) {
      if (cells.infinite)
        count_rule_of_reals(rule, cells);
      else if (exactly || !rule.all_keep(cells.values)) count_rule(rule, cells, exactly);
    }
  }

 private:
  /// The finite values of a chunk, one after the other.
  struct Cells {
    const ColumnView& view;
    std::size_t rows = 0;
    std::span<const double> values = {};
    double sum = 0;                          // of them
    const std::int64_t* integers = nullptr;  // the same, where they are no reals
    bool rows_known = false;                 // rows_ says where each came from
    bool infinite = false;                   // there are such cells, too
  };

  // --- values, without nulls ---

  Cells reals_of(const ColumnView& view, std::size_t rows) {
    Cells cells{.view = view, .rows = rows, .values = {view.reals, rows}};
    if (view.valid != nullptr)
      cells.values = {reals_.data(), pack(view.reals, view.valid, rows, reals_.data())};
    profile_.nulls += static_cast<std::int64_t>(rows - cells.values.size());
    cells.sum = sum_of(cells.values.data(), cells.values.size());
    if (std::isfinite(cells.sum)) return cells;
    const std::int64_t before = profile_.infinite_low + profile_.infinite_high;
    cells.values = finite_of(cells.values);
    cells.infinite = profile_.infinite_low + profile_.infinite_high > before;
    cells.sum = sum_of(cells.values.data(), cells.values.size());
    return cells;
  }

  Cells integers_of(const ColumnView& view, std::size_t rows) {
    Cells cells{.view = view, .rows = rows, .integers = integers_.data()};
    std::size_t n = rows;
    if (view.type == Type::kBool)
      n = pack(view.bools, view.valid, rows, integers_.data());
    else if (view.valid != nullptr)
      n = pack(view.integers, view.valid, rows, integers_.data());
    else
      cells.integers = view.integers;
    profile_.nulls += static_cast<std::int64_t>(rows - n);
    as_reals(cells.integers, n, reals_.data());
    cells.values = {reals_.data(), n};
    cells.sum = sum_of(reals_.data(), n);
    return cells;
  }

  /// `values` may lie in reals_ already.
  std::span<const double> finite_of(std::span<const double> values) {
    std::size_t n = 0;
    for (const double value : values) {
      if (std::isfinite(value))
        reals_[n++] = value;
      else
        count_not_finite(value);
    }
    return {reals_.data(), n};
  }

  void count_not_finite(double value) {
    if (std::isnan(value))
      ++profile_.nans;
    else
      ++(value > 0 ? profile_.infinite_high : profile_.infinite_low);
  }

  /// Where values[i] came from. Rarely asked, so found out when it is.
  std::size_t row_of(Cells& cells, std::size_t i) {
    if (cells.values.size() == cells.rows) return i;
    if (!cells.rows_known) {
      std::size_t n = 0;
      each_present(cells.view, cells.rows, [&](std::size_t row) {
        if (cells.integers != nullptr || std::isfinite(cells.view.reals[row]))
          rows_[n++] = static_cast<std::uint32_t>(row);
      });
      cells.rows_known = true;
    }
    return rows_[i];
  }

  // --- which values there are ---

  bool counts_values() const { return profile_.frequent && !profile_.frequent->abandoned(); }

  void add_values(Cells& cells) {
    const std::size_t counted = counts_values() ? count_values(cells) : 0;
    const std::size_t n = cells.values.size() - counted;
    if (n == 0) return;
    if (cells.integers != nullptr)
      hash_all(cells.integers + counted, n, hashes_.data());
    else
      hash_all(cells.values.data() + counted, n, hashes_.data());
    const std::span<const std::uint64_t> hashes{hashes_.data(), n};
    if (profile_.distinct) profile_.distinct->add_all(hashes);
    if (plan_->unique) seen_.add_all(hashes);
  }

  /// One by one, as long as there are few different ones; how many were.
  std::size_t count_values(Cells& cells) {
    std::int64_t known = 0;
    std::size_t i = 0;
    for (; i < cells.values.size() && counts_values(); ++i) {
      const NumberKey key = key_of(cells, i);
      if (tally_.count(key)) {
        ++known;
        continue;
      }
      seen_.add_known(std::exchange(known, 0));
      look_at(cells, i, key);
    }
    seen_.add_known(known);
    return i;
  }

  static NumberKey key_of(const Cells& cells, std::size_t i) {
    if (cells.integers != nullptr) return {cells.integers[i]};
    const double value = cells.values[i];
    return {std::bit_cast<std::int64_t>(value == 0 ? 0.0 : value)};
  }

  /// A value that may be new.
  void look_at(Cells& cells, std::size_t i, const NumberKey& key) {
    const std::uint64_t hash = hash_of(key.bits);  // a real's is that of its bits
    if (profile_.distinct) profile_.distinct->add(hash);
    if (plan_->unique) seen_.add(hash);
    Frequent& frequent = *profile_.frequent;
    const std::size_t row = row_of(cells, i);
    frequent.add_number(hash, profile_.rows + static_cast<std::int64_t>(row));
    if (frequent.last_was_new())
      frequent.name_last(cell_text(cells.view, row), cells.values[i]);
    if (frequent.size() <= frequent.values_max()) return tally_.put(key, hash);
    frequent.abandon();
    tally_.clear();
  }

  void add_order(const Cells& cells) {
    const std::span<const double> values = cells.values;
    if (values.empty()) return;
    Order& order = *profile_.order;
    if (order.n == 0) order.first = values.front();
    const Steps steps = cells.integers != nullptr
                            ? steps_from(cells.integers, values.size(), last_whole_)
                            : steps_from(values.data(), values.size(), order.last);
    order.descents += steps.descents;
    order.repeats += steps.repeats;
    order.last = values.back();
    order.n += static_cast<std::int64_t>(values.size());
  }

  /// The first value has none before it; later chunks go on from the last one.
  template <class T>
  Steps steps_from(const T* values, std::size_t n, T& last) {
    const bool is_first = profile_.order->n == 0;
    Steps steps = count_steps(values, n, is_first ? values[0] : last);
    if (is_first) --steps.repeats;  // the first one was compared with itself
    last = values[n - 1];
    return steps;
  }

  /// Whether a whole number so far is one that doubles have no place for. Called after moments.
  bool are_beyond_doubles(const Cells& cells) const {
    constexpr double kEnd = 0x1p53;
    const Moments& moments = profile_.moments;
    return cells.integers != nullptr && moments.n > 0 &&
           (moments.max >= kEnd || moments.min <= -kEnd);
  }

  void count_rule(RuleCounter& rule, Cells& cells, bool exactly) {
    for (std::size_t i = 0; i < cells.values.size(); ++i) {
      const bool keeps =
          exactly ? rule.keeps_whole(cells.integers[i]) : rule.keeps(cells.values[i]);
      if (!keeps) rule.broken(cells.view, row_of(cells, i), profile_.rows);
    }
  }

  /// Cells as they stand there: an infinity keeps a rule or breaks it, NaN does neither.
  void count_rule_of_reals(RuleCounter& rule, const Cells& cells) {
    each_present(cells.view, cells.rows, [&](std::size_t row) {
      const double value = cells.view.reals[row];
      if (!std::isnan(value) && !rule.keeps(value)) rule.broken(cells.view, row, profile_.rows);
    });
  }

  // --- bins ---

  /// After all that tells the edges of own bins.
  void add_bins(std::span<const double> values) {
    if (profile_.bins) return profile_.bins->add(values);
    if (!own_bins_) return;
    early_.insert(early_.end(), values.begin(), values.end());
    if (early_.size() < kEarly) return;
    profile_.bins = bins_of_early(profile_);
    early_ = {};
  }

  /// Nothing where no edges can be told.
  std::optional<Bins> bins_of_early(const ColumnProfile& seen) const {
    std::vector<double> edges = reference_edges(seen);
    if (!Bins::are_edges(edges)) return std::nullopt;
    Bins bins(std::move(edges));
    bins.add(early_);
    return bins;
  }

  /// At the end: of all values where they were few, else those of the first ones if these turn out
  /// to be like the others.
  std::optional<Bins> own_bins(const ColumnProfile& seen) const {
    if (!seen.bins) return early_.empty() ? std::nullopt : bins_of_early(seen);
    const bool of_values = seen.frequent && seen.frequent->exact() &&
                           seen.frequent->size() <= kValuesMax;
    if (of_values)
      return reference_edges(seen) == seen.bins->edges() ? seen.bins : std::nullopt;
    Bins bins = seen.bins->stretched(seen.moments.min, seen.moments.max);
    return bins.are_even() ? std::optional(std::move(bins)) : std::nullopt;
  }

  std::int64_t last_whole_ = 0;  // for the order
  bool own_bins_ = false;
  std::vector<double> early_;  // until there are enough to tell own bins
  Tally<NumberKey> tally_;     // of what `frequent` holds
  std::array<double, kChunkRowsMax> reals_;
  std::array<std::int64_t, kChunkRowsMax> integers_;
  std::array<std::uint64_t, kChunkRowsMax> hashes_;
  std::array<std::uint32_t, kChunkRowsMax> rows_;
};

}  // namespace

std::unique_ptr<ColumnFill> make_number_fill(const ColumnPlan& plan, const table::Field& field) {
  return std::make_unique<NumberFill>(plan, field);
}

}  // namespace slipway::checks
