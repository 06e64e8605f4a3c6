#include "domain/serving/day_files.h"

#include <algorithm>

#include "base/ids.h"
#include "base/text.h"

namespace slipway::serving {
namespace {

constexpr char kSuffix[] = ".log";

bool is_day(const std::string& name) {
  if (name.size() != 10) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (i == 4 || i == 7 ? name[i] != '-' : !is_digit(name[i])) return false;
  }
  return true;
}

}  // namespace

std::string folder_of(const std::string& deployment) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string folder;
  for (std::size_t i = 0; i < deployment.size(); ++i) {
    const auto c = static_cast<unsigned char>(deployment[i]);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && i > 0);
    if (plain)
      folder += static_cast<char>(c);
    else
      ((folder += '%') += kHex[c >> 4]) += kHex[c & 15];
  }
  return folder;
}

std::string day_of(UnixMs ms) {
  return to_iso8601(ms).substr(0, 10);
}

std::vector<std::string> days_in(const std::filesystem::path& deployment_folder) {
  std::vector<std::string> days;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(deployment_folder, error)) {
    std::string name = entry.path().filename().string();
    if (is_day(name)) days.push_back(std::move(name));
  }
  std::sort(days.begin(), days.end());
  return days;
}

std::vector<std::filesystem::path> files_in(const std::filesystem::path& day_folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(day_folder, error)) {
    if (entry.path().extension() == kSuffix) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string new_file_name() {
  return uuid7(SystemClock().now_ms()) + kSuffix;
}

}  // namespace slipway::serving
