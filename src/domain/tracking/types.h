#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

// The nouns of tracking, as plain values.
namespace slipway::tracking {

struct Tag {
  std::string key, value;
  bool operator==(const Tag&) const = default;
};
struct Param {
  std::string key, value;
  bool operator==(const Param&) const = default;
};
/// One point of a series.
struct Metric {
  std::string key;
  double value = 0;  // may be NaN; infinities are kept as the largest finite number
  UnixMs timestamp_ms = 0;
  std::int64_t step = 0;
};

/// The latest point of a series, and what is kept of all of it.
struct SeriesHead : Metric {
  std::int64_t points = 0;
  std::optional<double> min, max;  // nothing but NaN has none
  std::int64_t first_step = 0, last_step = 0;
};

/// How much of a SeriesHead is wanted: a page of runs has thousands of them.
enum class OfSeries { kAll, kLatest };  // kLatest: the rest is left as it is made

struct Experiment {
  std::int64_t id = 0;
  std::string name;
  std::string artifact_location;
  bool deleted = false;
  UnixMs created_ms = 0;
  UnixMs updated_ms = 0;
  std::vector<Tag> tags;  // by key
};

enum class RunStatus { kRunning, kScheduled, kFinished, kFailed, kKilled };
/// "RUNNING", ...; as stored.
const char* to_string(RunStatus status);
std::optional<RunStatus> to_run_status(std::string_view text);
bool has_ended(RunStatus status);

struct RunInfo {
  std::string id;  // 32 hex digits
  std::int64_t experiment_id = 0;
  std::string name;
  std::string user_id;
  RunStatus status = RunStatus::kRunning;
  UnixMs start_ms = 0;
  std::optional<UnixMs> end_ms;
  std::string artifact_uri;
  bool deleted = false;
};

struct Dataset {
  std::string name, digest, source_type, source, schema, profile;
};
/// A dataset that a run used, with what the run said about its use.
struct DatasetInput {
  Dataset dataset;
  std::vector<Tag> tags;
};
/// A logged model that a run used or made.
struct ModelLink {
  std::string model_id;
  std::int64_t step = 0;
};

struct Run {
  RunInfo info;
  std::vector<SeriesHead> metrics;  // by key
  std::vector<Param> params;    // by key
  std::vector<Tag> tags;        // by key
  std::vector<DatasetInput> datasets;
  std::vector<ModelLink> models_used;
  std::vector<ModelLink> models_made;
};

/// Who asks, for events and for the tie between a run and the attempt that made it.
struct Actor {
  std::string name;     // "" for an anonymous caller
  std::string attempt;  // "" for none
};

}  // namespace slipway::tracking
