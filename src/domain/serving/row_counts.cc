#include "domain/serving/row_counts.h"

#include <algorithm>
#include <set>
#include <vector>

#include "domain/serving/day_files.h"
#include "domain/serving/prediction_file.h"

namespace slipway::serving {
namespace {

struct DayFile {
  std::string deployment;
  std::filesystem::path path;
};

/// Those of all days that the labels' predictions are of; nothing beyond `bytes_max`.
std::optional<std::vector<DayFile>> files_of(const std::filesystem::path& root,
                                             std::span<const Label> labels,
                                             std::uint64_t bytes_max) {
  std::set<std::pair<std::string, std::string>> days;
  for (const Label& label : labels) days.emplace(label.id.deployment, day_of(label.id.time_ms()));
  std::vector<DayFile> files;
  std::uint64_t bytes = 0;
  for (const auto& [deployment, day] : days) {
    for (const auto& file : files_in(root / folder_of(deployment) / day)) {
      std::error_code gone;
      const std::uintmax_t size = std::filesystem::file_size(file, gone);
      if (gone) continue;  // with its day, meanwhile
      bytes += size;
      if (bytes > bytes_max) return std::nullopt;
      files.push_back({deployment, file});
    }
  }
  return files;
}

}  // namespace

Result<std::optional<RowCounts>> count_rows(const std::filesystem::path& root,
                                            std::span<const Label> labels, std::uint64_t bytes_max,
                                            blob::Damages* damages) {
  const auto files = files_of(root, labels, bytes_max);
  if (!files) return std::optional<RowCounts>();
  std::set<RowCounts::key_type> wanted;
  for (const Label& label : labels) wanted.emplace(label.id.deployment, label.id.uuid);
  RowCounts counts;
  for (const DayFile& file : *files) {
    const auto count = [&](const Prediction& prediction, const Layout&) {
      const RowCounts::key_type key(file.deployment, prediction.id.uuid);
      if (!wanted.contains(key)) return true;
      std::uint32_t& rows = counts[key];
      rows = std::max(rows, prediction.rows);
      return true;
    };
    TRY(read_prediction_file(file.path, file.deployment, count, damages));
  }
  return std::optional<RowCounts>(std::move(counts));
}

}  // namespace slipway::serving
