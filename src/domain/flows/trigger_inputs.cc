#include <algorithm>
#include <functional>

#include "base/text.h"
#include "domain/flows/trigger.h"

namespace slipway::flows {
namespace {

using wire::Json;

constexpr std::string_view kEvent = "event.", kData = "event.data.";

std::string date_of(UnixMs time_ms) {
  constexpr std::size_t kDate = 10;
  return to_iso8601(time_ms).substr(0, kDate);
}

struct Field {
  const char* name;
  std::string (*value)(const Occasion&);
};
constexpr Field kFields[] = {
    {"event.time", [](const Occasion& o) { return to_iso8601(o.time_ms); }},
    {"event.date", [](const Occasion& o) { return date_of(o.time_ms); }},
    {"event.id", [](const Occasion& o) { return o.id; }},
    {"event.type", [](const Occasion& o) { return o.type; }},
    {"event.source", [](const Occasion& o) { return o.source; }},
    {"event.subject", [](const Occasion& o) { return o.subject; }},
};

/// Members of the data that have a name of their own.
std::vector<std::string> own_names(const project::TriggerSource& source) {
  if (std::holds_alternative<project::CronSource>(source)) return {"nominal"};
  if (std::holds_alternative<project::DataSource>(source)) return {"path", "digest"};
  if (std::holds_alternative<project::GitSource>(source)) return {"commit", "branch"};
  if (std::holds_alternative<project::IncidentSource>(source)) return {"deployment", "monitor"};
  return {};
}

std::optional<std::string> as_text(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool() || value.is_number()) return wire::dump(value);
  return std::nullopt;
}

const Json* find_in(const Json& data, std::string_view path) {
  const Json* at = &data;
  for (std::string_view part : split(path, '.')) {
    at = at->find(part);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::optional<std::string> in_data(const Json& data, std::string_view path) {
  const Json* found = find_in(data, path);
  return found == nullptr ? std::nullopt : as_text(*found);
}

/// Why a name of the data gives no text.
std::string lack_of(std::string_view name, const Json& data) {
  const Json* found = name.starts_with(kData) ? find_in(data, name.substr(kData.size())) : nullptr;
  if (found == nullptr) return "which this event does not have";
  const char* what = found->is_object() ? "an object" : found->is_array() ? "a list" : "null";
  return std::string("which is ") + what +
         " in this event: expected a text, a number, true or false";
}

std::optional<std::string> value_of(std::string_view name, const Occasion& occasion) {
  for (const Field& field : kFields)
    if (name == field.name) return field.value(occasion);
  if (name.starts_with(kData)) return in_data(occasion.data, name.substr(kData.size()));
  if (name.starts_with(kEvent)) return in_data(occasion.data, name.substr(kEvent.size()));
  return std::nullopt;
}

/// Calls `each` for every "${NAME}", and `text` for what lies between.
void parse_template(std::string_view value, const std::function<void(std::string_view)>& text,
                    const std::function<void(std::string_view)>& each) {
  while (!value.empty()) {
    const std::size_t begin = value.find("${");
    const std::size_t end = begin == std::string_view::npos ? begin : value.find('}', begin);
    if (end == std::string_view::npos) break;
    text(value.substr(0, begin));
    each(value.substr(begin + 2, end - begin - 2));
    value.remove_prefix(end + 1);
  }
  text(value);
}

ParamInput input_for(std::string_view key) {
  ParamInput input;
  // "other.yaml:train.trees" is a key of another file.
  if (const std::size_t colon = key.rfind(':'); colon != std::string_view::npos) {
    input.file = std::string(key.substr(0, colon));
    key.remove_prefix(colon + 1);
  }
  input.key = std::string(key);
  return input;
}

}  // namespace

Result<std::vector<ParamInput>> inputs_of(const project::TriggerSpec& trigger,
                                          const Occasion& occasion) {
  constexpr std::size_t kValueBytesMax = 64 * 1024;
  std::vector<ParamInput> inputs;
  for (const project::ParamMapping& mapping : trigger.params) {
    ParamInput input = input_for(mapping.key);
    std::string unknown;
    parse_template(
        mapping.value, [&](std::string_view text) { input.value += text; },
        [&](std::string_view name) {
          const std::optional<std::string> value = value_of(name, occasion);
          if (!value) unknown = std::string(name);
          if (value) input.value += *value;
        });
    if (!unknown.empty()) {
      return invalid("the parameter " + mapping.key + " asks for ${" + unknown +
                     "}, " + lack_of(unknown, occasion.data));
    }
    if (input.value.size() > kValueBytesMax) {
      return invalid("the parameter " + mapping.key + " would be longer than 64 KiB");
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

std::vector<std::string> unknown_templates(const project::TriggerSource& source,
                                           std::string_view value) {
  std::vector<std::string> known;
  for (const Field& field : kFields) known.emplace_back(field.name);
  for (const std::string& name : own_names(source)) known.push_back(std::string(kEvent) + name);
  std::vector<std::string> faults;
  parse_template(
      value, [](std::string_view) {},
      [&](std::string_view name) {
        const bool is_data = name.starts_with(kData) && name.size() > kData.size();
        if (is_data || std::find(known.begin(), known.end(), name) != known.end()) return;
        std::string fault = "found ${" + std::string(name) + "}, expected " + join(known, ", ") +
                            " or event.data.NAME";
        if (auto near = nearest(name, known)) fault += "; did you mean ${" + *near + "}?";
        faults.push_back(std::move(fault));
      });
  return faults;
}

}  // namespace slipway::flows
