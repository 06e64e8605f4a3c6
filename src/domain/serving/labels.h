#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "domain/serving/prediction_id.h"
#include "io/blob/damages.h"
#include "io/blob/journal.h"

// What turned out to be true, joined to predictions by their ids. Labels lie in parts by the time
// in the prediction's id, as predictions do, so that neither side needs an index.
namespace slipway::serving {

/// May come late, in any order, and more than once: the one received last counts.
struct Label {
  PredictionId id;  // of a row
  double value = 0;
  UnixMs event_time_ms = 0;  // when it became true; received_ms unless told
  UnixMs received_ms = 0;
  std::string source;  // who says so; at most 256 bytes are kept
};

/// The payload of a frame (docs/formats/predictions.md), and back; nothing when it is none.
std::string label_frame(const Label& label);
std::optional<Label> read_label(std::string_view payload, const std::string& deployment);

/// The write side. Any thread; waits for the disk.
class LabelLog {
 public:
  /// `disk` must outlive it.
  LabelLog(blob::Disk& disk, std::filesystem::path root) : disk_(disk), root_(std::move(root)) {}

  /// Durable on return: all of them, or an error and perhaps some, so that a caller who sends them
  /// again loses nothing.
  Result<> add(std::span<const Label> labels);

 private:
  struct Part {
    std::string deployment, day;
    blob::Journal journal;
  };
  Result<Part*> part_of(const std::string& deployment, const std::string& day);
  Result<> write(const std::string& deployment, const std::string& day, std::span<char> frames);

  blob::Disk& disk_;
  const std::filesystem::path root_;
  std::mutex mutex_;
  std::deque<Part> parts_;  // open ones, the least recently used first
};

/// The labels of a deployment's predictions of one day, the one received last for each row, of
/// those received by `known_by_ms`. A day without labels is empty; what damage has taken is told.
inline constexpr UnixMs kEver = std::numeric_limits<UnixMs>::max();
using RowKey = std::pair<std::array<std::byte, 16>, std::uint32_t>;
using DayLabels = std::map<RowKey, Label>;
Result<DayLabels> read_labels(const std::filesystem::path& root, const std::string& deployment,
                              const std::string& day, UnixMs known_by_ms = kEver,
                              blob::Damages* damages = nullptr);

/// Of one prediction's rows, whatever else was labelled that day: reads all of it, keeps these.
Result<std::map<std::uint32_t, Label>> labels_of(const std::filesystem::path& root,
                                                 const PredictionId& id,
                                                 blob::Damages* damages = nullptr);

}  // namespace slipway::serving
