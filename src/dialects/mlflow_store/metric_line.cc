#include "dialects/mlflow_store/metric_line.h"

#include <limits>

#include "base/text.h"
#include "dialects/mlflow_store/words.h"

namespace slipway::mlflow_store {
namespace {

/// Python's float() of what Python's str() writes, in any case.
std::optional<double> value_of(std::string_view word) {
  const std::string lower = to_lower(word);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (lower == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (lower == "inf" || lower == "infinity") return kInfinity;
  if (lower == "-inf" || lower == "-infinity") return -kInfinity;
  return to_double(word);
}

std::optional<MetricLine> begin_of(const std::vector<std::string_view>& words) {
  if (words.size() < 2) return std::nullopt;
  const auto time = to_int64(words[0]);
  const auto value = value_of(words[1]);
  const auto step = words.size() > 2 ? to_int64(words[2]) : std::optional<std::int64_t>(0);
  if (!time || !value || !step) return std::nullopt;
  MetricLine line;
  line.point.timestamp_ms = *time;
  line.point.value = *value;
  line.point.step = *step;
  return line;
}

/// The two words that name a dataset, from `at` on; false when they can't be kept.
bool take_dataset(const std::vector<std::string_view>& words, std::size_t at, MetricLine& line) {
  if (words.size() == at) return true;
  if (words.size() != at + 2) return false;
  if (!is_storable(words[at], kKeyBytesMax) || !is_storable(words[at + 1], kKeyBytesMax))
    return false;
  line.dataset_name = words[at];
  line.dataset_digest = words[at + 1];
  return true;
}

}  // namespace

std::optional<MetricLine> parse_run_metric(std::string_view text) {
  const std::vector<std::string_view> words = split(trim(text), ' ');
  std::optional<MetricLine> line = begin_of(words);
  if (!line || words.size() == 4) return std::nullopt;
  if (words.size() > 3 && !take_dataset(words, 3, *line)) return std::nullopt;
  return line;
}

std::optional<MetricLine> parse_model_metric(std::string_view text) {
  const std::vector<std::string_view> words = split(trim(text), ' ');
  std::optional<MetricLine> line = begin_of(words);
  if (!line || words.size() < 4 || !is_storable(words[3], kKeyBytesMax)) return std::nullopt;
  line->run_id = words[3];
  if (!take_dataset(words, 4, *line)) return std::nullopt;
  return line;
}

}  // namespace slipway::mlflow_store
