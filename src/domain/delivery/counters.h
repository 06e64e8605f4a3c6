#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "domain/delivery/sequential.h"
#include "io/wire/json.h"

// What the data plane counts while a candidate is tried, and all that guards look at. Bounded
// values; parts (per thread, per server, before and after a restart) merge in any order.
namespace slipway::delivery {

/// What one version answered during a step.
struct ArmCounts {
  std::int64_t requests = 0;  // answered by this version, well or not; not those a client got wrong
  std::int64_t errors = 0;    // no answer, or one that is not finite
  std::int64_t slow = 0;      // slower than the latency requirement
  Moments scores;             // first output of each row that is finite

  void merge(const ArmCounts& other);
  bool operator==(const ArmCounts&) const = default;
};

/// Requests that both versions scored, in shadow; `..._only` where the other one was well.
struct PairCounts {
  std::int64_t pairs = 0;
  std::int64_t errors_candidate_only = 0, errors_stable_only = 0;
  std::int64_t slow_candidate_only = 0, slow_stable_only = 0;
  std::int64_t flips = 0;  // pairs with different labels
  Moments differences;     // candidate's score less the stable one's

  void merge(const PairCounts& other);
  bool operator==(const PairCounts&) const = default;
};

/// What was answered, by one version or by both.
struct AnswerCounts {
  ArmCounts stable, candidate;
  PairCounts pairs;

  void merge(const AnswerCounts& other);
  bool operator==(const AnswerCounts&) const = default;
};

/// Callers fall into so many clusters by a hash of their key: what differs between clusters shows
/// how alike the answers to one caller are, in bounded memory.
inline constexpr std::size_t kClusters = 128;

struct StepCounts : AnswerCounts {
  std::int64_t dropped = 0;  // sampled for shadow, but not scored: its queue was full, or a column
                             // is wanted that nobody sent
  /// The same answers by clusters of callers: kClusters of them, or none where it isn't known who
  /// asked.
  std::vector<AnswerCounts> clusters;

  /// Precondition: cluster < kClusters.
  void add(const AnswerCounts& answer, std::size_t cluster);
  void merge(const StepCounts& other);
  bool operator==(const StepCounts&) const = default;
};

/// With the clusters, for the store.
wire::Json to_json(const StepCounts& counts);
/// Without them, for people.
wire::Json totals_json(const StepCounts& counts);
/// kInvalid for what to_json can't have written: negative counts, more errors than requests,
/// spreads that are no numbers. Counts without clusters are read: older versions wrote them.
Result<StepCounts> step_counts_from(const wire::Json& json);

}  // namespace slipway::delivery
