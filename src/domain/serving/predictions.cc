#include "domain/serving/predictions.h"

#include <algorithm>

#include "domain/serving/day_files.h"
#include "domain/serving/prediction_file.h"

namespace slipway::serving {
namespace {

/// Whether a file that says what it holds holds nothing of [from, to).
Result<bool> lies_outside(const std::filesystem::path& file, UnixMs from_ms, UnixMs to_ms) {
  const std::optional<FileSummary> summary = TRY(summary_of(file));
  return summary && (summary->requests == 0 || summary->last_event_ms < from_ms ||
                     summary->first_event_ms >= to_ms);
}

}  // namespace

Predictions::Predictions(std::filesystem::path root, std::filesystem::path labels_root,
                         blob::Damages* damages)
    : root_(std::move(root)), labels_root_(std::move(labels_root)), damages_(damages) {}

Result<std::vector<Answer>> Predictions::find(const PredictionId& id) const {
  std::vector<Answer> found;
  ScanEnd end;
  const auto folder = root_ / folder_of(id.deployment) / day_of(id.time_ms());
  for (const auto& file : files_in(folder)) {
    TRY(read_file(
        file, id.deployment,
        [&](const Prediction& prediction, const Layout& layout) {
          if (prediction.id.uuid == id.uuid) found.push_back({prediction, layout});
          return true;
        },
        end));
  }
  std::stable_partition(found.begin(), found.end(), [](const Answer& answer) {
    return answer.prediction.role != Role::kShadow;
  });
  return found;
}

/// False when `visit` did not go on.
Result<bool> Predictions::read_file(const std::filesystem::path& file,
                                    const std::string& deployment, const Visit& visit,
                                    ScanEnd& end) const {
  const PredictionFileEnd read = TRY(read_prediction_file(file, deployment, visit, damages_));
  ++end.files;
  if (read.torn) ++end.torn_files;
  if (read.loss.places > 0) ++end.damaged_files;
  end.lost_requests += read.loss.frames;
  return !read.ended_early;
}

Result<> Predictions::each_day(const std::string& deployment, const VisitDay& visit) const {
  for (const std::string& day : days_in(root_ / folder_of(deployment))) {
    if (!TRY(visit(day))) break;
  }
  return {};
}

Result<bool> Predictions::scan_day(const std::string& deployment, const std::string& day,
                                   UnixMs from_ms, UnixMs to_ms, const Visit& visit,
                                   ScanEnd& end) const {
  auto visit_inside = [&](const Prediction& prediction, const Layout& layout) {
    if (prediction.event_time_ms < from_ms || prediction.event_time_ms >= to_ms) return true;
    ++end.requests;
    end.rows += prediction.rows;
    return visit(prediction, layout);
  };
  for (const auto& file : files_in(root_ / folder_of(deployment) / day)) {
    if (TRY(lies_outside(file, from_ms, to_ms))) continue;
    if (!TRY(read_file(file, deployment, visit_inside, end))) return false;
  }
  return true;
}

Result<ScanEnd> Predictions::scan(const std::string& deployment, UnixMs from_ms, UnixMs to_ms,
                                  const Visit& visit) const {
  ScanEnd end;
  TRY(each_day(deployment, [&](const std::string& day) {
    return scan_day(deployment, day, from_ms, to_ms, visit, end);
  }));
  return end;
}

Result<ScanEnd> Predictions::scan_labelled(const std::string& deployment, UnixMs from_ms,
                                           UnixMs to_ms, const VisitLabelled& visit,
                                           UnixMs known_by_ms) const {
  ScanEnd end;
  TRY(each_day(deployment, [&](const std::string& day) -> Result<bool> {
    std::optional<DayLabels> labels;  // read once the day has a prediction that counts
    Result<> failed;
    auto with_labels = [&](const Prediction& prediction, const Layout& layout) {
      if (!labels) {
        Result<DayLabels> read = read_labels(labels_root_, deployment, day, known_by_ms, damages_);
        if (!read.ok()) failed = read.error();
        if (!read.ok()) return false;
        labels = std::move(*read);
      }
      std::vector<const Label*> of_rows(prediction.rows, nullptr);
      for (std::uint32_t row = 0; row < prediction.rows; ++row) {
        auto label = labels->find({prediction.id.uuid, row});
        if (label != labels->end()) of_rows[row] = &label->second;
      }
      return visit(prediction, layout, of_rows);
    };
    const bool go_on = TRY(scan_day(deployment, day, from_ms, to_ms, with_labels, end));
    TRY(failed);
    return go_on;
  }));
  return end;
}

Result<std::optional<EventSpan>> Predictions::event_span(const std::string& deployment,
                                                         const std::filesystem::path& file) const {
  std::optional<EventSpan> span;
  if (const std::optional<FileSummary> summary = TRY(summary_of(file))) {
    if (summary->requests > 0) span = EventSpan{summary->first_event_ms, summary->last_event_ms};
    return span;
  }
  ScanEnd end;
  TRY(read_file(
      file, deployment,
      [&](const Prediction& prediction, const Layout&) {
        const UnixMs at = prediction.event_time_ms;
        if (!span) span = EventSpan{at, at};
        span->first_ms = std::min(span->first_ms, at);
        span->last_ms = std::max(span->last_ms, at);
        return true;
      },
      end));
  return span;
}

Result<std::map<UnixMs, std::int64_t>> Predictions::count(const std::string& deployment,
                                                          const std::filesystem::path& file,
                                                          UnixMs from_ms, UnixMs to_ms,
                                                          UnixMs span_ms) const {
  std::map<UnixMs, std::int64_t> counts;
  if (TRY(lies_outside(file, from_ms, to_ms))) return counts;
  ScanEnd end;
  TRY(read_file(
      file, deployment,
      [&](const Prediction& prediction, const Layout&) {
        const UnixMs at = prediction.event_time_ms;
        if (at >= from_ms && at < to_ms && prediction.role != Role::kShadow)
          ++counts[from_ms + (at - from_ms) / span_ms * span_ms];
        return true;
      },
      end));
  return counts;
}

Result<int> Predictions::expire(const std::string& deployment, const std::string& day) const {
  int gone = 0;
  for (const auto& root : {root_, labels_root_}) {
    const auto folder = root / folder_of(deployment);
    for (const std::string& old : days_in(folder)) {
      if (old >= day) break;
      std::error_code error;
      std::filesystem::remove_all(folder / old, error);
      if (error) {
        return unavailable("cannot remove " + (folder / old).string() + ": " + error.message());
      }
      if (root == root_) ++gone;
    }
  }
  return gone;
}

}  // namespace slipway::serving
