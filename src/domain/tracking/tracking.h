#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/result.h"
#include "domain/tracking/points.h"
#include "domain/tracking/search.h"
#include "domain/tracking/types.h"
#include "io/db/db.h"
#include "io/wire/json.h"

// Experiments, runs, metrics, params, tags, datasets.
//
// Reads run on the caller's thread on a snapshot and may wait for the disk. Writes return at once;
// `done` is called on the writer thread after the commit, and must not block. What one write
// carries is durable together or not at all, facts for the graph and events included.
//
// Errors: kMissing for unknown runs and experiments; kConflict with the tag "inactive" for writes
// to what is deleted, "already_exists" for a name in use, "changed" for a param that has another
// value, "state" for a change that its state forbids; kBusy when too many writes wait.
namespace slipway::tracking {

std::vector<db::Migration> migrations();

/// The tag with which a run claims to be made by an attempt. Proof is the token of a living one.
inline constexpr char kAttemptTag[] = "slipway.attempt";
/// The tag in which clients tell the commit that their script is at.
inline constexpr char kCommitTag[] = "mlflow.source.git.commit";

/// In a transaction of whoever knows that nobody is left to end it: gives a run that still runs a
/// last status, with an event. Nothing to do for one that is over, deleted or unknown.
Result<> end_left_run(db::Tx& tx, const std::string& run_id, RunStatus status, UnixMs end_ms,
                      UnixMs now_ms);

struct NewExperiment {
  std::string name;
  std::string artifact_location;  // empty: ROOT/ID
  std::vector<Tag> tags;
};

struct NewRun {
  std::int64_t experiment_id = 0;
  std::string name;  // empty: a random one
  std::string user_id;
  UnixMs start_ms = 0;
  std::vector<Tag> tags;
  std::string name_tag;  // a tag that is to hold the name too, never another; empty for none
};

struct RunChange {
  std::optional<RunStatus> status;
  std::optional<UnixMs> end_ms;
  std::optional<std::string> name;
  std::vector<Tag> tags;  // set with it
};

/// What a run logs at once, in this order.
struct Batch {
  std::vector<Param> params;
  std::vector<Metric> metrics;
  std::vector<Tag> tags;
  std::optional<std::string> name;  // the run is renamed too
  /// More that is written in the same transaction, for other modules; it may run again.
  std::function<Result<>(db::Tx&)> with;
};

/// What a run used.
struct Inputs {
  std::vector<DatasetInput> datasets;
  std::vector<ModelLink> models;
};

/// Points of one series by time, step, value; exact duplicates are one point.
struct HistoryPage {
  std::vector<Point> points;
  bool more = false;  // points after the last one
};

struct StepRange {
  std::int64_t first = 0, last = 0;
};

/// A dataset that some runs of an experiment used, and what they said in one tag of the use.
struct DatasetUse {
  std::int64_t experiment_id = 0;
  std::string name, digest;
  std::optional<std::string> tag;
  bool operator==(const DatasetUse&) const = default;
};

/// `more`: rows after the last one.
struct RunPage {
  std::vector<Run> runs;  // without models_used
  bool more = false;
};
struct ExperimentPage {
  std::vector<Experiment> experiments;
  bool more = false;
};

/// Where an experiment keeps artifacts that was told a place.
struct OwnPlace {
  std::int64_t experiment = 0;
  std::string location;
};
BOOST_DESCRIBE_STRUCT(OwnPlace, (), (experiment, location))

struct TrackingOptions {
  /// In the transaction that makes an experiment, and after its commit, before the Done: for
  /// whoever keeps account of who made it. Neither may block.
  std::function<Result<>(db::Tx&, const Actor&, std::int64_t id, UnixMs now_ms)> making = {};
  std::function<void(const Actor&, std::int64_t id)> made = {};
  /// Where artifacts of experiments lie that name no place of their own; a URI, perhaps with a
  /// query.
  std::string artifact_root = "artifacts:";
  /// In a new catalogue the default experiment is made; false for who only looks.
  bool makes_default = true;
};

/// `location` with `path` added to its path, before a query.
std::string append_to_location(std::string_view location, std::string_view path);
/// "amber-heron-417", from random bits.
std::string random_run_name(std::uint64_t bits);

class LogQueue;
class RunImages;
struct BestQuery;
struct Best;

/// Any thread. `pool` and `clock` must outlive it and everything it was asked to write.
/// What was found when a run was the best of several.
struct Comparison {
  UnixMs time_ms = 0;
  std::string actor;
  wire::Json data;
};

class Tracking {
 public:
  /// Makes the experiment 0, "Default", if it is not there.
  static Result<std::unique_ptr<Tracking>> open(db::Pool& pool, const Clock& clock,
                                                TrackingOptions options = {});
  ~Tracking();

  // Deleted ones are found too.
  Result<Experiment> experiment(std::int64_t id);
  Result<std::optional<Experiment>> experiment_named(const std::string& name);
  Result<ExperimentPage> search(const ExperimentQuery& query);
  /// Those whose artifacts do not lie below the root of all, with where they lie.
  Result<std::vector<OwnPlace>> own_places();
  Result<Run> run(const std::string& run_id);
  Result<RunInfo> run_info(const std::string& run_id);
  Result<RunPage> search(const RunQuery& query);
  /// The best run by a metric, with what repeats of it and of others show (best.h). kInvalid.
  Result<Best> best(const BestQuery& query);
  /// The first `limit` points after `after`; an empty page for an unknown run or key.
  Result<HistoryPage> history(const std::string& run_id, const std::string& key,
                              const std::optional<Point>& after, std::size_t limit);

  /// At most `count` points of a series, by step, evenly taken from all of them; the last is among
  /// them. For charts: a series of millions of points is thinned out before.
  Result<std::vector<Point>> sample(const std::string& run_id, const std::string& key,
                                    const std::optional<StepRange>& steps, std::size_t count);
  /// Which datasets the runs of these experiments used, each with every value of the tag `key` of
  /// its uses; by experiment, name and digest.
  Result<std::vector<DatasetUse>> dataset_uses(const std::vector<std::int64_t>& experiments,
                                               const std::string& key, std::size_t limit);

  void create_experiment(NewExperiment experiment, Actor actor, Done<Experiment> done);
  void rename_experiment(std::int64_t id, std::string name, Actor actor, Done<> done);
  /// With all its runs. kMissing when it is deleted already.
  void delete_experiment(std::int64_t id, Actor actor, Done<> done);
  /// With all its runs, also those deleted before it. kMissing when it is not deleted.
  void restore_experiment(std::int64_t id, Actor actor, Done<> done);
  void set_experiment_tag(std::int64_t id, Tag tag, Done<> done);
  void delete_experiment_tag(std::int64_t id, std::string key, Done<> done);

  void create_run(NewRun run, Actor actor, Done<Run> done);
  void change_run(std::string run_id, RunChange change, Actor actor, Done<RunInfo> done);
  void delete_run(std::string run_id, Actor actor, Done<> done);
  void restore_run(std::string run_id, Actor actor, Done<> done);
  /// All of them in one transaction; how many were not so before. One that is gone is left out.
  /// Waits.
  Result<std::int64_t> set_runs_deleted(const std::vector<std::string>& run_ids, bool deleted,
                                        const Actor& actor);

  /// Keeps in the log that this run was found the best of several: the event `run.compared`, whose
  /// number comes back. `data` tells of what and how. kMissing. Waits.
  Result<std::int64_t> note_comparison(const std::string& run_id, wire::Json data,
                                       const Actor& actor);
  /// Of the newest ones of this run, oldest first.
  Result<std::vector<Comparison>> comparisons(const std::string& run_id);

  /// As a batch of one param, with a message about it alone.
  void log_param(std::string run_id, Param param, Done<> done);
  void log(std::string run_id, Batch batch, Done<> done);
  void delete_tag(std::string run_id, std::string key, Done<> done);
  /// Adds an item to the JSON list in a tag; kConflict when it holds something else.
  void append_to_tag(std::string run_id, std::string key, wire::Json item, Done<> done);
  void log_inputs(std::string run_id, Inputs inputs, Done<> done);
  void log_outputs(std::string run_id, std::vector<ModelLink> models, Done<> done);

 private:
  class Compactor;
  Tracking(db::Pool& pool, const Clock& clock, TrackingOptions options);

  db::Pool& pool_;
  const Clock& clock_;
  TrackingOptions options_;
  std::shared_ptr<Compactor> compactor_;
  std::unique_ptr<RunImages> images_;
  std::shared_ptr<LogQueue> log_queue_;  // where trips to the database count, else null
};

}  // namespace slipway::tracking
