#include <algorithm>
#include <cctype>
#include <limits>

#include "base/text.h"
#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

constexpr std::int64_t kRowsMax = 1'000'000'000'000;

// --- rollout
// ---------------------------------------------------------------------------------------

const Keys<RolloutStep>& step_keys() {
  static const Keys<RolloutStep> keys = {
      {"percent",
       [](Reader& r, const Node& n, RolloutStep& s) { r.number_in(n, 0, 100, false, s.percent); },
       true},
      {"min_requests",
       [](Reader& r, const Node& n, RolloutStep& s) { r.count(n, 0, kRowsMax, s.min_requests); }},
      {"min_time", [](Reader& r, const Node& n, RolloutStep& s) { r.span(n, s.min_time); }},
      {"max_wait", [](Reader& r, const Node& n, RolloutStep& s) { r.span(n, s.max_wait); }},
  };
  return keys;
}

void read_step(Reader& reader, const Node& node, DeploymentSpec& spec) {
  if (!node.is_mapping() || node.entries.size() != 1) {
    return reader.expected(node, "a step: shadow or canary with its settings");
  }
  const yaml::Entry& entry = node.entries.front();
  refuse_unknown(reader, node, "a step of a rollout", {"shadow", "canary"});
  RolloutStep step;
  step.at = entry.key.at;
  step.kind = entry.key.text == "canary" ? StepKind::kCanary : StepKind::kShadow;
  if (!read_map(reader, entry.value, entry.key.at, "a step", step_keys(), step)) return;
  if (step.max_wait.count() > 0 && step.max_wait < step.min_time) {
    reader.fault(step.at, "found max_wait " + to_text(step.max_wait) + " below min_time " +
                              to_text(step.min_time) + " in a step, expected it above");
  }
  spec.rollout.push_back(step);
}

std::vector<std::string> step_paths() {
  std::vector<std::string> paths;
  for (const char* kind : {"[].shadow", "[].canary"}) {
    paths.push_back(kind);
    for (const std::string& below : paths_of(step_keys(), ".")) paths.push_back(kind + below);
  }
  return paths;
}

// --- guards
// ----------------------------------------------------------------------------------------

struct GuardDraft {
  GuardSpec spec;
  const Node* margin = nullptr;
};

const Keys<GuardDraft>& guard_keys() {
  static const Keys<GuardDraft> keys = {
      {"metric", [](Reader& r, const Node& n,
                    GuardDraft& g) { r.choice(n, guard_metrics(), g.spec.metric); }},
      {"requirement",
       [](Reader& r, const Node& n, GuardDraft& g) {
         g.spec.requirement_at = n.at;
         r.name(n, g.spec.requirement);
       }},
      {"margin", [](Reader&, const Node& n, GuardDraft& g) { g.margin = &n; }},
      {"critical", [](Reader& r, const Node& n, GuardDraft& g) { r.truth(n, g.spec.critical); }},
  };
  return keys;
}

void read_guard(Reader& reader, const Node& node, DeploymentSpec& spec) {
  GuardDraft draft;
  GuardSpec& guard = draft.spec;
  guard.at = node.at;
  if (!read_map(reader, node, node.at, "a guard", guard_keys(), draft)) return;
  bool has_metric = node.find("metric") != nullptr;
  bool has_requirement = node.find("requirement") != nullptr;
  if (has_metric == has_requirement) {
    reader.fault(node.at, std::string("found ") +
                              (has_metric ? "both metric and requirement"
                                          : "neither metric nor requirement") +
                              " in a guard, expected one of them");
  }
  if (draft.margin != nullptr) {
    reader.key = "margin";
    bool share = guard.metric == "error_rate" || guard.metric == "label_flips";
    double value = 0;
    double at_most = share ? 1 : std::numeric_limits<double>::infinity();
    if (reader.number_in(*draft.margin, 0, at_most, true, value)) guard.margin = value;
  }
  for (const GuardSpec& other : spec.guards) {
    if (other.metric != guard.metric || other.requirement != guard.requirement) continue;
    reader.fault(node.at, "found a second guard of " +
                              in_quotes(guard.metric.empty() ? guard.requirement : guard.metric) +
                              " (first in line " + std::to_string(other.at.line) +
                              "), expected one");
  }
  spec.guards.push_back(guard);
}

// --- monitors
// --------------------------------------------------------------------------------------

const Keys<MonitorSpec>& monitor_keys() {
  static const Keys<MonitorSpec> keys = {
      {"against",
       [](Reader& r, const Node& n, MonitorSpec& m) {
         r.choice(n, {"training", "previous"}, m.against);
       }},
      {"requirement",
       [](Reader& r, const Node& n, MonitorSpec& m) {
         m.requirement_at = n.at;
         r.name(n, m.requirement);
       }},
      {"labels",
       [](Reader& r, const Node& n, MonitorSpec& m) {
         std::string labels;
         if (r.choice(n, {"delayed"}, labels)) m.delayed_labels = true;
       }},
      {"labels_within",
       [](Reader& r, const Node& n, MonitorSpec& m) { r.span(n, m.labels_within); }},
      {"window",
       [](Reader& r, const Node& n, MonitorSpec& m) {
         m.window_at = n.at;
         if (r.span(n, m.window) && m.window.count() == 0)
           r.expected(n, "a span above 0, such as 7d");
       }},
      {"min_rows",
       [](Reader& r, const Node& n, MonitorSpec& m) { r.count(n, 1, kRowsMax, m.min_rows); }},
      {"persist", [](Reader& r, const Node& n, MonitorSpec& m) { r.count(n, 1, 1000, m.persist); }},
  };
  return keys;
}

void read_monitor(Reader& reader, const yaml::Entry& entry, DeploymentSpec& spec) {
  MonitorSpec monitor;
  monitor.at = entry.key.at;
  reader.key = "monitors";
  if (!reader.name(entry.key, monitor.name)) return;
  reader.key = monitor.name;
  read_map(reader, entry.value, entry.key.at, "the monitor " + in_quotes(monitor.name),
           monitor_keys(), monitor);
  spec.monitors.push_back(std::move(monitor));
}

// --- the prediction log
// ----------------------------------------------------------------------------

void read_columns(Reader& reader, const Node& node, LogPolicy& log) {
  static const std::vector<std::string> names = {"keep", "drop", "hash"};
  reader.members(node, "columns to keep, drop or hash", [&](const yaml::Entry& entry) {
    std::string policy;
    reader.key = entry.key.text;
    if (!reader.choice(entry.value, names, policy)) return;
    log.columns.emplace_back(entry.key.text, policy == "drop"   ? ColumnPolicy::kDrop
                                             : policy == "hash" ? ColumnPolicy::kHash
                                                                : ColumnPolicy::kKeep);
  });
}

const Keys<LogPolicy>& log_keys() {
  static const Keys<LogPolicy> keys = {
      {"sample",
       [](Reader& r, const Node& n, LogPolicy& l) { r.number_in(n, 0, 1, false, l.sample); }},
      {"retention", [](Reader& r, const Node& n, LogPolicy& l) { r.span(n, l.retention); }},
      {"columns", read_columns},
  };
  return keys;
}

// --- deployments
// -----------------------------------------------------------------------------------

void read_gates(Reader& reader, const Node& node, DeploymentSpec& spec) {
  reader.list(node, "gates", [&](const Node& item) {
    std::string gate;
    if (!reader.choice(item, gate_names(), gate)) return;
    if (std::find(spec.gates.begin(), spec.gates.end(), gate) != spec.gates.end()) {
      return reader.fault(item.at,
                          "found the gate " + in_quotes(gate) + " a second time, expected it once");
    }
    spec.gates.push_back(gate);
    spec.gates_at.push_back(item.at);
  });
}

/// "none" for none: whoever has that alias has to name it otherwise.
void read_alias(Reader& reader, const Node& node, DeploymentSpec& spec) {
  constexpr std::size_t kAliasMax = 255;
  const std::string& text = node.text;
  const bool is_text = node.is_scalar() && !text.empty() && text.size() <= kAliasMax &&
                       std::all_of(text.begin(), text.end(), [](unsigned char c) {
                         return std::isalnum(c) != 0 || c == '_' || c == '-';
                       });
  const bool is_number = is_text && (text[0] == 'v' || text[0] == 'V') && text.size() > 1 &&
                         text.find_first_not_of("0123456789", 1) == std::string::npos;
  if (!is_text || is_number || to_lower(text) == "latest") {
    return reader.expected(node,
                           "an alias of letters, digits, '_' and '-', neither latest nor v1, "
                           "or none");
  }
  spec.alias = text == "none" ? "" : text;
}

const Keys<DeploymentSpec>& deployment_keys() {
  using D = DeploymentSpec;
  static const Keys<D> keys = {
      {"model",
       [](Reader& r, const Node& n, D& d) {
         d.model_at = n.at;
         r.model(n, d.model);
       },
       true},
      {"alias", read_alias},
      {"gates", read_gates},
      {"traffic", [](Reader& r, const Node& n, D& d) { r.rate(n, d.traffic); }},
      {"rollout",
       [](Reader& r, const Node& n, D& d) {
         r.list(n, "steps", [&](const Node& item) { read_step(r, item, d); });
       },
       false, step_paths},
      {"guards",
       [](Reader& r, const Node& n, D& d) {
         r.list(n, "guards", [&](const Node& item) { read_guard(r, item, d); });
       },
       false, [] { return paths_of(guard_keys(), "[]."); }},
      {"monitors",
       [](Reader& r, const Node& n, D& d) {
         r.members(n, "monitors", [&](const yaml::Entry& entry) { read_monitor(r, entry, d); });
       },
       false, [] { return paths_of(monitor_keys(), ".NAME."); }},
      {"features",
       [](Reader& r, const Node& n, D& d) {
         d.features_at = n.at;
         r.name(n, d.features);
       }},
      {"log",
       [](Reader& r, const Node& n, D& d) { read_map(r, n, n.at, "\"log\"", log_keys(), d.log); },
       false, [] { return paths_of(log_keys(), "."); }},
  };
  return keys;
}

const Keys<Notification>& notification_keys() {
  static const Keys<Notification> keys = {
      {"webhook",
       [](Reader& r, const Node& n, Notification& w) { r.from_environment(n, true, w.webhook); },
       true},
      {"secret",
       [](Reader& r, const Node& n, Notification& w) { r.from_environment(n, false, w.secret); }},
      {"on",
       [](Reader& r, const Node& n, Notification& w) {
         static const std::vector<std::string> known = {"incident", "rollback", "promotion",
                                                        "rollout_paused", "run_failed"};
         r.list(n, "kinds of events", [&](const Node& item) {
           std::string kind;
           if (r.choice(item, known, kind)) w.on.push_back(kind);
         });
       },
       true},
  };
  return keys;
}

}  // namespace

const std::vector<std::string>& gate_names() {
  static const std::vector<std::string> names = {
      "integrity", "signature", "contract", "parity", "quality", "performance", "approval"};
  return names;
}

const std::vector<std::string>& guard_metrics() {
  static const std::vector<std::string> names = {"error_rate", "score_mean", "label_flips"};
  return names;
}

void read_deployments(Reader& reader, const Node& node, ProjectFile& file) {
  reader.members(node, "deployments", [&](const yaml::Entry& entry) {
    DeploymentSpec spec;
    spec.at = entry.key.at;
    reader.key = "deployments";
    if (!reader.name(entry.key, spec.name)) return;
    reader.key = spec.name;
    read_map(reader, entry.value, entry.key.at, "the deployment " + in_quotes(spec.name),
             deployment_keys(), spec);
    file.deployments.push_back(std::move(spec));
  });
}

std::vector<std::string> deployment_paths() {
  return paths_of(deployment_keys(), ".NAME.");
}

void read_notifications(Reader& reader, const Node& node, ProjectFile& file) {
  reader.list(node, "receivers", [&](const Node& item) {
    Notification notification;
    notification.at = item.at;
    if (read_map(reader, item, item.at, "a receiver", notification_keys(), notification)) {
      file.notify.push_back(std::move(notification));
    }
  });
}

std::vector<std::string> notification_paths() {
  return paths_of(notification_keys(), "[].");
}

}  // namespace slipway::project
