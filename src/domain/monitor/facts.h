#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/checks/moments.h"
#include "domain/checks/profile.h"
#include "domain/delivery/gates.h"
#include "io/wire/json.h"

// What is known of one version's answers in one window: all that judges look at. Values, of bounded
// size whatever the number of answers; those of two parts of a window merge to that of the whole.
namespace slipway::monitor {

/// Answers as requests. Where only a share of the plain answers is logged, the weights stand for
/// all.
struct Answers {
  std::int64_t requests = 0, rows = 0;
  std::int64_t live = 0, canary = 0;     // requests by role
  std::int64_t refused = 0, failed = 0;  // status from 400 on: the caller's fault; from 500 on
  std::int64_t slow = 0, timed = 0;      // slower than asked for, of those that were answered
  std::int64_t rows_not_finite = 0;      // of answered rows: an output is NaN or infinite
  double answered_weight = 0, failed_weight = 0;
  double slow_weight = 0, timed_weight = 0;
  checks::Moments latency_us;        // of those that were answered
  checks::Moments outputs;           // first output of each row, where finite
  UnixMs first_ms = 0, last_ms = 0;  // event time; 0 without requests
  UnixMs last_live_ms = 0;           // of the last answer as the live version

  void merge(const Answers& other);
};

/// Answers against what turned out true, row by row.
struct Outcomes {
  std::int64_t rows = 0, labelled = 0;      // answered rows, and those of them with a label
  std::int64_t not_finite = 0;              // labelled rows without a finite output or label
  checks::Moments loss, predicted, actual;  // of labelled rows that are finite

  /// One labelled row.
  void add(delivery::Metric metric, double answer, double outcome);
  /// The logarithmic loss of one labelled row whose outputs are the probabilities of several
  /// classes: of that which turned out true, the outcome. What is no class had none.
  void add_classes(std::span<const float> probabilities, double outcome);
  void merge(const Outcomes& other);
};

/// Of one version.
struct VersionFacts {
  std::string model, version;
  Answers answers;
  Outcomes outcomes;
  std::optional<checks::Profile> profile;  // of the columns that requests carry, in the clear
  std::vector<std::string> hashed;         // columns of which only hashes are kept
  std::int64_t other_rows = 0;             // of requests with other columns: not in the profile
};

/// The metric itself: of mae_relative the mean loss over the mean outcome's size. Nothing without
/// labelled rows, or where it does not exist (outcomes that are 0 in the mean).
std::optional<double> value_of(delivery::Metric metric, const Outcomes& outcomes);
/// How far the mean answer lies from the mean outcome; negative: below it.
std::optional<double> bias_of(const Outcomes& outcomes);
/// The same in shares of the mean outcome's size.
std::optional<double> relative_bias_of(const Outcomes& outcomes);

/// The class that an answer means, where outcomes are classes: the place of the largest of several
/// outputs; of one the number itself, or where it is no whole number, a probability, whether it is
/// more than a half: the class that was answered.
double label_of(const float* outputs, std::size_t width);

/// What is kept of them, for people and pages; profiles are kept on their own.
wire::Json to_json(const VersionFacts& facts);

}  // namespace slipway::monitor
