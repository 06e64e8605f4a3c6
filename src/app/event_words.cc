#include "app/event_words.h"

namespace slipway::app {
namespace {

using wire::Json;

std::string text(const Json& data, const char* key) {
  const Json* value = data.find(key);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? value->as_string() : wire::dump(*value);
}

/// "a, b"; one of them alone where the other is nothing.
std::string both(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() ? a + b : a + ", " + b;
}

std::string reason_of(const Json& data) {
  for (const char* key : {"reason", "words", "message"}) {
    if (std::string found = text(data, key); !found.empty()) return found;
  }
  return "";
}

std::string rollout_words(const Json& data) {
  std::string words = "version " + text(data, "version");
  const std::string from = text(data, "from"), to = text(data, "to");
  if (!to.empty() && from != to) words += ", " + (from.empty() ? to : from + " to " + to);
  const Json* quarantined = data.find("quarantined");
  if (quarantined != nullptr && quarantined->is_bool() && quarantined->as_bool())
    words += ", quarantined";
  return both(words, reason_of(data));
}

}  // namespace

std::string words_of_event(std::string_view type, const Json& data) {
  if (!data.is_object()) return "";
  if (type == "gate.judged")
    return both(text(data, "gate") + " " + text(data, "status"), text(data, "words"));
  if (type == "window.judged") return both(text(data, "status"), text(data, "words"));
  if (type.starts_with("rollout.") && data.find("version") != nullptr) return rollout_words(data);
  if (type == "deployment.rolled_back") {
    return both("from version " + text(data, "from") + " to " + text(data, "to"), reason_of(data));
  }
  if (type.starts_with("permission.") && data.find("level") != nullptr) {
    const std::string of = text(data, "of");
    return text(data, "level") + (of.empty() ? "" : " on " + text(data, "kind") + " " + of);
  }
  return reason_of(data);
}

}  // namespace slipway::app
