#include "app/project.h"

#include <optional>
#include <system_error>

namespace slipway::app {

namespace {

std::optional<std::filesystem::path> marked_root(const std::filesystem::path& from) {
  std::error_code ignored;
  for (const char* mark : {".dvc", "slipway.yaml", ".git"}) {
    for (std::filesystem::path folder = from;; folder = folder.parent_path()) {
      if (std::filesystem::exists(folder / mark, ignored)) return folder;
      if (folder == folder.parent_path()) break;
    }
  }
  return std::nullopt;
}

}  // namespace

std::filesystem::path project_root(const std::filesystem::path& from) {
  return marked_root(from).value_or(from);
}

bool is_in_project(const std::filesystem::path& from) {
  return marked_root(from).has_value();
}

std::filesystem::path default_state(const std::filesystem::path& from) {
  return project_root(from) / ".slipway";
}

}  // namespace slipway::app
