#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_record.h"
#include "io/blob/damages.h"

// The read side of the prediction log: files only, so it works without a server and beside one that
// writes. Any thread; waits for the disk.
namespace slipway::serving {

/// A prediction as found, with what its cells mean.
struct Answer {
  Prediction prediction;
  Layout layout;
};

struct ScanEnd {
  std::uint64_t requests = 0, rows = 0;  // visited
  std::uint64_t files = 0;
  std::uint64_t torn_files = 0;  // that end in the middle of something: after a crash
  std::uint64_t damaged_files = 0;
  /// That damaged files had and cannot be read, in the span or not; as far as anybody can tell.
  std::uint64_t lost_requests = 0;
};

/// From the first to the last.
struct EventSpan {
  UnixMs first_ms = 0, last_ms = 0;
};

class Predictions {
 public:
  /// The root of the log, and that of the labels; neither need be there. What is lost of either is
  /// told to `damages`, which must outlive it, or only warned of.
  Predictions(std::filesystem::path root, std::filesystem::path labels_root,
              blob::Damages* damages = nullptr);

  /// Every version that answered this request: the one whose answer was given first, then shadows.
  /// Reads the files of one day. Empty when there is none.
  Result<std::vector<Answer>> find(const PredictionId& id) const;

  /// Requests whose event time lies in [from_ms, to_ms), file by file; the order inside a file is
  /// that of logging. `visit` ends the scan by returning false.
  using Visit = std::function<bool(const Prediction&, const Layout&)>;
  Result<ScanEnd> scan(const std::string& deployment, UnixMs from_ms, UnixMs to_ms,
                       const Visit& visit) const;

  /// The same, with the label of each row that has one, as known by then: `labels` has an entry per
  /// row, null without. Memory: the labels of one day.
  using VisitLabelled = std::function<bool(const Prediction&, const Layout&,
                                           const std::vector<const Label*>& labels)>;
  Result<ScanEnd> scan_labelled(const std::string& deployment, UnixMs from_ms, UnixMs to_ms,
                                const VisitLabelled& visit, UnixMs known_by_ms = kEver) const;

  /// The event times of one file's requests; nothing when it has none. Reads all of a journal,
  /// which does not say.
  Result<std::optional<EventSpan>> event_span(const std::string& deployment,
                                              const std::filesystem::path& file) const;

  /// How many requests one file has of each span of time that begins `span_ms` after the one before
  /// it, from `from_ms` up to `to_ms`, by their beginnings. Shadow answers are none.
  Result<std::map<UnixMs, std::int64_t>> count(const std::string& deployment,
                                               const std::filesystem::path& file, UnixMs from_ms,
                                               UnixMs to_ms, UnixMs span_ms) const;

  /// Removes the predictions and labels of whole days before `day` ("2011-05-01"). Returns how many
  /// days went.
  Result<int> expire(const std::string& deployment, const std::string& day) const;

 private:
  Result<bool> read_file(const std::filesystem::path& file, const std::string& deployment,
                         const Visit& visit, ScanEnd& end) const;
  using VisitDay = std::function<Result<bool>(const std::string& day)>;
  Result<> each_day(const std::string& deployment, const VisitDay& visit) const;
  Result<bool> scan_day(const std::string& deployment, const std::string& day, UnixMs from_ms,
                        UnixMs to_ms, const Visit& visit, ScanEnd& end) const;

  std::filesystem::path root_, labels_root_;
  blob::Damages* damages_;
};

}  // namespace slipway::serving
