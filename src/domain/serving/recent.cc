#include "domain/serving/recent.h"

#include <algorithm>
#include <deque>
#include <iterator>

#include "domain/serving/day_files.h"
#include "domain/serving/prediction_file.h"

namespace slipway::serving {
namespace {

bool is_asked_for(const RecentQuery& query, const Prediction& prediction, const Layout& layout) {
  constexpr int kRefused = 400, kFailed = 500;
  using Outcome = RecentQuery::Outcome;
  if (!query.version.empty() && layout.version != query.version) return false;
  if (query.role && prediction.role != *query.role) return false;
  const Outcome outcome = prediction.status >= kFailed    ? Outcome::kFailed
                          : prediction.status >= kRefused ? Outcome::kRefused
                                                          : Outcome::kAnswered;
  return query.outcome == Outcome::kAny || query.outcome == outcome;
}

RecentAnswer in_a_list(const Prediction& p, const Layout& layout) {
  RecentAnswer answer{p.id,         p.event_time_ms, p.role,      p.status,
                      p.latency_us, p.rows,          p.client_id, p.error,
                      layout.model, layout.version,  {}};
  const std::size_t width = std::min(layout.outputs.size(), p.outputs.size());
  answer.outputs = named_outputs(layout, std::span(p.outputs).first(width));
  return answer;
}

/// The files of a deployment, the latest first.
std::vector<std::filesystem::path> files_from_the_end(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> all;
  for (const std::string& day : days_in(folder)) {
    for (std::filesystem::path& file : files_in(folder / day)) all.push_back(std::move(file));
  }
  std::reverse(all.begin(), all.end());
  return all;
}

/// The last ones of a file that are asked for; in it they are in the order of logging.
Result<std::deque<RecentAnswer>> last_of(const std::filesystem::path& file,
                                         const std::string& deployment, const RecentQuery& query,
                                         std::size_t wanted, blob::Damages* damages) {
  std::deque<RecentAnswer> last;
  TRY(read_prediction_file(
      file, deployment,
      [&](const Prediction& prediction, const Layout& layout) {
        if (!is_asked_for(query, prediction, layout)) return true;
        last.push_back(in_a_list(prediction, layout));
        if (last.size() > wanted) last.pop_front();
        return true;
      },
      damages));
  return last;
}

}  // namespace

Result<Recent> recent_answers(const std::filesystem::path& root, const std::string& deployment,
                              const RecentQuery& query, blob::Damages* damages) {
  Recent recent;
  std::uint64_t bytes = 0;
  for (const auto& file : files_from_the_end(root / folder_of(deployment))) {
    if (recent.answers.size() >= query.limit) break;
    std::error_code gone;
    const std::uintmax_t size = std::filesystem::file_size(file, gone);
    if (gone) continue;  // it is past its retention
    recent.complete = bytes == 0 || bytes + size <= query.bytes_max;
    if (!recent.complete) break;
    bytes += size;
    std::deque<RecentAnswer> last =
        TRY(last_of(file, deployment, query, query.limit - recent.answers.size(), damages));
    std::move(last.rbegin(), last.rend(), std::back_inserter(recent.answers));
  }
  return recent;
}

}  // namespace slipway::serving
