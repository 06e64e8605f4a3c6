#include "app/cli/common.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "app/project.h"
#include "base/text.h"

namespace slipway::app {

using wire::Json;

std::string flag(const Arguments& arguments, std::string_view name, std::string_view otherwise) {
  const auto found = arguments.flags.find(name);
  return found == arguments.flags.end() ? std::string(otherwise) : found->second;
}

std::string from_environment(std::string_view flag) {
  const char* value = flag == "state"       ? std::getenv("SLIPWAY_STATE")
                      : flag == "store"     ? std::getenv("SLIPWAY_STORE")
                      : flag == "artifacts" ? std::getenv("SLIPWAY_ARTIFACTS")
                                            : nullptr;
  return value == nullptr ? std::string() : value;
}

std::filesystem::path state_folder(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string named = flag(arguments, "state", from_environment("state"));
  if (named.empty()) return default_state(surroundings.folder);
  return (surroundings.folder / named).lexically_normal();
}

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

std::string hint_of(const std::string& name, const std::vector<std::string>& known) {
  constexpr std::size_t kShownMax = 5;
  if (known.empty()) return "";
  if (const auto near = nearest(name, known)) return "; did you mean '" + *near + "'?";
  const std::vector<std::string> shown(
      known.begin(), known.begin() + static_cast<long>(std::min(known.size(), kShownMax)));
  std::string text = "; known: " + join(shown, ", ");
  if (known.size() > kShownMax)
    text += " and " + std::to_string(known.size() - kShownMax) + " more";
  return text;
}

Result<std::filesystem::path> file_to_write(const std::filesystem::path& named) {
  std::error_code failed;
  const std::filesystem::path target = std::filesystem::weakly_canonical(named, failed);
  if (failed) return usage("cannot write " + named.string() + ": " + failed.message());
  const auto kind = std::filesystem::status(target, failed).type();
  const bool is_new = kind == std::filesystem::file_type::not_found;
  if (!is_new && kind != std::filesystem::file_type::regular)
    return usage(named.string() + " is no file: -o replaces what is there; `-o -`, or none, writes "
                                  "to standard output where that is possible");
  if (is_new && !std::filesystem::is_directory(target.parent_path(), failed))
    return usage("there is no folder " + target.parent_path().string() + " to write " +
                 target.filename().string() + " into");
  return target;
}

Error usage(const std::string& message) {
  return with_tag(invalid(message), "usage");
}

std::string text_at(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  return found && found->is_string() ? found->as_string() : std::string();
}

std::int64_t number_at(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  return found && found->is_number() ? found->as_int64() : 0;
}

const Json::Array& list_at(const Json& json, std::string_view key) {
  static const Json::Array kNone;
  const Json* found = json.find(key);
  return found && found->is_array() ? found->as_array() : kNone;
}

}  // namespace slipway::app
