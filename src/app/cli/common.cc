#include "app/cli/common.h"

#include <pwd.h>
#include <unistd.h>

namespace slipway::app {

using wire::Json;

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
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
