#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/imports/follow.h"
#include "domain/registry/types.h"
#include "domain/tracking/types.h"
#include "io/wire/codec.h"

// What `slipway sync` and a server say to each other (docs/reference/sync.md): POST
// /api/slipway/v1/sync/runs, points, logged-models and files. Repeated as it was, each of these
// calls does nothing.
namespace slipway::app {

struct SyncPair {
  std::string key, value;
};
WIRE(SyncPair, key, value)
struct SyncDataset {
  std::string name, digest, source_type, source, schema, profile;
  std::vector<SyncPair> tags;
};
WIRE(SyncDataset, name, digest, source_type, source, schema, profile, tags)
struct SyncLink {
  std::string model_id;
  std::int64_t step = 0;
};
WIRE(SyncLink, model_id, step)

/// All of a run but its points and files.
struct SyncRun {
  std::string origin;  // for people: "host:/path/mlflow.db"
  std::string run_id, experiment_id, name, user_id, status;
  std::int64_t start_ms = 0;
  std::optional<std::int64_t> end_ms;
  std::vector<SyncPair> params, tags;
  std::vector<SyncDataset> datasets;
  std::vector<SyncLink> models_used, models_made;
};
WIRE(SyncRun, origin, run_id, experiment_id, name, user_id, status, start_ms, end_ms, params, tags,
     datasets, models_used, models_made)

struct SyncTrail {
  std::string key;
  std::int64_t points = 0;
  std::string digest;
};
WIRE(SyncTrail, key, points, digest)

// What became of a run or logged model.
inline constexpr char kSyncMade[] = "made";
inline constexpr char kSyncWentOn[] = "went_on";
inline constexpr char kSyncSame[] = "same";
inline constexpr char kSyncTaken[] = "taken";      // one that nobody brought has its id
inline constexpr char kSyncElsewhere[] = "elsewhere";  // it was brought into another experiment
inline constexpr char kSyncDeleted[] = "deleted";  // here; nothing was changed
inline constexpr char kSyncRemoved[] = "removed";  // for good, likewise

struct SyncAnswer {
  std::string what;
  std::string why;                   // of taken, elsewhere, deleted and removed
  std::string location;              // of its files
  std::vector<imports::Kept> kept;   // what has another value here, which stays
  std::vector<SyncTrail> series;     // of a run: how far each was brought
};
WIRE(SyncAnswer, what, why, location, kept, series)

/// Points of one series: from where it is to where it will be.
struct SyncSeries {
  std::string key;
  imports::Trail was() const { return {was_points, was_digest}; }
  imports::Trail now() const { return {now_points, now_digest}; }
  std::int64_t was_points = 0;
  std::string was_digest;
  std::int64_t now_points = 0;
  std::string now_digest;
  std::vector<double> values;
  std::vector<std::int64_t> times, steps;
};
WIRE(SyncSeries, key, was_points, was_digest, now_points, now_digest, values, times, steps)
struct SyncPoints {
  std::string run_id;
  std::vector<SyncSeries> series;
  bool settle = false;  // the last of many
};
WIRE(SyncPoints, run_id, series, settle)
struct SyncPointsAnswer {
  std::int64_t points = 0;  // taken by this call
};
WIRE(SyncPointsAnswer, points)

struct SyncModelMetric {
  std::string run_id, key;
  double value = 0;
  std::int64_t timestamp_ms = 0, step = 0;
  std::string dataset_name, dataset_digest;
};
WIRE(SyncModelMetric, run_id, key, value, timestamp_ms, step, dataset_name, dataset_digest)
struct SyncLoggedModel {
  std::string origin, model_id, experiment_id, name, type, status, run_id;
  std::int64_t created_ms = 0, updated_ms = 0;
  std::vector<SyncPair> params, tags;
  std::vector<SyncModelMetric> metrics;
};
WIRE(SyncLoggedModel, origin, model_id, experiment_id, name, type, status, run_id, created_ms,
     updated_ms, params, tags, metrics)

struct SyncFile {
  std::string path;
  std::string digest;  // SHA-256, hex
};
WIRE(SyncFile, path, digest)
/// Of a run, or of a logged model.
struct SyncFiles {
  std::string run_id, model_id;
  std::vector<SyncFile> files;
};
WIRE(SyncFiles, run_id, model_id, files)
inline constexpr char kSyncHave[] = "have";  // it is here
inline constexpr char kSyncSend[] = "send";  // to be uploaded, as any artifact
inline constexpr char kSyncKept[] = "kept";  // somebody else wrote another one here, which stays
struct SyncFilesAnswer {
  std::vector<std::string> what;  // in the order of the files
};
WIRE(SyncFilesAnswer, what)

inline constexpr std::size_t kSyncPointsMax = 100'000;  // in one call
inline constexpr std::size_t kSyncFilesMax = 200;       // in one call

}  // namespace slipway::app
