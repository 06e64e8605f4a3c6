#include "domain/evidence/lines.h"

#include <cstdio>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

using graph::Node;
using wire::Json;
namespace kind = graph::kind;

constexpr std::size_t kShownMax = 100;  // code points of one value

std::string cut(std::string text) {
  if (!is_valid_utf8(text) || count_code_points(text) <= kShownMax) return text;
  return std::string(take_code_points(text, kShownMax - 3)) + "...";
}

std::string shown(const Json& value) {
  return cut(value.is_string() ? value.as_string() : wire::dump(value, {.spaces = true}));
}

/// The attribute as text; empty when it is not there.
std::string text_at(const Json& attributes, std::string_view key) {
  if (!attributes.is_object()) return "";
  const Json* value = attributes.find(key);
  return value == nullptr || value->is_null() ? "" : shown(*value);
}

std::optional<std::int64_t> number_at(const Json& attributes, std::string_view key) {
  return to_int64(text_at(attributes, key));
}

std::string one_decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string size_text(std::int64_t bytes) {
  const char* units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return one_decimal(value) + " " + units[unit];
}

std::string second_of(UnixMs ms) {
  return to_iso8601(ms).substr(0, 19) + "Z";
}

/// "label VALUE", led by two blanks; nothing without a value.
std::string part(std::string_view label, const std::string& value) {
  if (value.empty()) return "";
  return "  " + std::string(label) + (label.empty() ? "" : " ") + value;
}

std::string time_part(const Json& attributes, std::string_view key) {
  std::optional<std::int64_t> ms = number_at(attributes, key);
  return ms ? part("at", second_of(*ms)) : "";
}

std::string attempt_text(const Json& all) {
  std::string text = part("stage", text_at(all, "stage"));
  if (std::string file = text_at(all, "pipeline"); !file.empty()) text += " of " + file;
  if (std::string command = text_at(all, "command"); !command.empty())
    text += ": `" + command + "`";
  std::string state = text_at(all, "state");
  text += part("", state);
  auto started = number_at(all, "started_ms"), ended = number_at(all, "ended_ms");
  if (started && ended)
    text += " in " + one_decimal(static_cast<double>(*ended - *started) / 1e3) + " s";
  auto cpu = number_at(all, "cpu_us"), memory = number_at(all, "memory_max_kb");
  if (cpu && memory) {
    text += " (" + one_decimal(static_cast<double>(*cpu) / 1e6) + " s CPU, " +
            size_text(*memory * 1024) + ")";
  }
  auto exit_code = number_at(all, "exit_code");
  if (exit_code && *exit_code != 0) text += part("exit status", std::to_string(*exit_code));
  text += part("signal", text_at(all, "signal"));
  text += part("", text_at(all, "message"));
  return text + part("on", text_at(all, "host")) + time_part(all, "started_ms");
}

std::string environment_text(const Json& all) {
  std::string text;
  if (const Json* found = all.find("interpreter"); found != nullptr && found->is_object()) {
    std::string version = text_at(*found, "version"), name = text_at(*found, "kind");
    text += name == "unknown" ? part("", "interpreter not known") : part(name, version);
    const Json* packages = found->find("packages");
    if (packages != nullptr && packages->is_array()) {
      text += part("", std::to_string(packages->as_array().size()) + " packages");
    }
  }
  if (const Json* system = all.find("system"); system != nullptr) {
    text += part("", text_at(*system, "distribution"));
  }
  const Json* seeds = all.find("seeds");
  if (seeds != nullptr && seeds->is_object() && !seeds->as_object().empty()) {
    text += part("seeds", shown(*seeds));
  }
  return text;
}

std::string data_text(const Json& all) {
  std::string text;
  if (auto size = number_at(all, "size")) text += part("", size_text(*size));
  if (auto files = number_at(all, "nfiles")) text += part("in", std::to_string(*files) + " files");
  std::string record = text_at(all, "tracked_by");
  if (record.empty()) return text;
  std::string commit = text_at(all, "tracked_in");
  text += part("tracked by", record) + (commit.empty() ? "" : " in commit " + commit);
  text += ", made by no attempt that is known here";
  return text;
}

std::string run_text(const Json& all) {
  return part("", text_at(all, "name")) + part("in experiment", text_at(all, "experiment")) +
         time_part(all, "start_ms");
}

/// Sources are JSON: a place in one of these members, or the code that made the data.
std::string source_text(const std::string& source) {
  Result<Json> json = wire::parse(source);
  if (!json.ok() || !json->is_object()) return cut(source);
  for (const char* key : {"uri", "url", "path", "table_name", "table", "sql", "name"}) {
    if (std::string value = text_at(*json, key); !value.empty()) return value;
  }
  const Json* tags = json->find("tags");
  if (tags == nullptr) return "";
  std::string program = text_at(*tags, "mlflow.source.name");
  return program.empty() ? "" : "code: " + program;
}

std::string dataset_text(const Json& all) {
  const Json* source = all.find("source");
  std::string text =
      source != nullptr && source->is_string() ? source_text(source->as_string()) : "";
  std::string type = text_at(all, "source_type");
  if (text.empty()) return part("from", type);
  return part("from", text) + (type.empty() ? "" : " (" + type + ")");
}

std::string rollout_step_text(const Json& all) {
  std::string text = part("", replace_all(text_at(all, "action"), "_", " "));
  text += part("to", text_at(all, "phase")) + part("of", text_at(all, "deployment"));
  if (std::string percent = text_at(all, "percent"); !percent.empty())
    text += part("at", percent + " %");
  return text + part("because", text_at(all, "reason")) + time_part(all, "started_ms");
}

std::string pipeline_run_text(const Json& all) {
  return part("of", text_at(all, "pipeline")) + part("", text_at(all, "state")) +
         part("because", text_at(all, "reason")) +
         part("at commit", text_at(all, "commit").substr(0, 12)) + time_part(all, "created_ms");
}

std::string firing_text(const Json& all) {
  const std::string trigger = text_at(all, "trigger");
  return (trigger.empty() ? part("", "by hand") : part("of trigger", trigger)) +
         time_part(all, "time_ms");
}

std::string incident_text(const Json& all) {
  std::string text = part("of monitor", text_at(all, "monitor")) +
                     part("of", text_at(all, "deployment")) + part("", text_at(all, "words"));
  text +=
      part("opened", number_at(all, "opened_ms") ? second_of(*number_at(all, "opened_ms")) : "");
  if (const auto closed = number_at(all, "closed_ms")) {
    text += part("closed", second_of(*closed)) + part("remedy", text_at(all, "remedy"));
  }
  return text;
}

/// What a trigger heard of a commit; one that runs only used has nothing to say but its id.
std::string commit_text(const Json& all) {
  return part("on branch", text_at(all, "subject")) +
         part("seen", number_at(all, "time_ms") ? second_of(*number_at(all, "time_ms")) : "");
}

/// A message, an alert, a tick: its id says from whom.
std::string heard_text(const Json& all) {
  const std::string type = text_at(all, "type");
  return part("of type", type == "tick" ? "" : type) + part("about", text_at(all, "subject")) +
         time_part(all, "time_ms");
}

std::string window_text(const Json& all) {
  const auto start = number_at(all, "start_ms"), end = number_at(all, "end_ms");
  std::string text = start && end ? part("from", second_of(*start)) + " to " + second_of(*end) : "";
  return text + part("", text_at(all, "status")) + part("", text_at(all, "words"));
}

std::string every_attribute(const Json& attributes) {
  std::string text;
  if (!attributes.is_object()) return text;
  for (const auto& [key, value] : attributes.as_object()) {
    if (value.is_null()) continue;
    std::string value_text = shown(value);
    if (!value_text.empty()) text += "  " + key + "=" + value_text;
  }
  return text;
}

/// Its evidence is for programs; one without words has nothing else to say.
std::string verdict_text(const Json& all) {
  const std::string words = text_at(all, "words");
  if (words.empty()) return every_attribute(all);
  return part("", text_at(all, "check")) + part("", text_at(all, "status")) + part("", words);
}

std::string attributes_text(const Node& node) {
  using Text = std::string (*)(const Json&);
  static const std::map<std::string, Text, std::less<>> table = {
      {kind::kAttempt, attempt_text},
      {kind::kEnvironment, environment_text},
      {kind::kData, data_text},
      {kind::kRun, run_text},
      {kind::kParams, [](const Json& all) { return part("", text_at(all, "values")); }},
      {kind::kModel,
       [](const Json& all) {
         return part("", text_at(all, "name")) + time_part(all, "created_ms");
       }},
      {kind::kRolloutStep, rollout_step_text},
      {kind::kVerdict, verdict_text},
      {kind::kPipelineRun, pipeline_run_text},
      {kind::kFiring, firing_text},
      {kind::kIncident, incident_text},
      {kind::kWindow, window_text},
      {kind::kPrediction, [](const Json& all) { return part("at", text_at(all, "time")); }},
      {kind::kModelVersion, [](const Json& all) { return time_part(all, "created_ms"); }},
      {kind::kDataset, dataset_text},
      {kind::kCommit, commit_text},
      {kind::kMessage, heard_text},
      {kind::kAlert, heard_text},
      {kind::kTick, heard_text},
  };
  if (!node.attributes.is_object()) return "";
  auto found = table.find(node.ref.kind);
  return found == table.end() ? every_attribute(node.attributes) : found->second(node.attributes);
}

}  // namespace

std::string line_of(const graph::NodeRef& ref) {
  bool digest =
      ref.kind == kind::kCommit || ref.kind == kind::kParams || ref.kind == kind::kEnvironment;
  std::string id = digest && ref.id.size() > 12 ? ref.id.substr(0, 12) : ref.id;
  return replace_all(ref.kind, "_", " ") + " " + id;
}

std::string line_of(const graph::Node& node) {
  return line_of(node.ref) + attributes_text(node);
}

std::string addition_of(const graph::Edge& edge) {
  if (!edge.attributes.is_object()) return "";
  std::string text = part("as", text_at(edge.attributes, "path"));
  if (text_at(edge.attributes, "claimed") == "true") text += "  claimed by a tag";
  if (text_at(edge.attributes, "told_by") == "client")
    text += "  as the client told; whether the work tree had changes is not known";
  if (auto untracked = number_at(edge.attributes, "untracked"); untracked && *untracked > 0) {
    text +=
        "  with " + std::to_string(*untracked) + " untracked file" + (*untracked > 1 ? "s" : "");
  }
  if (text_at(edge.attributes, "dirty") == "true") {
    std::string digest = text_at(edge.attributes, "diff");
    text += "  dirty: the work tree had changes";
    if (!digest.empty()) text += " (digest " + digest.substr(0, 12) + ")";
  }
  return text;
}

}  // namespace slipway::evidence
