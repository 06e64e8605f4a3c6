#include "domain/features/aggregate.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/check.h"

namespace slipway::features {
namespace {

constexpr const char* kNames[] = {"count", "sum", "min",   "max", "mean",
                                  "var",   "std", "first", "last"};

Value value_of(Number number, Type type) {
  if (type == Type::kInt64) return number.whole;
  return number.real;
}

double real_of(Number number, Type type) {
  return type == Type::kInt64 ? static_cast<double>(number.whole) : number.real;
}

/// NaN stays; else the smaller, or the greater.
Number extreme(Number a, Number b, Type type, bool greatest) {
  if (type == Type::kInt64) return (greatest ? b.whole > a.whole : b.whole < a.whole) ? b : a;
  if (std::isnan(a.real)) return a;
  if (std::isnan(b.real)) return b;
  return (greatest ? b.real > a.real : b.real < a.real) ? b : a;
}

/// Neumaier's sum. What is not finite has no correction.
void add_compensated(double& sum, double& correction, double value) {
  const double next = sum + value;
  if (std::isfinite(next)) {
    correction += std::fabs(sum) >= std::fabs(value) ? (sum - next) + value : (value - next) + sum;
  }
  sum = next;
}

bool fits(Summary::Wide total) {
  return total >= std::numeric_limits<std::int64_t>::min() &&
         total <= std::numeric_limits<std::int64_t>::max();
}

}  // namespace

const char* to_string(AggregateFunction function) {
  return kNames[static_cast<std::size_t>(function)];
}

std::optional<AggregateFunction> parse_aggregate_function(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i]) return static_cast<AggregateFunction>(i);
  }
  return std::nullopt;
}

Type result_type(AggregateFunction function, Type operand) {
  switch (function) {
    case AggregateFunction::kCount:
      return Type::kInt64;
    case AggregateFunction::kMean:
    case AggregateFunction::kVar:
    case AggregateFunction::kStd:
      return Type::kFloat64;
    default:
      return operand;
  }
}

Range range_of(const Window& window, std::int64_t at_us) {
  std::int64_t from = at_us - window.length_us;
  if (window.hop_us > 0) from = floor_to(from, window.hop_us);
  return {from, at_us + (window.inclusive ? 1 : 0)};
}

std::int64_t default_hop_us(std::int64_t length_us) {
  if (length_us >= 12 * kDayUs) return kDayUs;
  return length_us >= 12 * kHourUs ? kHourUs : 5 * kMinuteUs;
}

void Summary::add(Number value, Type type) {
  const double x = real_of(value, type);
  if (type == Type::kInt64)
    total += value.whole;
  else
    add_compensated(sum, correction, x);
  ++count;
  const double distance = x - mean;
  mean += distance / static_cast<double>(count);
  squares += distance * (x - mean);
  min = count == 1 ? value : extreme(min, value, type, false);
  max = count == 1 ? value : extreme(max, value, type, true);
  if (count == 1) first = value;
  last = value;
}

void Summary::merge(const Summary& later, Type type) {
  if (later.count == 0) return;
  if (count == 0) {
    *this = later;
    return;
  }
  const auto n = static_cast<double>(count), m = static_cast<double>(later.count);
  const double distance = later.mean - mean;
  mean += distance * (m / (n + m));
  squares += later.squares + distance * distance * (n * m / (n + m));
  count += later.count;
  total += later.total;
  add_compensated(sum, correction, later.sum);
  correction += later.correction;
  min = extreme(min, later.min, type, false);
  max = extreme(max, later.max, type, true);
  last = later.last;
}

Value Summary::value(AggregateFunction function, Type type, bool& overflow) const {
  if (function == AggregateFunction::kCount) return count;
  if (count == 0) return {};
  const double real_sum = std::isfinite(sum) ? sum + correction : sum;
  switch (function) {
    case AggregateFunction::kSum:
      if (type == Type::kFloat64) return real_sum;
      if (fits(total)) return static_cast<std::int64_t>(total);
      overflow = true;
      return {};
    case AggregateFunction::kMean:
      return (type == Type::kInt64 ? static_cast<double>(total) : real_sum) /
             static_cast<double>(count);
    case AggregateFunction::kVar:
      if (count < 2) return {};
      return squares / static_cast<double>(count - 1);
    case AggregateFunction::kStd:
      if (count < 2) return {};
      return std::sqrt(squares / static_cast<double>(count - 1));
    case AggregateFunction::kMin:
      return value_of(min, type);
    case AggregateFunction::kMax:
      return value_of(max, type);
    case AggregateFunction::kFirst:
      return value_of(first, type);
    case AggregateFunction::kLast:
      return value_of(last, type);
    case AggregateFunction::kCount:
      break;
  }
  return count;
}

std::size_t History::first_at(std::int64_t us) const {
  const auto place =
      std::lower_bound(events_.begin(), events_.end(), us,
                       [](const EventId& e, std::int64_t at) { return e.at_us < at; });
  return static_cast<std::size_t>(place - events_.begin());
}

Value History::value(std::size_t event, std::size_t operand) const {
  const Cell& cell = cells_[event * width() + operand];
  if (!cell.valid) return {};
  return value_of(cell.number, operands_[operand]);
}

void History::add(const EventId& id, std::span<const Value> values) {
  CHECK(values.size() == width());
  std::vector<Cell> cells(width());
  for (std::size_t i = 0; i < width(); ++i) {
    if (is_null(values[i])) continue;
    CHECK(type_of(values[i]) == operands_[i]);
    cells[i].valid = true;
    if (operands_[i] == Type::kInt64)
      cells[i].number.whole = std::get<std::int64_t>(values[i]);
    else
      cells[i].number.real = std::get<double>(values[i]);
  }
  const auto place = std::lower_bound(events_.begin(), events_.end(), id);
  const auto at = static_cast<std::size_t>(place - events_.begin());
  const auto first_cell = cells_.begin() + static_cast<std::ptrdiff_t>(at * width());
  if (place != events_.end() && *place == id) {
    std::copy(cells.begin(), cells.end(), first_cell);
    return rebuild_tiles(id.at_us);
  }
  const bool last = place == events_.end();
  events_.insert(place, id);
  cells_.insert(first_cell, cells.begin(), cells.end());
  if (!last) return rebuild_tiles(id.at_us);
  // The usual case: what a rebuild would add last.
  const std::size_t tile = make_tile(0, floor_to(id.at_us, kTileUs[0])) * width();
  for (std::size_t i = 0; i < width(); ++i) {
    if (cells[i].valid) tiles_[0].summaries[tile + i].add(cells[i].number, operands_[i]);
  }
  for (std::size_t level = 1; level < kTileUs.size(); ++level) {
    rebuild_tile(level, floor_to(id.at_us, kTileUs[level]));
  }
}

void History::rebuild_tiles(std::int64_t at_us) {
  for (std::size_t level = 0; level < kTileUs.size(); ++level) {
    rebuild_tile(level, floor_to(at_us, kTileUs[level]));
  }
}

void History::rebuild_tile(std::size_t level, std::int64_t start) {
  const std::size_t place = make_tile(level, start);
  for (std::size_t operand = 0; operand < width(); ++operand) {
    // From the level below, or from the events: as tile() does it with a cutoff.
    Summary summary;
    if (level == 0) {
      summary = raw(operand, {start, start + kTileUs[0]}, {});
    } else {
      const std::int64_t step = kTileUs[level - 1];
      const Tiles& below = tiles_[level - 1];
      auto piece = std::lower_bound(below.starts.begin(), below.starts.end(), start);
      for (; piece != below.starts.end() && *piece <= start + kTileUs[level] - step; ++piece) {
        const auto index = static_cast<std::size_t>(piece - below.starts.begin());
        summary.merge(below.summaries[index * width() + operand], operands_[operand]);
      }
    }
    tiles_[level].summaries[place * width() + operand] = summary;
  }
}

std::size_t History::make_tile(std::size_t level, std::int64_t start) {
  Tiles& tiles = tiles_[level];
  const auto place = std::lower_bound(tiles.starts.begin(), tiles.starts.end(), start);
  const auto at = static_cast<std::size_t>(place - tiles.starts.begin());
  if (place != tiles.starts.end() && *place == start) return at;
  tiles.starts.insert(place, start);
  tiles.summaries.insert(tiles.summaries.begin() + static_cast<std::ptrdiff_t>(at * width()),
                         width(), Summary{});
  return at;
}

void History::drop_before(std::int64_t us) {
  const std::size_t count = first_at(us);
  if (count == 0) return;
  events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(count));
  cells_.erase(cells_.begin(), cells_.begin() + static_cast<std::ptrdiff_t>(count * width()));
  for (std::size_t level = 0; level < kTileUs.size(); ++level) {
    Tiles& tiles = tiles_[level];
    const std::int64_t first = floor_to(us, kTileUs[level]);
    const auto end = std::lower_bound(tiles.starts.begin(), tiles.starts.end(), first);
    const auto gone = end - tiles.starts.begin();
    tiles.starts.erase(tiles.starts.begin(), end);
    tiles.summaries.erase(tiles.summaries.begin(),
                          tiles.summaries.begin() + gone * static_cast<std::ptrdiff_t>(width()));
  }
  rebuild_tiles(us);  // the cut goes through one tile of each level
}

const Summary* History::find_tile(std::size_t level, std::int64_t start,
                                  std::size_t operand) const {
  const Tiles& tiles = tiles_[level];
  const auto place = std::lower_bound(tiles.starts.begin(), tiles.starts.end(), start);
  if (place == tiles.starts.end() || *place != start) return nullptr;
  return &tiles.summaries[static_cast<std::size_t>(place - tiles.starts.begin()) * width() +
                          operand];
}

Summary History::raw(std::size_t operand, const Range& range, const Cutoff& cutoff) const {
  Summary summary;
  for (std::size_t i = first_at(range.from_us); i < events_.size(); ++i) {
    if (events_[i].at_us >= range.end_us) break;
    if (cutoff.applies &&
        (events_[i].created_us == kNoCreated || events_[i].created_us > cutoff.us)) {
      continue;
    }
    const Cell& cell = cells_[i * width() + operand];
    if (cell.valid) summary.add(cell.number, operands_[operand]);
  }
  return summary;
}

Summary History::tile(std::size_t level, std::int64_t start, std::size_t operand,
                      const Cutoff& cutoff) const {
  const Summary* known = find_tile(level, start, operand);
  if (known == nullptr) return {};
  if (!cutoff.applies) return *known;
  if (level == 0) return raw(operand, {start, start + kTileUs[0]}, cutoff);
  Summary summary;
  for (std::int64_t at = start; at < start + kTileUs[level]; at += kTileUs[level - 1]) {
    summary.merge(tile(level - 1, at, operand, cutoff), operands_[operand]);
  }
  return summary;
}

Summary History::summary(std::size_t operand, const Window& window, std::int64_t at_us,
                         bool created_cutoff) const {
  Range range = range_of(window, at_us);
  const Cutoff cutoff{created_cutoff, at_us};
  Summary all;
  if (events_.empty()) return all;
  // Where there are no events there is nothing to merge: long windows of young entities stay cheap.
  range.from_us = std::max(range.from_us, floor_to(events_.front().at_us, kTileUs.back()));
  range.end_us = std::min(range.end_us, floor_to(events_.back().at_us, kTileUs.back()) + kDayUs);
  std::int64_t at = range.from_us;
  while (at < range.end_us) {
    std::size_t level = kTileUs.size();
    while (level > 0 &&
           (floor_to(at, kTileUs[level - 1]) != at || at + kTileUs[level - 1] > range.end_us)) {
      --level;
    }
    if (level > 0) {
      all.merge(tile(level - 1, at, operand, cutoff), operands_[operand]);
      at += kTileUs[level - 1];
    } else {
      const std::int64_t end = std::min(range.end_us, floor_to(at, kTileUs[0]) + kTileUs[0]);
      all.merge(raw(operand, {at, end}, cutoff), operands_[operand]);
      at = end;
    }
  }
  return all;
}

std::size_t History::memory_bytes() const {
  std::size_t bytes =
      sizeof *this + events_.capacity() * sizeof(EventId) + cells_.capacity() * sizeof(Cell);
  for (const Tiles& tiles : tiles_) {
    bytes += tiles.starts.capacity() * sizeof(std::int64_t) +
             tiles.summaries.capacity() * sizeof(Summary);
  }
  return bytes;
}

}  // namespace slipway::features
