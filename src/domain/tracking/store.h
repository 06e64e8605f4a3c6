#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "domain/tracking/series.h"
#include "domain/tracking/tracking.h"
#include "io/wire/json.h"

// What Tracking does inside a transaction. Writes run on the writer thread and may run again.
namespace slipway::tracking {

/// A run as those who write below it need it.
struct RunKey {
  std::int64_t key = 0;  // runs.id
  std::int64_t experiment = 0;
  bool deleted = false;
};
/// kMissing when there is none.
Result<RunKey> find_run(db::Tx& tx, const std::string& run_id);
/// The same; kConflict when it is deleted.
Result<RunKey> find_live_run(db::Tx& tx, const std::string& run_id);
/// "x, x, x" of ", x": for lists of placeholders.
inline std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}
/// What find_live_run() says where this was found; nothing: no run.
Result<RunKey> live_run(const std::string& run_id, const std::optional<RunKey>& found);

// experiments.cc
Result<Experiment> read_experiment(db::Tx& tx, std::int64_t id);
Result<std::optional<Experiment>> read_experiment_named(db::Tx& tx, const std::string& name);
Result<std::vector<Experiment>> read_experiments(db::Tx& tx, std::span<const std::int64_t> ids);
Result<> make_default_experiment(db::Tx& tx, const std::string& artifact_root, UnixMs now_ms);
Result<Experiment> create_experiment(db::Tx& tx, const NewExperiment& experiment,
                                     const std::string& artifact_root, const Actor& actor,
                                     UnixMs now_ms);
Result<> rename_experiment(db::Tx& tx, std::int64_t id, const std::string& name, const Actor& actor,
                           UnixMs now_ms);
Result<> set_experiment_deleted(db::Tx& tx, std::int64_t id, bool deleted, const Actor& actor,
                                UnixMs now_ms);
Result<> set_experiment_tag(db::Tx& tx, std::int64_t id, const Tag& tag);
Result<> delete_experiment_tag(db::Tx& tx, std::int64_t id, const std::string& key);

// runs.cc
Result<RunInfo> read_run_info(db::Tx& tx, const std::string& run_id);
Result<Run> read_run(db::Tx& tx, const std::string& run_id);
/// In the order of `keys`, without models_used.
Result<std::vector<Run>> read_runs(db::Tx& tx, std::span<const std::int64_t> keys,
                                   OfSeries of_series = OfSeries::kAll);
/// `run` with its id and name.
Result<Run> create_run(db::Tx& tx, const NewRun& run, const std::string& run_id, const Actor& actor,
                       UnixMs now_ms);
Result<RunInfo> change_run(db::Tx& tx, const std::string& run_id, const RunChange& change,
                           const Actor& actor, UnixMs now_ms);
/// Whether it was not so before.
Result<bool> set_run_deleted(db::Tx& tx, const std::string& run_id, bool deleted,
                             const Actor& actor, UnixMs now_ms);

// log.cc
Result<> write_param(db::Tx& tx, const std::string& run_id, const Param& param);
/// Of a chunk that has no row of metric_heads yet.
struct NewHeads {
  std::int64_t series = 0, number = 0;
  Chunk chunk;  // without its data
};
/// How many points were left for compact_run(), of which run, and which heads for put_heads().
struct Logged {
  std::int64_t run = 0;
  std::size_t points = 0;
  std::vector<NewHeads> heads;
};
/// Points of a run that is there.
Result<Logged> put_metrics(db::Tx& tx, std::int64_t run, std::span<const Addition> additions);
/// What one request logs: points for a batch, nothing else.
struct PointsLog {
  std::string run_id;
  std::vector<Addition> additions;
};
/// Several of them, as if one after the other by write_batch(); each has its own outcome. An error
/// is one of the database, and nothing was written.
Result<std::vector<Result<Logged>>> write_points(db::Tx& tx,
                                                 const std::vector<const PointsLog*>& logs);
/// `batch` without its metrics, which are the additions.
Result<Logged> write_batch(db::Tx& tx, const std::string& run_id, const Batch& batch,
                           std::span<const Addition> additions, UnixMs now_ms);
Result<> write_tags(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    std::span<const Tag> tags, UnixMs now_ms);
Result<> rename_run(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    const std::string& name, UnixMs now_ms);
Result<> delete_tag(db::Tx& tx, const std::string& run_id, const std::string& key);
Result<> append_to_tag(db::Tx& tx, const std::string& run_id, const std::string& key,
                       const wire::Json& item);

// inputs.cc
Result<> write_inputs(db::Tx& tx, const std::string& run_id, const Inputs& inputs, UnixMs now_ms);
Result<> write_outputs(db::Tx& tx, const std::string& run_id, std::span<const ModelLink> models,
                       UnixMs now_ms);
Result<std::vector<ModelLink>> read_models(db::Tx& tx, std::int64_t run, bool made);
Result<std::vector<DatasetUse>> read_dataset_uses(db::Tx& tx,
                                                  std::span<const std::int64_t> experiments,
                                                  const std::string& tag_key, std::size_t limit);
Result<> add_inputs(db::Tx& tx, const std::string& key_list,
                    const std::unordered_map<std::int64_t, Run*>& runs);

// history.cc
Result<HistoryPage> read_history(db::Tx& tx, const std::string& run_id, const std::string& key,
                                 const std::optional<Point>& after, std::size_t limit);
struct Sample {
  std::vector<Point> points;
  std::vector<NewHeads> made;  // of chunks that had none
};
Result<Sample> read_sample(db::Tx& tx, const std::string& run_id, const std::string& key,
                           const std::optional<StepRange>& steps, std::size_t count);

// chunks.cc
/// Without their heads, which are added to `heads`: each would cost a commit as many pages as its
/// chunk. A chart makes heads that are missing from the points.
Result<> add_chunks(db::Tx& tx, std::int64_t series, std::span<const Chunk> chunks,
                    std::vector<NewHeads>& heads);
/// Those whose chunk is still as it was, and has none.
Result<> put_heads(db::Tx& tx, std::span<const NewHeads> heads);
/// Adds points to the newest chunk of each series while it has room, then to new ones, with heads.
Result<> append_to_chunks(db::Tx& tx, std::vector<SeriesPoints> of);

// facts.cc
/// Who an event is told of; the token of an attempt that is over names nobody.
Result<std::string> actor_name(db::Tx& tx, const Actor& actor);
Result<> tell(db::Tx& tx, const char* kind, const std::string& id, const std::string& type,
              const Actor& actor, wire::Json data, UnixMs now_ms);
/// The event `run.compared`; its number. kMissing without the run.
Result<std::int64_t> note_comparison(db::Tx& tx, const std::string& run_id, wire::Json data,
                                     const Actor& actor, UnixMs now_ms);
Result<std::vector<Comparison>> read_comparisons(db::Tx& tx, const std::string& run_id);
/// The node of a run and, when the caller proves to be a living attempt, the edge to it.
Result<> put_run_facts(db::Tx& tx, const RunInfo& run, const std::string& experiment,
                       const Actor& actor, UnixMs now_ms);
/// What a run's tags tell of its attempt and commit: claims, which never stand against a proof.
Result<> put_tag_facts(db::Tx& tx, const std::string& run_id, std::span<const Tag> tags,
                       UnixMs now_ms);

// changes.cc. Which runs changed, so that columns of them in memory are brought up to date: whoever
// changes a row of runs, run_params, run_tags or metric_series notes it in the same transaction; a
// new row of metric_batches is a note by itself.
Result<> note_run(db::Tx& tx, std::int64_t run);
/// Every run of it.
Result<> note_experiment(db::Tx& tx, std::int64_t experiment);
/// The notes of the last changes stay; a few at a time go.
Result<> forget_old_changes(db::Tx& tx);
inline constexpr std::int64_t kChangesKept = 100'000;
inline constexpr std::int64_t kChangesForgottenEvery = 5'000;
/// Up to where changes are known.
struct ChangePlace {
  std::int64_t seq = 0, batch = 0;
  bool operator==(const ChangePlace&) const = default;
};
Result<ChangePlace> read_change_place(db::Tx& tx);
struct Changes {
  std::set<std::int64_t> runs, experiments;
  std::size_t read = 0;
};
/// Nothing when they are more than `max`, or forgotten in part.
Result<std::optional<Changes>> read_changes(db::Tx& tx, const ChangePlace& from, std::size_t max);

/// "1,2,3" for `in (...)`: whole numbers need no quoting.
std::string to_list(std::span<const std::int64_t> keys);

}  // namespace slipway::tracking
