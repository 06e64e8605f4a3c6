#include "domain/registry/names.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/text.h"
#include "io/wire/json.h"

namespace slipway::registry {
namespace {

constexpr std::size_t kLoggedNameBytesMax = 1000;

bool is_word(char c) {
  // Letters beyond ASCII are words; telling them from other signs would take Unicode's tables.
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0;
}

/// The path that POSIX takes `path` for, without looking at a disk.
std::string normal_path(std::string_view path) {
  if (path.empty()) return ".";
  bool absolute = path.starts_with('/');
  bool two_slashes = path.starts_with("//") && !path.starts_with("///");
  std::vector<std::string> kept;
  for (std::string_view segment : split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    bool climbs = segment == ".." && (kept.empty() ? !absolute : kept.back() == "..");
    if (segment != ".." || climbs)
      kept.emplace_back(segment);
    else if (!kept.empty())
      kept.pop_back();
  }
  std::string normal = (two_slashes ? "//" : absolute ? "/" : "") + join(kept, "/");
  return normal.empty() ? "." : normal;
}

std::string in_quotes(std::string_view text) {
  std::string out;
  wire::append_quoted(out, text, /*ascii=*/true);
  return out;
}

Error bad_value(std::string_view parameter, std::string_view value, const std::string& why) {
  return invalid("Invalid value " + in_quotes(value) + " for parameter '" + std::string(parameter) +
                 "' supplied: " + why);
}

Result<> check_is_no_path(std::string_view name, std::string_view parameter) {
  std::string normal = normal_path(name);
  if (normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with('/')) {
    return {};
  }
  return bad_value(parameter, name,
                   "Names may be treated as files in certain cases, and must not resolve to other "
                   "names when treated as such. This name would resolve to '" +
                       normal + "'");
}

Result<> check_length(std::string_view what, std::string_view text, std::size_t characters_max) {
  if (text.size() <= characters_max || count_code_points(text) <= characters_max) return {};
  return invalid("'" + std::string(what) + "' exceeds the maximum length of " +
                 std::to_string(characters_max) + " characters");
}

Result<> check_text(std::string_view what, std::string_view text) {
  if (is_valid_utf8(text) && text.find('\0') == std::string_view::npos) return {};
  return invalid("'" + std::string(what) + "' is not UTF-8 text without NUL");
}

bool is_blank(std::string_view text) {
  return trim(text).empty();
}

}  // namespace

Result<> check_model_name(std::string_view name, std::string_view parameter) {
  if (is_blank(name)) {
    return invalid("Missing value for required parameter '" + std::string(parameter) + "'.");
  }
  TRY(check_text(parameter, name));
  if (name.find_first_of("/:") != std::string_view::npos) {
    return invalid("Invalid model name '" + std::string(name) +
                   "'. Names cannot contain '/' or ':'.");
  }
  TRY(check_is_no_path(name, "name"));
  // As a permission writes it, it is every model.
  if (name == "*")
    return invalid("Invalid model name '*'. It stands for every model where permissions are given.");
  return check_length(parameter, name, kNameCharactersMax);
}

Result<> check_logged_model_name(std::string_view name) {
  TRY(check_text("name", name));
  if (name.empty() || name.find_first_of("/:.%\"'") != std::string_view::npos) {
    return invalid("Invalid model name ('" + std::string(name) +
                   "') provided. Model name must be a non-empty string and cannot contain the "
                   "following characters: ('/', ':', '.', '%', '\"', \"'\")");
  }
  return check_length("name", name, kLoggedNameBytesMax);
}

Result<> check_alias(std::string_view alias, bool to_set) {
  if (alias.empty()) return invalid("Registered model alias name cannot be empty.");
  TRY(check_text("alias", alias));
  if (!std::all_of(alias.begin(), alias.end(), [](char c) { return is_word(c) || c == '-'; })) {
    return invalid("Invalid alias name: '" + std::string(alias) +
                   "'. Names may only contain alphanumerics, underscores (_), and dashes (-).");
  }
  TRY(check_length("Registered model alias name", alias, kAliasCharactersMax));
  if (!to_set) return {};
  if (to_lower(alias) == "latest") {
    return invalid("'latest' alias name (case insensitive) is reserved.");
  }
  bool like_version = alias.size() > 1 && (alias[0] == 'v' || alias[0] == 'V') &&
                      alias.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (like_version) {
    return invalid("Version alias name '" + std::string(alias) + "' is reserved.");
  }
  return {};
}

Result<> check_tag_key(std::string_view key, std::string_view parameter) {
  TRY(check_text(parameter, key));
  auto fits = [](char c) {
    return is_word(c) || std::string_view("/.- :").find(c) != std::string_view::npos;
  };
  if (!std::all_of(key.begin(), key.end(), fits)) {
    return bad_value(parameter, key,
                     "Names may only contain alphanumerics, underscores (_), dashes (-), periods "
                     "(.), spaces ( ), colon(:) and slashes (/).");
  }
  TRY(check_is_no_path(key, parameter));
  return check_length("key", key, kTagKeyCharactersMax);
}

Result<> check_tag(const Tag& tag) {
  TRY(check_tag_key(tag.key));
  TRY(check_text("value", tag.value));
  return check_length("value", tag.value, kTagValueCharactersMax);
}

Result<> check_tags(const Tags& tags) {
  if (tags.size() > kTagsMax) {
    return invalid("A request can contain at most " + std::to_string(kTagsMax) + " tags, got " +
                   std::to_string(tags.size()) + ".");
  }
  for (const Tag& tag : tags) TRY(check_tag(tag));
  return {};
}

Result<> check_description(std::string_view description) {
  TRY(check_text("description", description));
  if (description.size() <= kDescriptionBytesMax) return {};
  return invalid("'description' exceeds the maximum length of " +
                 std::to_string(kDescriptionBytesMax) + " bytes");
}

}  // namespace slipway::registry
