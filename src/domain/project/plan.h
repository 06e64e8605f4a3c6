#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "domain/project/answers.h"
#include "domain/project/bindings.h"
#include "domain/project/declared.h"
#include "domain/project/outlook.h"
#include "domain/project/workspace.h"

// What applying a project file would do, as a value: what changes, whether its rollouts can get the
// answers that their guards need, and whether its windows will hold what their monitors need. Pure;
// any thread.
namespace slipway::project {

/// What is known of a deployment.
struct DeploymentFacts {
  std::optional<Rate> traffic;       // measured over a week at least
  std::optional<double> error_rate;  // of the live version
  /// Answers requests for its model today, as no deployment has that yet.
  std::optional<std::int64_t> registry_version;
};
struct Facts {
  std::map<std::string, DeploymentFacts> deployments;  // by name
  std::optional<Workspace> workspace;                  // nothing: not looked at
  std::optional<ModelsKnown> models;                   // likewise
  ServedKnown served;                                  // what was applied or will be
  bool is_server = false;                              // a server looks, which will act on it
};

struct GuardNeed {
  std::string guard;  // "error_rate", "requirement latency"
  double margin = 0;
  std::optional<std::int64_t> answers;
  std::string unknown;  // why there is no number
};
struct StepPlan {
  StepKind kind = StepKind::kShadow;
  double percent = 100;
  std::int64_t min_requests = 0;
  Span min_time{0}, max_wait{0};
  std::vector<GuardNeed> guards;       // those with a margin
  std::int64_t needed = 0;             // the largest of min_requests and the guards' needs
  std::optional<std::int64_t> before;  // answers of the candidate before max_wait; nothing without
                                       // a rate, or when it waits for ever
};
struct RolloutPlan {
  std::string deployment;
  double alpha = 0;  // of each guard in each step
  std::optional<Rate> traffic;
  std::string traffic_from;  // "measured", "declared", "unknown"
  std::vector<StepPlan> steps;
};

struct Plan {
  bool first = false;  // nothing was applied before
  std::vector<Change> changes;
  std::vector<Binding> bindings;
  std::vector<RolloutPlan> rollouts;
  /// Each begins with "slipway.yaml:LINE:COLUMN: ". A plan with refusals is not applied.
  std::vector<std::string> notes, warnings, refusals;
};

using AnswersNeeded = std::function<std::optional<std::int64_t>(const Question&)>;

/// `applied`: null when nothing was.
Plan plan(const Declared* applied, const Declared& next, const Facts& facts,
          const AnswersNeeded& needed = answers_needed);

/// For people: one line a change, "+", "~" or "-", then what each guard needs, then notes, warnings
/// and refusals.
std::string to_text(const Plan& plan);
wire::Json to_json(const Plan& plan);
wire::Json to_json(const Change& change);
wire::Json to_json(const std::vector<Binding>& bindings);

}  // namespace slipway::project
