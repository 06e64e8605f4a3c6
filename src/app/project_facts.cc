#include "app/project_facts.h"

#include "domain/serving/day_files.h"
#include "domain/serving/predictions.h"

namespace slipway::app {
namespace {

constexpr std::chrono::milliseconds kWeek = std::chrono::hours(7 * 24);
constexpr int kErrorStatus = 500;  // below it the caller was wrong, not the version

struct Counts {
  double answered = 0, failed = 0;  // of requests that were given an answer: shadow is none
  std::uint64_t visited = 0;
};

void count(const serving::Prediction& prediction, double sample, Counts& counts) {
  ++counts.visited;
  if (prediction.role == serving::Role::kShadow) return;
  bool failed = prediction.status >= kErrorStatus;
  // Only plain answers of the live version are sampled.
  bool sampled = prediction.role == serving::Role::kLive && !failed;
  counts.answered += sampled ? 1 / sample : 1;
  if (failed) counts.failed += 1;
}

/// Whether the log reaches back a week: a younger service's rate isn't known yet.
bool reaches_back(const std::filesystem::path& root, const std::string& deployment,
                  UnixMs from_ms) {
  std::vector<std::string> days = serving::days_in(root / serving::folder_of(deployment));
  return !days.empty() && days.front() <= serving::day_of(from_ms);
}

Result<project::DeploymentFacts> measure(const std::filesystem::path& state,
                                         const project::DeploymentSpec& deployment, UnixMs now_ms,
                                         blob::Damages* damages) {
  project::DeploymentFacts facts;
  std::filesystem::path root = state / "predictions";
  UnixMs from_ms = now_ms - kWeek.count();
  if (!reaches_back(root, deployment.name, from_ms)) return facts;
  Counts counts;
  serving::Predictions log(root, state / "labels", damages);
  TRY(log.scan(deployment.name, from_ms, now_ms,
               [&](const serving::Prediction& prediction, const serving::Layout&) {
                 count(prediction, deployment.log.sample, counts);
                 return counts.visited < kMeasuredMax;
               }));
  if (counts.answered == 0) return facts;
  facts.traffic = project::Rate{counts.answered, kWeek};
  facts.error_rate = counts.failed / counts.answered;
  return facts;
}

}  // namespace

Result<project::Facts> measured_facts(const std::filesystem::path& state,
                                      const project::ProjectFile& file, UnixMs now_ms,
                                      blob::Damages* damages) {
  project::Facts facts;
  for (const project::DeploymentSpec& deployment : file.deployments) {
    facts.deployments[deployment.name] = TRY(measure(state, deployment, now_ms, damages));
  }
  return facts;
}

}  // namespace slipway::app
