#include "domain/data/config.h"

#include <cstdlib>

#include "base/file.h"
#include "base/text.h"

namespace slipway::data {
namespace {

Error config_error(const std::string& message) {
  Error error = invalid(message);
  error.tag = "config";
  return error;
}

std::string unquoted(std::string_view text) {
  text = trim(text);
  bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                text.back() == text.front();
  if (quoted) text = text.substr(1, text.size() - 2);
  return std::string(text);
}

/// `'remote "NAME"'` and `remote "NAME"` as "remote NAME".
std::string section_name(std::string_view inside) {
  std::string name = unquoted(inside);
  std::size_t quote = name.find('"');
  if (quote == std::string::npos || name.size() < quote + 2 || name.back() != '"')
    return to_lower(name);
  return to_lower(std::string(trim(std::string_view(name).substr(0, quote)))) + " " +
         name.substr(quote + 1, name.size() - quote - 2);
}

bool is_comment(std::string_view line) {
  return line.empty() || line[0] == '#' || line[0] == ';';
}

/// The value without a comment that follows it.
std::string value_of(std::string_view text) {
  text = trim(text);
  if (!text.empty() && (text[0] == '"' || text[0] == '\'')) {
    std::size_t close = text.find(text[0], 1);
    if (close != std::string_view::npos) return std::string(text.substr(1, close - 1));
  }
  std::size_t comment = text.find(" #");
  return std::string(trim(text.substr(0, comment)));
}

Result<bool> to_bool(const std::string& option, const std::string& value) {
  std::string lower = to_lower(value);
  if (lower == "true" || lower == "yes" || lower == "on" || lower == "1") return true;
  if (lower == "false" || lower == "no" || lower == "off" || lower == "0") return false;
  return config_error("config: " + option + " takes true or false, here is \"" + value + "\"");
}

Result<std::vector<LinkType>> to_links(const std::string& value) {
  static const std::map<std::string, LinkType, std::less<>> kTypes = {
      {"reflink", LinkType::kReflink},
      {"hardlink", LinkType::kHardlink},
      {"symlink", LinkType::kSymlink},
      {"copy", LinkType::kCopy}};
  std::vector<LinkType> links;
  for (std::string_view part : split(value, ',')) {
    auto type = kTypes.find(trim(part));
    if (type == kTypes.end()) {
      return config_error("config: cache.type \"" + std::string(part) +
                          "\" is unknown; use reflink, hardlink, symlink or copy");
    }
    links.push_back(type->second);
  }
  return links;
}

std::filesystem::path folder_from(const char* variable, const std::filesystem::path& fallback) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? std::filesystem::path(value) : fallback;
}

std::filesystem::path global_folder() {
  const char* home = std::getenv("HOME");
  std::filesystem::path base = folder_from(
      "XDG_CONFIG_HOME", std::filesystem::path(home != nullptr ? home : "") / ".config");
  return folder_from("DVC_GLOBAL_CONFIG_DIR", base / "dvc");
}

Result<> read_config_file(const std::filesystem::path& file, ConfigValues& values) {
  constexpr std::uint64_t kBytesMax = 1u << 20;
  Result<std::string> text = read_file(file, kBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) return {};
  if (!text.ok()) return text.error();
  return read_config_text(*text, file.string(), values);
}

const std::string* find_value(const ConfigValues& values, const std::string& section,
                              const std::string& key) {
  auto found = values.find(section);
  if (found == values.end()) return nullptr;
  auto value = found->second.find(key);
  return value == found->second.end() ? nullptr : &value->second;
}

Result<Config> to_config(const ConfigValues& values, const std::filesystem::path& dvc_folder) {
  Config config;
  config.cache_folder = dvc_folder / "cache";
  if (const std::string* folder = find_value(values, "cache", "dir")) {
    config.cache_folder = (dvc_folder / *folder).lexically_normal();
  }
  if (const std::string* type = find_value(values, "cache", "type"))
    config.links = TRY(to_links(*type));
  if (const std::string* shared = find_value(values, "cache", "shared"))
    config.shared_cache = *shared == "group";
  if (const std::string* value = find_value(values, "core", "no_scm")) {
    config.no_scm = TRY(to_bool("core.no_scm", *value));
  }
  if (const std::string* value = find_value(values, "core", "autostage")) {
    config.autostage = TRY(to_bool("core.autostage", *value));
  }
  if (const std::string* value = find_value(values, "core", "hardlink_lock")) {
    if (TRY(to_bool("core.hardlink_lock", *value))) {
      return config_error(
          "not supported yet: core.hardlink_lock; the lock of .dvc/tmp/lock could not be shared "
          "with dvc");
    }
  }
  if (const std::string* value = find_value(values, "core", "remote"))
    config.default_remote = *value;
  for (const auto& [section, unused] : values) {
    if (section.starts_with("remote ")) config.remotes.push_back(section.substr(7));
  }
  return config;
}

}  // namespace

Result<> read_config_text(std::string_view text, const std::string& name, ConfigValues& values) {
  std::string section;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    line = trim(line);
    if (is_comment(line)) continue;
    std::string at = name + ":" + std::to_string(number) + ": ";
    if (line.front() == '[') {
      std::size_t close = line.rfind(']');
      if (close == std::string_view::npos)
        return config_error(at + "the section has no closing bracket");
      section = section_name(line.substr(1, close - 1));
      values[section];
      continue;
    }
    std::size_t equals = line.find('=');
    if (equals == std::string_view::npos)
      return config_error(at + "neither a section nor \"option = value\"");
    values[section][to_lower(trim(line.substr(0, equals)))] = value_of(line.substr(equals + 1));
  }
  return {};
}

Result<Config> read_config(const std::filesystem::path& dvc_folder) {
  ConfigValues values;
  TRY(read_config_file(folder_from("DVC_SYSTEM_CONFIG_DIR", "/etc/xdg/dvc") / "config", values));
  TRY(read_config_file(global_folder() / "config", values));
  TRY(read_config_file(dvc_folder / "config", values));
  TRY(read_config_file(dvc_folder / "config.local", values));
  return to_config(values, dvc_folder);
}

}  // namespace slipway::data
