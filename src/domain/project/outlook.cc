#include "domain/project/outlook.h"

#include <algorithm>

#include "base/text.h"
#include "domain/project/reader.h"

namespace slipway::project {
namespace {

std::string at(yaml::Position position, const std::string& message) {
  return yaml::error_at(kProjectFile, position, message).message;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The place of a gate; nothing where the deployment does not have it.
std::optional<yaml::Position> place_of_gate(const DeploymentSpec& spec, const std::string& gate) {
  const auto found = std::find(spec.gates.begin(), spec.gates.end(), gate);
  if (found == spec.gates.end()) return {};
  return spec.gates_at[static_cast<std::size_t>(found - spec.gates.begin())];
}

/// "the requirements latency and freshness, which are on serving"
std::string those_on_serving(const std::vector<Requirement>& requirements) {
  std::vector<std::string> ids;
  for (const Requirement& requirement : requirements) ids.push_back(in_quotes(requirement.id));
  if (ids.empty()) return "none";
  return join(ids, ", ") + (ids.size() == 1 ? " on serving" : ", all on serving");
}

void judge_quality_gate(const ProjectFile& file, const DeploymentSpec& spec, Remarks& out) {
  const auto place = place_of_gate(spec, "quality");
  const std::vector<Requirement>& all = file.use_case.requirements;
  const bool has_holdout = std::any_of(all.begin(), all.end(), [](const Requirement& requirement) {
    return requirement.on == "holdout";
  });
  if (!place || has_holdout) return;
  out.refusals.push_back(at(
      *place, "the gate \"quality\" of " + spec.name +
                  " judges requirements with \"on: holdout\", and found " + those_on_serving(all) +
                  ": it would have nothing to judge and let no version through; expected a "
                  "requirement on holdout, or no such gate"));
}

void judge_monitors(const ProjectFile& file, const DeploymentSpec& spec, Remarks& out) {
  for (const MonitorSpec& monitor : spec.monitors) {
    const Requirement* requirement = file.find_requirement(monitor.requirement);
    if (requirement == nullptr || is_span_metric(requirement->metric)) continue;
    if (has(window_metrics(), requirement->metric)) continue;
    out.refusals.push_back(
        at(monitor.requirement_at,
           "the monitor " + monitor.name + " of " + spec.name + " judges the requirement " +
               in_quotes(requirement->id) + " on " + in_quotes(requirement->metric) +
               ", which no window can tell; expected one on " + one_of(window_metrics()) +
               " or an age" + did_you_mean(requirement->metric, window_metrics())));
  }
}

/// An age has the metric "model_age"; another one is a slip, and would be taken for it.
void judge_ages(const ProjectFile& file, Remarks& out) {
  for (const Requirement& requirement : file.use_case.requirements) {
    if (!is_span_metric(requirement.metric) || requirement.metric == "model_age") continue;
    out.warnings.push_back(
        at(requirement.metric_at, "found the metric " + in_quotes(requirement.metric) + " of " +
                                      in_quotes(requirement.id) +
                                      ": every metric that ends in \"_age\" is the age of the live "
                                      "version; expected model_age"));
  }
}

enum class Better { kUnknown, kHigh, kLow };

Better better(const std::string& metric) {
  static const std::vector<std::string> high = {"accuracy", "f1", "auc", "roc_auc", "precision",
                                                "recall",   "r2"};
  static const std::vector<std::string> low = {"mae",      "mae_relative", "mse",       "rmse",
                                               "log_loss", "error_rate",   "latency_ms"};
  if (has(high, metric)) return Better::kHigh;
  return has(low, metric) || is_span_metric(metric) ? Better::kLow : Better::kUnknown;
}

/// A bound on the wrong side lets every bad version through, and stops the good ones.
void judge_bounds(const ProjectFile& file, Remarks& out) {
  for (const Requirement& requirement : file.use_case.requirements) {
    const bool wants_low = requirement.at_most && !requirement.at_least;
    const bool wants_high = requirement.at_least && !requirement.at_most;
    const Better side = better(requirement.metric);
    const bool is_high = side == Better::kHigh && wants_low;
    const bool is_low = side == Better::kLow && wants_high;
    if (!is_high && !is_low) continue;
    out.warnings.push_back(at(
        requirement.at, "the requirement " + in_quotes(requirement.id) + " wants " +
                            requirement.metric + (wants_low ? " at most " : " at least ") +
                            canonical_number(wants_low ? *requirement.at_most
                                                       : *requirement.at_least) +
                            ", and " + requirement.metric + " is better when it is " +
                            (wants_low ? "higher: the better a model, the sooner it is stopped; "
                                         "did you mean at_least?"
                                       : "lower: the better a model, the sooner it is stopped; "
                                         "did you mean at_most?")));
  }
}

/// Metrics of classes, and those of numbers. A rate of errors may be of requests too.
bool is_of_classes(const std::string& metric) {
  static const std::vector<std::string> names = {
      "accuracy", "log_loss", "f1", "f1_score", "auc", "roc_auc", "precision", "recall"};
  return has(names, metric);
}
bool is_of_numbers(const std::string& metric) {
  static const std::vector<std::string> names = {"mae", "mae_relative", "mse", "rmse", "r2"};
  return has(names, metric);
}

/// One model answers with classes or with numbers.
void judge_mixture(const ProjectFile& file, Remarks& out) {
  const std::vector<Requirement>& all = file.use_case.requirements;
  const auto classes = std::find_if(all.begin(), all.end(), [](const Requirement& requirement) {
    return is_of_classes(requirement.metric);
  });
  const bool is_one_model =
      std::all_of(file.deployments.begin(), file.deployments.end(),
                  [&](const auto& spec) { return spec.model == file.deployments[0].model; });
  if (classes == all.end() || !is_one_model) return;
  for (const Requirement& requirement : all) {
    if (!is_of_numbers(requirement.metric)) continue;
    out.warnings.push_back(
        at(requirement.metric_at, "the requirement " + in_quotes(requirement.id) + " is on " +
                                      requirement.metric + ", which is of numbers, and " +
                                      in_quotes(classes->id) + " on " + classes->metric +
                                      ", which is of classes: a model answers with one of them"));
  }
}

/// What windows know of outcomes when they are judged, without labels that take their time.
void judge_labels(const ProjectFile& file, const DeploymentSpec& spec, Remarks& out) {
  static const std::vector<std::string> without_labels = {"error_rate", "latency_ms"};
  for (const MonitorSpec& monitor : spec.monitors) {
    const Requirement* requirement = file.find_requirement(monitor.requirement);
    if (requirement == nullptr || monitor.delayed_labels || is_span_metric(requirement->metric))
      continue;
    const std::string who = "the monitor " + monitor.name + " of " + spec.name;
    if (requirement->metric == "error_rate" && requirement->on == "holdout") {
      out.warnings.push_back(at(
          monitor.at, who + " has no \"labels: delayed\": it judges how many requests fail, and " +
                          in_quotes(requirement->id) + " is on how many answers are wrong"));
      continue;
    }
    const bool needs_them = has(window_metrics(), requirement->metric) &&
                            !has(without_labels, requirement->metric);
    if (!needs_them) continue;
    out.warnings.push_back(
        at(monitor.at,
           who + " judges " + requirement->metric +
               " without \"labels: delayed\": 5 minutes after a window ends, by the labels that "
               "have come by then; with it the window waits for them, as long as labels_within "
               "says"));
  }
}

bool is_gated_by_quality(const ProjectFile& file, const std::string& model) {
  return std::any_of(file.deployments.begin(), file.deployments.end(), [&](const auto& spec) {
    return spec.model == model && place_of_gate(spec, "quality").has_value();
  });
}

/// What a run has logged of classes, where a requirement on numbers is all that is asked: "mae" of
/// a classifier. Its own metric that it logged is meant.
void look_at_kind(const ProjectFile& file, const std::string& model, const ModelFacts& facts,
                  Prospects& out) {
  if (!facts.metrics) return;
  const auto logged = std::find_if(facts.metrics->begin(), facts.metrics->end(), is_of_classes);
  const bool has_numbers = std::any_of(facts.metrics->begin(), facts.metrics->end(), is_of_numbers);
  if (logged == facts.metrics->end() || has_numbers) return;
  for (const Requirement& requirement : file.use_case.requirements) {
    if (!is_of_numbers(requirement.metric)) continue;
    out.warnings.push_back(
        at(requirement.metric_at,
           "the requirement " + in_quotes(requirement.id) + " is on " + requirement.metric +
               ", which is of numbers, and the run of version " + std::to_string(facts.newest) +
               " of " + model + " logged " + *logged + ", which is of classes"));
  }
}

/// What the gate "quality" of a model would find no value for.
void look_for_metrics(const ProjectFile& file, const std::string& model, const ModelFacts& facts,
                      Prospects& out) {
  if (!facts.metrics) return;
  for (const Requirement& requirement : file.use_case.requirements) {
    const bool is_known =
        requirement.on != "holdout" || has(holdout_metrics(), requirement.metric) ||
        has(*facts.metrics, requirement.metric) || has(*facts.metrics, requirement.id);
    if (is_known) continue;
    std::vector<std::string> names = *facts.metrics;
    names.insert(names.end(), holdout_metrics().begin(), holdout_metrics().end());
    out.warnings.push_back(
        at(requirement.metric_at,
           "found the metric " + in_quotes(requirement.metric) +
               ", which the gate \"quality\" does not compute, and the run of version " +
               std::to_string(facts.newest) + " of " + model + " did not log (it logged " +
               (facts.metrics->empty() ? "none" : one_of(*facts.metrics)) +
               "): no version would pass" + did_you_mean(requirement.metric, names)));
  }
}

/// Before there is a run to look at: a slip of the fingers.
void look_for_slips(const ProjectFile& file, Prospects& out) {
  for (const Requirement& requirement : file.use_case.requirements) {
    const bool is_known = requirement.on != "holdout" || is_span_metric(requirement.metric) ||
                          has(holdout_metrics(), requirement.metric) ||
                          has(window_metrics(), requirement.metric);
    if (is_known) continue;
    const std::string near = did_you_mean(requirement.metric, holdout_metrics());
    (near.empty() ? out.notes : out.warnings)
        .push_back(at(requirement.metric_at,
                      "found the metric " + in_quotes(requirement.metric) +
                          ", which the gate \"quality\" does not compute itself: it counts what "
                          "the run logs under that name, or as " +
                          in_quotes(requirement.id) + near));
  }
}

void look_for_model(const ProjectFile& file, const DeploymentSpec& spec, const ModelsKnown& models,
                    Prospects& out) {
  const auto known = models.find(spec.model);
  if (known != models.end() && known->second.newest > 0) return;
  std::vector<std::string> names;
  for (const auto& [name, facts] : models)
    if (name != spec.model) names.push_back(name);
  const auto maker = std::find_if(
      file.pipelines.begin(), file.pipelines.end(),
      [&](const PipelineSpec& pipeline) { return pipeline.register_model == spec.model; });
  const bool is_made = maker != file.pipelines.end();
  const std::string near = is_made || known != models.end() ? "" : did_you_mean(spec.model, names);
  (near.empty() ? out.notes : out.warnings)
      .push_back(at(spec.model_at,
                    "no version of the model " + in_quotes(spec.model) + " is registered yet: " +
                        spec.name + " answers 503 until one has passed its gates; " +
                        (is_made ? "`slipway run " + maker->name + "` makes one"
                                 : "a run registers it by that name, or a pipeline by "
                                   "\"register: {model: ...}\"") +
                        near));
}

}  // namespace

const std::vector<std::string>& window_metrics() {
  static const std::vector<std::string> names = {
      "mae",      "mae_relative", "mse",           "rmse",       "log_loss",
      "accuracy", "bias",         "bias_relative", "error_rate", "latency_ms"};
  return names;
}

const std::vector<std::string>& holdout_metrics() {
  static const std::vector<std::string> names = {"mae",      "mae_relative", "mse",     "rmse",
                                                 "log_loss", "error_rate",   "accuracy"};
  return names;
}

/// Data for training from a log that does not keep every value.
void judge_drawing(const ProjectFile& file, Remarks& out) {
  for (const TriggerSpec& trigger : file.triggers) {
    if (!trigger.data || !trigger.data->from.starts_with("deployments/")) continue;
    const DeploymentSpec* spec =
        file.find_deployment(trigger.data->from.substr(std::string_view("deployments/").size()));
    if (spec == nullptr) continue;
    std::string lost;
    for (const auto& [column, policy] : spec->log.columns)
      if (policy != ColumnPolicy::kKeep) lost += (lost.empty() ? "" : ", ") + in_quotes(column);
    if (lost.empty()) continue;
    out.warnings.push_back(at(
        trigger.data->from_at,
        "the log of " + spec->name + " does not keep the values of " + lost +
            " (its log.columns): " + trigger.data->to +
            " is drawn without them, and a model that is trained on it can't know them"));
  }
}

Remarks unworkable(const ProjectFile& file) {
  Remarks remarks;
  judge_drawing(file, remarks);
  for (const DeploymentSpec& spec : file.deployments) {
    judge_quality_gate(file, spec, remarks);
    judge_monitors(file, spec, remarks);
    judge_labels(file, spec, remarks);
  }
  judge_ages(file, remarks);
  judge_bounds(file, remarks);
  judge_mixture(file, remarks);
  return remarks;
}

Prospects prospects(const ProjectFile& file, const ModelsKnown& models) {
  Prospects found;
  std::vector<std::string> seen;
  bool is_measured = false, is_gated = false;
  for (const DeploymentSpec& spec : file.deployments) {
    look_for_model(file, spec, models, found);
    if (!is_gated_by_quality(file, spec.model) || has(seen, spec.model)) continue;
    seen.push_back(spec.model);
    is_gated = true;
    const auto known = models.find(spec.model);
    if (known == models.end() || !known->second.metrics) continue;
    is_measured = true;
    look_for_metrics(file, spec.model, known->second, found);
    look_at_kind(file, spec.model, known->second, found);
  }
  if (is_gated && !is_measured) look_for_slips(file, found);
  return found;
}

std::string farewell(const DeploymentSpec& before, const ProjectFile& next, const Served& served,
                     const std::optional<Rate>& traffic) {
  const DeploymentSpec* successor = next.find_deployment(before.name);
  const std::string what =
      successor == nullptr
          ? "the deployment " + before.name + " is taken away: "
          : "the deployment " + before.name + " is of the model " + successor->model + " now: ";
  if (served.stable == 0 && served.candidate == 0)
    return std::string(kProjectFile) + ": " + what + "no version serves there";
  std::string text = std::string(kProjectFile) + ": " + what;
  if (served.stable != 0) {
    text += "version " + std::to_string(served.stable) + " of " + before.model +
            ", which serves it" + (traffic ? " (" + to_text(*traffic) + " measured)" : "") +
            ", answers there no more";
  }
  if (served.candidate != 0) {
    text += std::string(served.stable != 0 ? "; " : "") + "the rollout of version " +
            std::to_string(served.candidate) + " ends and goes back";
  }
  const bool is_deployed =
      std::any_of(next.deployments.begin(), next.deployments.end(),
                  [&](const DeploymentSpec& spec) { return spec.model == before.model; });
  if (successor == nullptr) text += "; requests to " + before.name + " get 404";
  if (is_deployed) {
    text += "; requests for the model " + before.model + " go to its other deployment";
  } else if (served.registry_version) {
    text += "; requests for the model " + before.model + " are answered by version " +
            std::to_string(*served.registry_version) +
            ", as the registry has it, without gates, prediction ids and log";
  }
  if (!before.monitors.empty()) text += "; its windows are judged no more";
  return text + "; what it answered stays in the log";
}

}  // namespace slipway::project
