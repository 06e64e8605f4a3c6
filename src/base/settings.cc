#include "base/settings.h"

#include <algorithm>

#include "base/check.h"
#include "base/text.h"

namespace slipway {

std::string Setting::flag() const { return "--" + replace_all(name, "_", "-"); }
std::string Setting::variable() const { return "SLIPWAY_" + to_upper(name); }

namespace {

Result<> refuse_unknown(const std::vector<Setting>& table, const std::map<std::string, std::string>& given,
                        std::string_view where) {
  for (const auto& [name, value] : given) {
    if (std::any_of(table.begin(), table.end(), [&wanted = name](const Setting& s) { return s.name == wanted; })) continue;
    std::vector<std::string> names;
    for (const Setting& setting : table) names.push_back(setting.name);
    std::string message = "unknown setting '" + name + "' in " + std::string(where);
    if (auto near = nearest(name, names)) message += "; did you mean '" + *near + "'?";
    return invalid(message);
  }
  return {};
}

}  // namespace

Result<Settings> Settings::gather(const std::vector<Setting>& table,
                                  const std::map<std::string, std::string>& flags,
                                  const Environment& environment,
                                  const std::map<std::string, std::string>& file) {
  TRY(refuse_unknown(table, flags, "the command line"));
  TRY(refuse_unknown(table, file, "the settings file"));
  Settings settings;
  for (const Setting& setting : table) {
    Value value{setting.fallback, "the default"};
    if (auto it = file.find(setting.name); it != file.end()) value = {it->second, "the settings file"};
    if (auto text = environment(setting.variable())) value = {*text, setting.variable()};
    if (auto it = flags.find(setting.name); it != flags.end()) value = {it->second, setting.flag()};
    settings.values_[setting.name] = value;
  }
  return settings;
}

const std::string& Settings::text(std::string_view name) const {
  auto it = values_.find(name);
  CHECK(it != values_.end());
  return it->second.text;
}

bool Settings::on(std::string_view name) const {
  std::string value = to_lower(text(name));
  return value == "1" || value == "true" || value == "yes" || value == "on";
}

Result<std::int64_t> Settings::integer(std::string_view name) const {
  const std::string& value = text(name);
  if (auto number = to_int64(value)) return *number;
  return invalid("setting '" + std::string(name) + "' from " + values_.find(name)->second.origin +
                 " must be a whole number, got '" + value + "'");
}

}  // namespace slipway
