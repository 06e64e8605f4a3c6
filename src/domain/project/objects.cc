#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/hash.h"
#include "domain/project/declared.h"

namespace slipway::project {
namespace {

using wire::Json;

Json list_of(const std::vector<std::string>& texts) {
  Json::Array list;
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

/// Sets what was said, and leaves out what was not.
void set_text(Json& json, const char* key, const std::string& text) {
  if (!text.empty()) json.set(key, text);
}
void set_span(Json& json, const char* key, Span span) {
  if (span.count() > 0) json.set(key, to_text(span));
}
void set_number(Json& json, const char* key, const std::optional<double>& number) {
  if (number) json.set(key, *number);
}
void set_rate(Json& json, const char* key, const std::optional<Rate>& rate) {
  if (rate) json.set(key, to_text(*rate));
}

Json json_of(const Requirement& requirement) {
  Json json;
  json.set("metric", requirement.metric);
  set_number(json, "at_most", requirement.at_most);
  set_number(json, "at_least", requirement.at_least);
  json.set("share", requirement.share);
  json.set("on", requirement.on);
  return json;
}

Json json_of(const PipelineSpec& pipeline) {
  Json json;
  json.set("stages", list_of(pipeline.stages));
  set_text(json, "register_model", pipeline.register_model);
  json.set("attempts", pipeline.attempts_max);
  set_span(json, "timeout", pipeline.timeout);
  return json;
}

struct SourceFields {
  Json& json;

  void operator()(const CronSource& s) const {
    json.set("cron", s.expression);
    json.set("tz", s.tz);
    json.set("catchup", s.catchup);
  }
  void operator()(const DataSource& s) const {
    json.set("data", s.path);
    set_span(json, "settle", s.settle);
  }
  void operator()(const GitSource& s) const {
    Json git;
    git.set("branch", s.branch);
    git.set("paths", list_of(s.paths));
    json.set("git", std::move(git));
  }
  void operator()(const MessageSource& s) const {
    Json message;
    message.set("type", s.type);
    set_text(message, "source", s.source);
    set_text(message, "nats", s.subject);
    json.set("cloudevent", std::move(message));
  }
  void operator()(const AlertSource& s) const {
    Json::Object labels;
    for (const auto& [name, value] : s.labels) labels.emplace_back(name, value);
    json.set("alert", std::move(labels));
  }
  void operator()(const IncidentSource& s) const {
    Json incident{Json::Object()};
    set_text(incident, "monitor", s.monitor);
    set_text(incident, "deployment", s.deployment);
    json.set("incident", std::move(incident));
  }
};

Json json_of(const DataMapping& mapping) {
  Json json;
  json.set("from", mapping.from);
  json.set("labelled", mapping.labelled);
  json.set("to", mapping.to);
  return json;
}

Json json_of(const TriggerSpec& trigger) {
  Json json;
  json.set("pipeline", trigger.pipeline);
  std::visit(SourceFields{json}, trigger.source);
  Json::Object params;
  for (const ParamMapping& param : trigger.params) params.emplace_back(param.key, param.value);
  if (!params.empty()) json.set("params", std::move(params));
  if (trigger.data) json.set("with_data", json_of(*trigger.data));
  set_span(json, "debounce", trigger.debounce);
  set_span(json, "cooldown", trigger.cooldown);
  set_rate(json, "at_most", trigger.at_most);
  json.set("overlap", trigger.overlap);
  return json;
}

Json json_of(const RolloutStep& step) {
  Json settings;
  settings.set("percent", step.percent);
  settings.set("min_requests", step.min_requests);
  set_span(settings, "min_time", step.min_time);
  set_span(settings, "max_wait", step.max_wait);
  Json json;
  json.set(step.kind == StepKind::kShadow ? "shadow" : "canary", std::move(settings));
  return json;
}

/// By what they watch, so that one more guard is one more field.
Json json_of(const std::vector<GuardSpec>& guards) {
  Json all{Json::Object()};
  for (const GuardSpec& guard : guards) {
    Json json;
    set_number(json, "margin", guard.margin);
    json.set("critical", guard.critical);
    bool own = guard.requirement.empty();
    all.set(own ? guard.metric : "requirement " + guard.requirement, std::move(json));
  }
  return all;
}

Json json_of(const LogPolicy& log) {
  Json json;
  json.set("sample", log.sample);
  set_span(json, "retention", log.retention);
  static constexpr const char* kPolicies[] = {"keep", "drop", "hash"};
  Json::Object columns;
  for (const auto& [name, policy] : log.columns) {
    columns.emplace_back(name, kPolicies[static_cast<int>(policy)]);
  }
  if (!columns.empty()) json.set("columns", std::move(columns));
  return json;
}

Json json_of(const DeploymentSpec& deployment) {
  Json json;
  json.set("model", deployment.model);
  if (deployment.alias != kDefaultAlias) json.set("alias", deployment.alias);
  json.set("gates", list_of(deployment.gates));
  set_rate(json, "traffic", deployment.traffic);
  Json::Array rollout;
  for (const RolloutStep& step : deployment.rollout) rollout.push_back(json_of(step));
  json.set("rollout", std::move(rollout));
  json.set("guards", json_of(deployment.guards));
  set_text(json, "features", deployment.features);
  json.set("log", json_of(deployment.log));
  return json;
}

Json json_of(const MonitorSpec& monitor) {
  Json json;
  set_text(json, "against", monitor.against);
  set_text(json, "requirement", monitor.requirement);
  if (monitor.delayed_labels) json.set("labels", "delayed");
  if (monitor.labels_within.count() > 0) json.set("labels_within", to_text(monitor.labels_within));
  set_span(json, "window", monitor.window);
  json.set("min_rows", monitor.min_rows);
  json.set("persist", monitor.persist);
  return json;
}

/// A file by what it says, so that an edit of it is a change of what was declared.
Json json_of_document(const Declared& declared, const std::string& path) {
  Json json;
  json.set("file", path);
  auto found = declared.documents.find(path);
  if (found != declared.documents.end()) json.set("sha256", sha256_hex(found->second));
  return json;
}

Json json_of(const Notification& notification) {
  Json json;
  json.set("webhook", notification.webhook);
  set_text(json, "secret", notification.secret);
  json.set("on", list_of(notification.on));
  return json;
}

Json json_of(const UseCase& use_case) {
  Json json{Json::Object()};
  set_text(json, "problem", use_case.problem);
  set_text(json, "user", use_case.user);
  set_text(json, "owner", use_case.owner);
  return json;
}

void append_notifications(const ProjectFile& file, std::vector<Object>& all) {
  std::set<std::string> taken;
  for (const Notification& notification : file.notify) {
    std::string name = notification.webhook;
    for (int n = 2; !taken.insert(name).second; ++n) {
      name = notification.webhook + " #" + std::to_string(n);
    }
    all.push_back({"notification", name, json_of(notification)});
  }
}

// --- differences
// -----------------------------------------------------------------------------------

bool is_list_of_maps(const Json& json) {
  return json.is_array() && !json.as_array().empty() && json.as_array().front().is_object();
}

void compare(const std::string& field, const Json& before, const Json& after,
             std::vector<FieldChange>& out);

std::string joined(const std::string& field, const std::string& key) {
  return field.empty() ? key : field + "." + key;
}

void compare_members(const std::string& field, const Json& before, const Json& after,
                     std::vector<FieldChange>& out) {
  static const Json kNothing;
  for (const auto& [key, value] : after.as_object()) {
    const Json* old = before.find(key);
    compare(joined(field, key), old != nullptr ? *old : kNothing, value, out);
  }
  for (const auto& [key, value] : before.as_object()) {
    if (after.find(key) == nullptr) compare(joined(field, key), value, kNothing, out);
  }
}

void compare_items(const std::string& field, const Json& before, const Json& after,
                   std::vector<FieldChange>& out) {
  static const Json kNothing;
  std::size_t count = std::max(before.as_array().size(), after.as_array().size());
  for (std::size_t i = 0; i < count; ++i) {
    auto at = [i](const Json& list) -> const Json& {
      return i < list.as_array().size() ? list.as_array()[i] : kNothing;
    };
    compare(field + "[" + std::to_string(i) + "]", at(before), at(after), out);
  }
}

void compare(const std::string& field, const Json& before, const Json& after,
             std::vector<FieldChange>& out) {
  if (before == after) return;
  if (before.is_object() && after.is_object()) return compare_members(field, before, after, out);
  if (is_list_of_maps(before) && is_list_of_maps(after))
    return compare_items(field, before, after, out);
  out.push_back({field, before, after});
}

/// Objects by kind and name.
using Index = std::map<std::pair<std::string_view, std::string_view>, const Object*>;

Index index_of(const std::vector<Object>& all) {
  Index index;
  for (const Object& object : all) index[{object.kind, object.name}] = &object;
  return index;
}

const Object* find_object(const Index& index, const Object& like) {
  auto found = index.find({like.kind, like.name});
  return found == index.end() ? nullptr : found->second;
}

}  // namespace

std::vector<Object> objects(const Declared& declared) {
  const ProjectFile& file = declared.file;
  std::vector<Object> all;
  Json project;
  project.set("version", file.version);
  all.push_back({"project", file.name, std::move(project)});
  Json use_case = json_of(file.use_case);
  if (!use_case.as_object().empty()) all.push_back({"use_case", file.name, std::move(use_case)});
  for (const Requirement& requirement : file.use_case.requirements) {
    all.push_back({"requirement", requirement.id, json_of(requirement)});
  }
  for (const ContractBinding& contract : file.contracts) {
    all.push_back({"contract", contract.path, json_of_document(declared, contract.file)});
  }
  for (const std::string& view : file.feature_views) {
    all.push_back({"feature_view", view, json_of_document(declared, view)});
  }
  for (const PipelineSpec& pipeline : file.pipelines) {
    all.push_back({"pipeline", pipeline.name, json_of(pipeline)});
  }
  for (const TriggerSpec& trigger : file.triggers) {
    all.push_back({"trigger", trigger.name, json_of(trigger)});
  }
  for (const DeploymentSpec& deployment : file.deployments) {
    all.push_back({"deployment", deployment.name, json_of(deployment)});
    for (const MonitorSpec& monitor : deployment.monitors) {
      all.push_back({"monitor", deployment.name + "/" + monitor.name, json_of(monitor)});
    }
  }
  append_notifications(file, all);
  return all;
}

const char* to_string(ChangeKind kind) {
  static constexpr const char* kNames[] = {"added", "changed", "removed"};
  return kNames[static_cast<int>(kind)];
}

std::vector<Change> changes_between(const Declared* before, const Declared& after) {
  std::vector<Object> old = before == nullptr ? std::vector<Object>() : objects(*before);
  std::vector<Object> now = objects(after);
  const Index old_index = index_of(old), now_index = index_of(now);
  std::vector<Change> changes;
  for (const Object& object : now) {
    const Object* was = find_object(old_index, object);
    if (was == nullptr) {
      changes.push_back({ChangeKind::kAdded, object, {}, {}});
    } else if (!(was->value == object.value)) {
      Change change{ChangeKind::kChanged, object, was->value, {}};
      compare("", was->value, object.value, change.fields);
      changes.push_back(std::move(change));
    }
  }
  for (const Object& object : old) {
    if (find_object(now_index, object) != nullptr) continue;
    changes.push_back({ChangeKind::kRemoved, object, object.value, {}});
  }
  return changes;
}

}  // namespace slipway::project
