#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "domain/features/calendar.h"
#include "domain/features/column.h"

// Aggregates over windows of an entity's events, put together from tiles of 5 minutes, an hour and
// a day. Training sets and the online store use the same History, so that what is served at t is
// what a training set says of t, to the bit: tiles are functions of the events in them, ordered by
// (event time, created with null lowest, order), not of the way the events came. Values; one thread
// writes or many read.
namespace slipway::features {

/// count: of values that are not null. sum of float64 is compensated (Neumaier); of int64 exact,
/// null when it does not fit. var and std are of the sample (n - 1), null below two values. Windows
/// without values have count 0 and null for everything else. NaN is passed on by all but count.
enum class AggregateFunction { kCount, kSum, kMin, kMax, kMean, kVar, kStd, kFirst, kLast };
/// "count", "sum", "min", "max", "mean", "var", "std", "first", "last".
const char* to_string(AggregateFunction function);
std::optional<AggregateFunction> parse_aggregate_function(std::string_view text);
/// Of an operand of `operand` type, int64 or float64.
Type result_type(AggregateFunction function, Type operand);

/// [floor(t - length, hop), t), or up to and with t when inclusive. hop 0: exactly length.
struct Window {
  std::int64_t length_us = 0;
  std::int64_t hop_us = 0;  // 0, or one of kTileUs
  bool inclusive = false;
  bool operator==(const Window&) const = default;
};
struct Range {
  std::int64_t from_us = 0, end_us = 0;  // without the end
};
Range range_of(const Window& window, std::int64_t at_us);
/// A day from 12 days on, an hour from 12 hours on, else 5 minutes.
std::int64_t default_hop_us(std::int64_t length_us);

inline constexpr std::array<std::int64_t, 3> kTileUs = {5 * kMinuteUs, kHourUs, kDayUs};

/// An int64 or a float64; its column says which.
union Number {
  std::int64_t whole;
  double real;
};

/// Mergeable statistics of some values in their order.
struct Summary {
  __extension__ typedef __int128 Wide;

  std::int64_t count = 0;
  double sum = 0, correction = 0;  // float64
  Wide total = 0;                  // int64
  double mean = 0, squares = 0;    // squares of the distances from the mean
  Number min{0}, max{0}, first{0}, last{0};

  void add(Number value, Type type);
  /// Of values that come after the ones here.
  void merge(const Summary& later, Type type);
  /// Null where it has none; `overflow` is set when a sum does not fit.
  Value value(AggregateFunction function, Type type, bool& overflow) const;
};

inline constexpr std::int64_t kNoCreated = std::numeric_limits<std::int64_t>::min();

struct EventId {
  std::int64_t at_us = 0;
  std::int64_t created_us = kNoCreated;
  std::uint64_t order = 0;  // position in the source, or of the write
  auto operator<=>(const EventId&) const = default;
};

/// The events of one entity with the values of `operands` each. Takes 24 bytes for an event, 16 for
/// each value, and 144 for an operand in a tile that has events.
class History {
 public:
  explicit History(std::vector<Type> operands) : operands_(std::move(operands)) {}

  /// `values`: one per operand, of its type or null. An event that is there already is replaced.
  /// At the end O(1), elsewhere linear in the events after it.
  void add(const EventId& id, std::span<const Value> values);
  /// Forgets what lies before, and the tiles it lay in.
  void drop_before(std::int64_t us);

  /// All of the window at `at_us`; with the cutoff only what was created by then (and null never).
  Summary summary(std::size_t operand, const Window& window, std::int64_t at_us,
                  bool created_cutoff = false) const;

  const std::vector<EventId>& events() const { return events_; }
  Value value(std::size_t event, std::size_t operand) const;
  std::size_t memory_bytes() const;

 private:
  struct Cell {
    Number number{0};
    bool valid = false;
  };
  struct Tiles {
    std::vector<std::int64_t> starts;  // ascending
    std::vector<Summary> summaries;    // operands() per start
  };
  struct Cutoff {
    bool applies = false;
    std::int64_t us = 0;
  };

  std::size_t width() const { return operands_.size(); }
  std::size_t first_at(std::int64_t us) const;
  void rebuild_tiles(std::int64_t at_us);
  void rebuild_tile(std::size_t level, std::int64_t start);
  std::size_t make_tile(std::size_t level, std::int64_t start);
  const Summary* find_tile(std::size_t level, std::int64_t start, std::size_t operand) const;
  Summary raw(std::size_t operand, const Range& range, const Cutoff& cutoff) const;
  Summary tile(std::size_t level, std::int64_t start, std::size_t operand,
               const Cutoff& cutoff) const;

  std::vector<Type> operands_;
  std::vector<EventId> events_;  // ascending
  std::vector<Cell> cells_;      // width() per event
  std::array<Tiles, kTileUs.size()> tiles_;
};

}  // namespace slipway::features
