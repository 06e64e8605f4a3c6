#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/serving/prediction_record.h"
#include "io/blob/damages.h"

// The newest answers of a deployment, from the files of the prediction log. Any thread; waits for
// the disk.
namespace slipway::serving {

struct RecentQuery {
  std::string version;       // "": any
  std::optional<Role> role;  // nothing: any
  enum class Outcome { kAny, kAnswered, kRefused, kFailed } outcome = Outcome::kAny;
  std::size_t limit = 50;
  std::uint64_t bytes_max = 512u << 20;  // of files that are looked through, but for the first
};

/// One request in a list: without its cells.
struct RecentAnswer {
  PredictionId id;
  UnixMs event_time_ms = 0;
  Role role = Role::kLive;
  std::uint16_t status = 200;
  std::uint32_t latency_us = 0, rows = 0;
  std::string client_id, error, model, version;
  std::vector<std::pair<std::string, float>> outputs;  // of its first row
};

struct Recent {
  std::vector<RecentAnswer> answers;  // the newest first, by the time at which they were given
  bool complete = true;               // false: older files were not looked through
};

/// Reads whole files below `root`, the latest first, until there are enough. Memory: what is
/// returned. `damages`, if any, is told what is lost.
Result<Recent> recent_answers(const std::filesystem::path& root, const std::string& deployment,
                              const RecentQuery& query, blob::Damages* damages = nullptr);

}  // namespace slipway::serving
