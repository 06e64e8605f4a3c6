#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/tracking/run_image.h"
#include "domain/tracking/search.h"

// Which run is best by a metric, and whether that is shown: runs that repeat one configuration give
// an interval of its mean, and two configurations whose intervals overlap are not told apart. The
// decisions are pure; what they are about is fetched by Tracking::best().
namespace slipway::tracking {

enum class Goal { kMaximize, kMinimize };
/// Which value of a run's series counts.
enum class Taken { kLast, kMin, kMax };

/// Losses and errors are to be small, by the last word of the metric's name; all else is to be
/// large. For whoever does not say it.
Goal goal_by_name(std::string_view metric);

/// Names of parameters in which runs may differ and be repeats of each other all the same; the last
/// part of a name counts ("model.seed", "train/random_state"), in any case.
const std::vector<std::string>& seed_names();
/// Whether a parameter is one of those.
bool may_vary(std::string_view param, const std::vector<std::string>& varying);

struct BestQuery {
  /// Which runs; its order, limit and page count for nothing.
  RunQuery runs;
  std::string metric;
  Taken taken = Taken::kLast;
  Goal goal = Goal::kMaximize;
  /// A tag or a param: the best run of each of its values is compared. Nothing: the best
  /// configurations.
  std::optional<ColumnName> across;
  std::vector<std::string> varying = seed_names();
  double confidence = 0.95;  // that all intervals hold together; between 0 and 1
  std::size_t limit = 5;     // of contenders; at most kContendersMax
};
inline constexpr std::size_t kContendersMax = 50;

struct Interval {
  double low = 0, high = 0;
  bool overlaps(const Interval& other) const { return low <= other.high && other.low <= high; }
};

/// How a contender's mean stands to the first one's.
enum class Against {
  kFirst,     // it is the first
  kWorse,     // shown: the intervals do not overlap
  kBetter,    // shown likewise: the first one's best run was a lucky one
  kNotShown,  // the intervals overlap
  kUnknown,   // one of the two has no repeats
};
/// "first", "worse", "better", "not_shown", "unknown".
const char* to_string(Against against);

/// The best run of a group or configuration, with all runs that repeat it.
struct Contender {
  std::string group;  // the value of what is compared across; "" where nothing is
  std::string run_id;
  double value = 0;
  UnixMs start_ms = 0;
  std::string commit;                // "" where the client told none
  std::vector<Param> params;         // of the configuration: without those that may vary
  std::vector<std::string> repeats;  // ids of its runs, the best one's first
  std::vector<double> values;        // in the order of `repeats`
  bool complete = true;              // else there were too many runs to look for repeats in

  // What judge() says of it.
  double mean = 0;
  std::optional<double> deviation;   // of the repeats; from two on
  std::optional<Interval> interval;  // of the mean, likewise
  Against against = Against::kUnknown;
};

struct Best {
  std::vector<Contender> contenders;  // by their best runs
  double confidence_each = 0;         // of one interval, so that all hold together
  std::size_t runs = 0;               // that had the metric
  std::size_t not_finite = 0;         // whose value was NaN or too large: they are left out
  std::size_t groups = 0;             // there were, shown or not; with `across` only
  /// The first is shown to be better than each of the others.
  bool shown() const;
};

/// A run before it is known what repeats it.
struct Measured {
  std::size_t row = 0;  // of the caller's table
  std::string_view group;
  std::string_view run_id;
  UnixMs start_ms = 0;
  double value = 0;
};
/// Better first; of equal values the run that was there first.
bool is_ahead(const Measured& a, const Measured& b, Goal goal);
/// The best of each group, in order; at most `limit`. `groups`: how many there were.
std::vector<Measured> best_of_groups(const std::vector<Measured>& runs, Goal goal,
                                     std::size_t limit, std::size_t& groups);
/// The best `limit` of all, in order.
std::vector<Measured> best_of_all(std::vector<Measured> runs, Goal goal, std::size_t limit);

/// Means, intervals and what they show, of contenders in their order.
void judge(std::vector<Contender>& contenders, Goal goal, double confidence,
           double& confidence_each);

}  // namespace slipway::tracking
