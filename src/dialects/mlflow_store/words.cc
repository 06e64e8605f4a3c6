#include "dialects/mlflow_store/words.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::mlflow_store {
namespace {

using tracking::RunStatus;

constexpr std::pair<std::int64_t, RunStatus> kRunStatuses[] = {{1, RunStatus::kRunning},
                                                               {2, RunStatus::kScheduled},
                                                               {3, RunStatus::kFinished},
                                                               {4, RunStatus::kFailed},
                                                               {5, RunStatus::kKilled}};

bool is_word(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                  c == '_';
         });
}

}  // namespace

std::optional<RunStatus> run_status(std::string_view word) {
  return tracking::to_run_status(word);  // stored here in the same words
}

std::optional<RunStatus> run_status(std::int64_t number) {
  for (const auto& [known, status] : kRunStatuses)
    if (known == number) return status;
  return std::nullopt;
}

std::optional<registry::LoggedModelStatus> logged_model_status(std::int64_t number) {
  switch (number) {
    case 1:
      return registry::LoggedModelStatus::kPending;
    case 2:
      return registry::LoggedModelStatus::kReady;
    case 3:
      return registry::LoggedModelStatus::kFailed;
    default:
      return std::nullopt;
  }
}

bool is_storable(std::string_view text, std::size_t bytes_max) {
  return text.size() <= bytes_max && text.find('\0') == std::string_view::npos &&
         is_valid_utf8(text);
}

std::string shown(std::string_view text) {
  constexpr std::size_t kBytesMax = 120;
  std::string words;
  for (char c : text.substr(0, kBytesMax)) {
    const bool plain = c >= ' ' && c < 0x7f;
    words += plain ? c : '?';
  }
  return text.size() > kBytesMax ? words + "..." : words;
}

std::optional<std::int64_t> experiment_number(std::string_view text) {
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
  return to_int64(text);
}

bool is_run_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_logged_model_id(std::string_view text) {
  constexpr std::size_t kBytesMax = 64;
  return is_word(text, kBytesMax);
}

}  // namespace slipway::mlflow_store
