#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/delivery/golden.h"
#include "domain/delivery/verdict.h"
#include "domain/engine/mlmodel.h"
#include "domain/engine/model.h"
#include "domain/project/project_file.h"

// What must be true of a version before it may serve. Each gate is a pure function from what was
// found to a verdict with evidence; nothing found is kNoData, never a pass. At the end the
// functions that find something: they run a model, on the caller's thread.
namespace slipway::delivery {

inline constexpr char kIntegrity[] = "integrity", kSignature[] = "signature",
                      kContract[] = "contract", kParity[] = "parity", kQuality[] = "quality",
                      kPerformance[] = "performance";

/// A file of the version's folder: its SHA-256 when it was logged, and now; "" where there is none.
struct FileDigest {
  std::string path, recorded, found;
};
/// Every file that was recorded is there unchanged, and no other.
GateVerdict judge_integrity(const std::vector<FileDigest>& files);

/// Whoever can call `replaced` can call `candidate`: no required input is new, no output gone, and
/// each accepts what the other accepted (integers may become wider or real, fixed sizes free).
/// `replaced` is null when nothing is served yet.
GateVerdict judge_signature(const engine::MlModel& candidate, const engine::MlModel* replaced);

/// How the training data stood to its contracts: one finding per table.
struct ContractFinding {
  std::string table, contract;  // path of the data; version or file of the contract
  std::string status;           // of the verdict there: "pass", "warn", "fail", "block", ...
  std::string words, verdict;   // and its node in the graph
  std::string data = {};        // version of the data, a digest
};
GateVerdict judge_contract(const std::vector<ContractFinding>& findings);

/// What the serving engine answered to golden rows.
struct Replay {
  std::string fault;  // why it could not; else empty
  std::vector<float> values, margins;
};
/// Margins to the bit, values within one unit in the last place, all of them finite; of enough rows
/// that are not copies of each other.
GateVerdict judge_parity(const GoldenRows& golden, const Replay& replay);

/// A metric as a mean over rows, so that two models can be compared row by row.
enum class Metric { kMae, kMaeRelative, kMse, kRmse, kLogLoss, kErrorRate, kAccuracy };
std::optional<Metric> metric_from(std::string_view name);
/// One row's loss. kMaeRelative as kMae: its denominator is of all rows.
double loss_of(Metric metric, double predicted, double target);

struct QualityInput {
  project::Requirement requirement;      // metric and bounds, on the hold-out
  std::vector<double> candidate_losses;  // per row of the hold-out
  std::vector<double> live_losses;       // of the same rows; empty: nothing is served, or it failed
  std::vector<double> targets;           // for relative metrics
  std::optional<std::size_t> different;  // rows that are no copies; nothing: all of them
  std::vector<std::int64_t> clusters;    // rows of one entity stay together; empty: each its own
  bool has_live = false;                 // whether a version is served
  double margin = 0.1;                   // of the live metric: how much worse is still no worse
};
/// Keeps the requirement, and is shown to be no worse than the live version by more than the
/// margin: the 95 % bound (one-sided) of the difference on the same rows, by a bootstrap over
/// clusters (2,000 replicates, BCa, a fixed seed; from 20,000 clusters on the normal bound).
GateVerdict judge_quality(const QualityInput& input);

/// The same from one figure, where there are no rows to compare: what the run that made the version
/// says of itself, and what the live version's says of the same data, if it does: figures of
/// different data say nothing about each other. Weaker, and the words say so.
GateVerdict judge_quality_by_metric(const project::Requirement& requirement, double candidate,
                                    std::optional<double> live, bool has_live, double margin = 0.1);

/// The upper bound of the mean of `differences` as judge_quality takes it.
double upper_bound(const std::vector<double>& differences,
                   const std::vector<std::int64_t>& clusters, double confidence = 0.95);

/// Times of single rows in nanoseconds; `requirement` is one about latency_ms, null when there is
/// none.
GateVerdict judge_performance(std::vector<std::int64_t> nanoseconds,
                              const project::Requirement* requirement);

/// Whoever approved the version; null: nobody did. Not asked before somebody has: a person takes
/// as long as it takes.
GateVerdict judge_approval(const Approval* approval);

/// Scores the golden rows. Columns are matched by name where both have names.
Replay replay(const engine::Model& model, const GoldenRows& golden);
/// Each row's loss on rows with targets; kInvalid where the model's values can't be compared by
/// that metric, kMissing without targets.
Result<std::vector<double>> losses(const engine::Model& model, const GoldenRows& held_out,
                                   Metric metric);
/// Times `repetitions` single rows of golden ones, in turn, after a warm-up of a tenth; `now_ns`
/// never goes back. Blocks for as long as that takes.
std::vector<std::int64_t> time_rows(const engine::Model& model, const GoldenRows& golden,
                                    int repetitions, const std::function<std::int64_t()>& now_ns);

}  // namespace slipway::delivery
