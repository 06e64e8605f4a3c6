#include "domain/registry/types.h"

#include "base/text.h"

namespace slipway::registry {

const char* to_string(Stage stage) {
  switch (stage) {
    case Stage::kNone:
      return "none";
    case Stage::kStaging:
      return "staging";
    case Stage::kProduction:
      return "production";
    case Stage::kArchived:
      return "archived";
  }
  return "none";
}

std::optional<Stage> parse_stage(std::string_view word) {
  const std::string lower = to_lower(word);
  for (Stage stage : {Stage::kNone, Stage::kStaging, Stage::kProduction, Stage::kArchived}) {
    if (lower == to_string(stage)) return stage;
  }
  return std::nullopt;
}

const char* to_string(LoggedModelStatus status) {
  switch (status) {
    case LoggedModelStatus::kPending:
      return "pending";
    case LoggedModelStatus::kReady:
      return "ready";
    case LoggedModelStatus::kFailed:
      return "failed";
  }
  return "pending";
}

}  // namespace slipway::registry
