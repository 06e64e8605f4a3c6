#include "domain/project/plan.h"
#include "domain/project/reader.h"

namespace slipway::project {
namespace {

using wire::Json;

std::string shown(const Json& value) {
  return value.is_null() ? "nothing" : wire::dump(value);
}

std::string text_of(const Change& change) {
  static constexpr char kSigns[] = {'+', '~', '-'};
  std::string text = std::string(1, kSigns[static_cast<int>(change.kind)]) + " " +
                     change.object.kind + " " + change.object.name + "\n";
  for (const FieldChange& field : change.fields) {
    text += "    " + field.field + ": " + shown(field.before) + " -> " + shown(field.after) + "\n";
  }
  return text;
}

std::string text_of(const StepPlan& step) {
  std::string text = step.kind == StepKind::kShadow ? "  shadow " : "  canary ";
  text += canonical_number(step.percent) + " %: needs " + std::to_string(step.needed) +
          " answers of the candidate";
  if (step.before) {
    text += "; " + std::to_string(*step.before) + " come before max_wait " + to_text(step.max_wait);
  }
  text += "\n";
  for (const GuardNeed& guard : step.guards) {
    text += "    " + guard.guard + " within " + canonical_number(guard.margin) + ": ";
    text += guard.answers ? std::to_string(*guard.answers) : "not known, " + guard.unknown;
    text += "\n";
  }
  return text;
}

std::string text_of(const RolloutPlan& rollout) {
  if (rollout.steps.empty()) return "";
  std::string text = "rollout of " + rollout.deployment + ", ";
  text += rollout.traffic ? to_text(*rollout.traffic) + " (" + rollout.traffic_from + ")"
                          : "traffic unknown";
  text += ", alpha " + canonical_number(rollout.alpha) + " a guard and step\n";
  bool promises = false;
  for (const StepPlan& step : rollout.steps) {
    text += text_of(step);
    for (const GuardNeed& guard : step.guards) promises = promises || guard.answers;
  }
  if (promises)
    text +=
        "  within a margin: answers to as many callers; more to the same slipway_key add little\n";
  return text;
}

std::string lines_of(const char* word, const std::vector<std::string>& messages) {
  std::string text;
  for (const std::string& message : messages) text += std::string(word) + ": " + message + "\n";
  return text;
}

Json list_of(const std::vector<std::string>& texts) {
  Json::Array list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

Json json_of(const StepPlan& step) {
  Json json;
  json.set("kind", step.kind == StepKind::kShadow ? "shadow" : "canary");
  json.set("percent", step.percent);
  json.set("min_requests", step.min_requests);
  json.set("needed", step.needed);
  if (step.before) json.set("before_max_wait", *step.before);
  Json::Array guards;
  for (const GuardNeed& need : step.guards) {
    Json guard;
    guard.set("guard", need.guard);
    guard.set("margin", need.margin);
    if (need.answers) guard.set("answers", *need.answers);
    if (!need.unknown.empty()) guard.set("unknown", need.unknown);
    guards.push_back(std::move(guard));
  }
  json.set("guards", std::move(guards));
  return json;
}

Json json_of(const RolloutPlan& rollout) {
  Json json;
  json.set("deployment", rollout.deployment);
  json.set("alpha", rollout.alpha);
  if (rollout.traffic) json.set("traffic", to_text(*rollout.traffic));
  json.set("traffic_from", rollout.traffic_from);
  Json::Array steps;
  for (const StepPlan& step : rollout.steps) steps.push_back(json_of(step));
  json.set("steps", std::move(steps));
  return json;
}

}  // namespace

std::string to_text(const Plan& plan) {
  std::string text;
  if (plan.changes.empty()) text = "nothing would change\n";
  for (const Change& change : plan.changes) text += text_of(change);
  for (const Binding& binding : plan.bindings) {
    text += "requirement " + binding.requirement + " is enforced by ";
    for (std::size_t i = 0; i < binding.enforcers.size(); ++i) {
      text += (i > 0 ? ", " : "") + to_text(binding.enforcers[i]);
    }
    text += "\n";
  }
  for (const RolloutPlan& rollout : plan.rollouts) text += text_of(rollout);
  return text + lines_of("note", plan.notes) + lines_of("warning", plan.warnings) +
         lines_of("refused", plan.refusals);
}

Json to_json(const Change& change) {
  Json json;
  json.set("change", to_string(change.kind));
  json.set("kind", change.object.kind);
  json.set("name", change.object.name);
  json.set("old", change.before);
  json.set("new", change.kind == ChangeKind::kRemoved ? Json() : change.object.value);
  Json::Array fields;
  for (const FieldChange& field : change.fields) {
    Json one;
    one.set("field", field.field);
    one.set("old", field.before);
    one.set("new", field.after);
    fields.push_back(std::move(one));
  }
  if (!fields.empty()) json.set("fields", std::move(fields));
  return json;
}

Json to_json(const std::vector<Binding>& bindings) {
  Json::Array all;
  for (const Binding& binding : bindings) {
    Json json;
    json.set("requirement", binding.requirement);
    Json::Array enforcers;
    for (const Enforcer& enforcer : binding.enforcers) {
      Json one;
      one.set("kind", enforcer.kind);
      one.set("deployment", enforcer.deployment);
      one.set("name", enforcer.name);
      enforcers.push_back(std::move(one));
    }
    json.set("enforced_by", std::move(enforcers));
    all.push_back(std::move(json));
  }
  return all;
}

Json to_json(const Plan& plan) {
  Json json;
  json.set("first", plan.first);
  Json::Array changes;
  for (const Change& change : plan.changes) changes.push_back(to_json(change));
  json.set("changes", std::move(changes));
  json.set("bindings", to_json(plan.bindings));
  Json::Array rollouts;
  for (const RolloutPlan& rollout : plan.rollouts) rollouts.push_back(json_of(rollout));
  json.set("rollouts", std::move(rollouts));
  json.set("notes", list_of(plan.notes));
  json.set("warnings", list_of(plan.warnings));
  json.set("refusals", list_of(plan.refusals));
  return json;
}

}  // namespace slipway::project
