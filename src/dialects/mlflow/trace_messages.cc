#include "dialects/mlflow/trace_messages.h"

#include <algorithm>
#include <cmath>

#include "base/ids.h"
#include "base/text.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"

namespace slipway::mlflow {
namespace {

using traces::Assessment;
using traces::Tag;
using traces::Tags;
using traces::Trace;
using wire::Json;

constexpr std::size_t kTraceTagValueMax = 8000, kPreviewMax = 10'000, kIdMax = 250;
constexpr std::size_t kPairsMax = 1000;

Result<std::string> text_of(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr || found->is_null()) return std::string();
  if (!found->is_string()) return invalid_parameter(key, *found);
  return found->as_string();
}

Result<std::optional<std::string>> optional_text(const Json& object, std::string_view key,
                                                 std::size_t max) {
  const Json* found = object.find(key);
  if (found == nullptr || found->is_null()) return std::optional<std::string>();
  if (!found->is_string()) return invalid_parameter(key, *found);
  std::string text = found->as_string();
  truncate(text, max);
  return std::optional(std::move(text));
}

Result<Tags> pairs_of(const Json& object, std::string_view key) {
  Tags pairs;
  const Json* found = object.find(key);
  if (found == nullptr || found->is_null()) return pairs;
  if (!found->is_object()) return invalid_parameter(key, *found);
  if (found->as_object().size() > kPairsMax) {
    return invalid(std::string(key) + " may hold " + std::to_string(kPairsMax) + " pairs, got " +
                   std::to_string(found->as_object().size()));
  }
  for (const auto& [name, value] : found->as_object()) {
    if (!value.is_string()) return invalid_parameter(key, *found);
    Tag tag{name, value.as_string()};
    TRY(check_trace_tag(tag));
    pairs.push_back(std::move(tag));
  }
  return pairs;
}

Json to_object(const Tags& tags) {
  Json object(Json::Object{});
  for (const Tag& tag : tags) object.as_object().emplace_back(tag.key, tag.value);
  return object;
}

/// Letters, digits, _ and -, as no path would take anything else for it.
Result<> check_trace_id(const std::string& id) {
  const bool fits =
      !id.empty() && id.size() <= kIdMax && std::all_of(id.begin(), id.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
               c == '-';
      });
  if (fits) return {};
  return invalid("Invalid trace ID '" + id.substr(0, kIdMax) +
                 "'. It must have 1 to 250 letters, digits, underscores (_) and hyphens (-).");
}

Result<std::int64_t> experiment_of(const Json& info) {
  const Json* location = info.find("trace_location");
  const Json* experiment = location == nullptr ? nullptr : location->find("mlflow_experiment");
  const Json* id = experiment == nullptr ? nullptr : experiment->find("experiment_id");
  if (id == nullptr) return missing_parameter("trace.trace_info.trace_location.mlflow_experiment");
  const auto number = id->is_integer()  ? std::optional(id->as_int64())
                      : id->is_string() ? to_int64(id->as_string())
                                        : std::nullopt;
  if (!number) return invalid_parameter("experiment_id", *id);
  return *number;
}

Result<traces::State> state_of(const Json& info) {
  constexpr const char* kByNumber[] = {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"};
  const Json* state = info.find("state");
  if (state == nullptr || state->is_null()) return traces::State::kUnspecified;
  std::string text = state->is_string() ? state->as_string() : "";
  if (state->is_integer() && state->as_int64() >= 0 && state->as_int64() < 4) {
    text = kByNumber[state->as_int64()];
  }
  const auto known = traces::to_state(text);
  if (!known) return invalid_parameter("state", *state);
  return *known;
}

/// Which of the kinds an assessment is, and its value.
struct Value {
  std::string kind;
  Json message;  // {"value": ...}
  Json value;
};
Result<Value> value_of(const Json& given) {
  if (const Json* feedback = given.find("feedback"); feedback && feedback->is_object()) {
    const Json* value = feedback->find("value");
    return Value{"feedback", *feedback, value == nullptr ? Json() : *value};
  }
  if (const Json* expectation = given.find("expectation");
      expectation && expectation->is_object()) {
    if (const Json* value = expectation->find("value")) {
      return Value{"expectation", *expectation, *value};
    }
    const Json* serialized = expectation->find("serialized_value");
    const Json* text = serialized == nullptr ? nullptr : serialized->find("value");
    if (text == nullptr || !text->is_string())
      return missing_parameter("assessment.expectation.value");
    return Value{"expectation", *expectation, TRY(wire::parse(text->as_string()))};
  }
  return invalid("Unknown assessment type: None");  // in MLflow's words
}

void set_value(Assessment& assessment, const Value& value) {
  assessment.kind = value.kind;
  assessment.value = wire::dump(value.value);
  assessment.number.reset();
  const bool is_finite = value.value.is_number() && std::isfinite(value.value.as_double());
  if (is_finite) assessment.number = value.value.as_double();
}

/// The members in the order of the protobuf fields.
Json ordered(const Json& content) {
  Json message;
  for (const char* key : {"assessment_id", "assessment_name", "trace_id", "span_id", "source",
                          "create_time", "last_update_time", "feedback", "expectation", "rationale",
                          "metadata", "overrides", "valid"}) {
    const Json* found = content.find(key);
    if (found != nullptr && !found->is_null()) message.set(key, *found);
  }
  return message;
}

Result<> check_metadata(const Json& given) {
  const Result<Tags> pairs = pairs_of(given, "metadata");
  if (!pairs.ok()) return pairs.error();
  return {};
}

std::string snake_case(std::string_view camel) {
  std::string snake;
  for (char c : camel) {
    if (c >= 'A' && c <= 'Z') snake.push_back('_');
    snake.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  return snake;
}

}  // namespace

Result<> check_trace_tag(Tag& tag) {
  TRY(check_name(tag.key, "key"));
  TRY(check_length(tag.key, kKeyMax, "key"));
  truncate(tag.value, kTraceTagValueMax);
  return {};
}

std::string to_timestamp(UnixMs ms) {
  std::string text = to_iso8601(ms);
  if (text.ends_with(".000Z")) text.replace(text.size() - 5, 5, "Z");
  return text;
}

std::string to_duration(std::int64_t ms) {
  const std::int64_t size = ms < 0 ? -ms : ms;
  std::string text = (ms < 0 ? "-" : "") + std::to_string(size / 1000);
  if (size % 1000 != 0) {
    const std::string rest = std::to_string(size % 1000);
    text += "." + std::string(3 - rest.size(), '0') + rest;
  }
  return text + "s";
}

Result<UnixMs> parse_timestamp(const Json& given) {
  const auto ms = given.is_string() ? parse_iso8601(given.as_string()) : std::nullopt;
  if (!ms) return invalid_parameter("request_time", given);
  return *ms;
}

Result<std::int64_t> parse_duration(const Json& given) {
  std::string text = given.is_string() ? given.as_string() : "";
  if (!text.ends_with('s')) return invalid_parameter("execution_duration", given);
  text.pop_back();
  const auto seconds = to_double(text);
  constexpr double kSecondsMax = 315'576'000'000;
  if (!seconds || !(std::abs(*seconds) <= kSecondsMax)) {
    return invalid_parameter("execution_duration", given);
  }
  return static_cast<std::int64_t>(std::llround(*seconds * 1000));
}

Result<Trace> to_trace(const Json& info) {
  if (!info.is_object()) return invalid_parameter("trace.trace_info", info);
  Trace trace;
  trace.id = TRY(text_of(info, "trace_id"));
  if (trace.id.empty()) return missing_parameter("trace.trace_info.trace_id");
  TRY(check_trace_id(trace.id));
  trace.experiment_id = TRY(experiment_of(info));
  trace.client_request_id = TRY(optional_text(info, "client_request_id", kIdMax));
  trace.request_preview = TRY(optional_text(info, "request_preview", kPreviewMax));
  trace.response_preview = TRY(optional_text(info, "response_preview", kPreviewMax));
  if (const Json* time = info.find("request_time"); time && !time->is_null()) {
    trace.request_ms = TRY(parse_timestamp(*time));
  }
  if (const Json* duration = info.find("execution_duration"); duration && !duration->is_null()) {
    trace.execution_ms = TRY(parse_duration(*duration));
  }
  trace.state = TRY(state_of(info));
  trace.tags = TRY(pairs_of(info, "tags"));
  trace.metadata = TRY(pairs_of(info, "trace_metadata"));
  return trace;
}

Json to_message(const Trace& trace) {
  Json experiment;
  experiment.set("experiment_id", std::to_string(trace.experiment_id));
  Json location;
  location.set("type", "MLFLOW_EXPERIMENT");
  location.set("mlflow_experiment", std::move(experiment));
  Json info;
  info.set("trace_id", trace.id);
  if (trace.client_request_id) info.set("client_request_id", *trace.client_request_id);
  info.set("trace_location", std::move(location));
  info.set("request_time", to_timestamp(trace.request_ms));
  if (trace.execution_ms) info.set("execution_duration", to_duration(*trace.execution_ms));
  info.set("state", traces::to_string(trace.state));
  if (!trace.metadata.empty()) info.set("trace_metadata", to_object(trace.metadata));
  if (!trace.assessments.empty()) {
    Json::Array all;
    for (const Assessment& one : trace.assessments) all.push_back(to_message(one));
    info.set("assessments", std::move(all));
  }
  if (!trace.tags.empty()) info.set("tags", to_object(trace.tags));
  if (trace.request_preview) info.set("request_preview", *trace.request_preview);
  if (trace.response_preview) info.set("response_preview", *trace.response_preview);
  return info;
}

Result<Assessment> to_assessment(const Json& given, const std::string& trace_id,
                                 const std::string& id, UnixMs now_ms) {
  if (!given.is_object()) return invalid_parameter("assessment", given);
  const Value value = TRY(value_of(given));
  Assessment made;
  made.id = id;
  made.trace_id = trace_id;
  made.name = TRY(text_of(given, "assessment_name"));
  if (made.name.empty()) return missing_parameter("assessment.assessment_name");
  TRY(check_length(made.name, kKeyMax, "assessment_name"));
  set_value(made, value);
  made.overrides = TRY(text_of(given, "overrides"));
  TRY(check_metadata(given));
  made.created_ms = made.updated_ms = now_ms;
  const Json* valid = given.find("valid");
  made.valid = valid == nullptr || !valid->is_bool() || valid->as_bool();
  for (const auto& [key, ms] :
       {std::pair("create_time", &made.created_ms), {"last_update_time", &made.updated_ms}}) {
    const Json* time = given.find(key);
    if (time != nullptr && !time->is_null()) *ms = TRY(parse_timestamp(*time));
  }
  made.content = wire::dump(ordered(given));
  return made;
}

Json to_message(const Assessment& assessment) {
  Json content = wire::parse(assessment.content).value_or(Json(Json::Object{}));
  content.set("assessment_id", assessment.id);
  content.set("assessment_name", assessment.name);
  content.set("trace_id", assessment.trace_id);
  content.set("create_time", to_timestamp(assessment.created_ms));
  content.set("last_update_time", to_timestamp(assessment.updated_ms));
  content.set("valid", assessment.valid);
  return ordered(content);
}

Result<Assessment> to_changed(const Assessment& before, const Json& given, const std::string& mask,
                              UnixMs now_ms) {
  if (!given.is_object()) return invalid_parameter("assessment", given);
  Assessment after = before;
  Json content = TRY(wire::parse(before.content));
  for (const std::string_view part : split(mask, ',')) {
    const std::string path = snake_case(trim(part));
    if (path == "assessment_name") {
      after.name = TRY(text_of(given, path));
      if (after.name.empty()) return missing_parameter("assessment.assessment_name");
      TRY(check_length(after.name, kKeyMax, "assessment_name"));
    } else if (path == "feedback" || path == "expectation") {
      const Value value = TRY(value_of(given));
      if (value.kind != before.kind || value.kind != path) {
        return invalid(path == "expectation"
                           ? "Cannot update expectation value on a Feedback assessment."
                           : "Cannot update feedback value on an Expectation assessment.");
      }
      set_value(after, value);
      content.set(path, value.message);
    } else if (path == "rationale") {
      content.set(path, TRY(text_of(given, path)));
    } else if (path == "metadata") {
      TRY(check_metadata(given));
      const Json* fresh = given.find("metadata");
      const Json* old = content.find("metadata");
      Json merged = old == nullptr ? Json(Json::Object{}) : *old;
      if (fresh != nullptr && fresh->is_object()) {
        for (const auto& [key, value] : fresh->as_object()) merged.set(key, value);
      }
      if (merged.as_object().size() > kPairsMax) {
        return invalid("metadata of an assessment may hold " + std::to_string(kPairsMax) +
                       " pairs");
      }
      content.set(path, std::move(merged));
    } else {
      return invalid("update_mask: '" + std::string(part) +
                     "' can't be changed; it is one of assessment_name, feedback, expectation, "
                     "rationale, metadata");
    }
  }
  after.updated_ms = now_ms;
  after.content = wire::dump(ordered(content));
  return after;
}

}  // namespace slipway::mlflow
