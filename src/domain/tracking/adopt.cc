#include "domain/tracking/adopt.h"

#include "domain/tracking/moves.h"
#include "domain/tracking/store.h"
#include "graph/kinds.h"

namespace slipway::tracking {
namespace {

constexpr std::int64_t kDefaultId = 0;

Result<> put_experiment_tags(db::Tx& tx, const Experiment& experiment) {
  for (const Tag& tag : experiment.tags) {
    TRY(
        tx.run("insert into experiment_tags (experiment, key, value) values (?, ?, ?) "
               "on conflict (experiment, key) do update set value = excluded.value",
               experiment.id, tag.key, tag.value));
  }
  return {};
}

/// Nobody has changed it, nobody has worked in it.
Result<bool> is_untouched(db::Tx& tx, const Experiment& experiment) {
  if (experiment.deleted || experiment.updated_ms != experiment.created_ms) return false;
  if (!experiment.tags.empty()) return false;
  return !TRY(tx.one<std::int64_t>("select id from runs where experiment = ? limit 1",
                                   experiment.id))
              .has_value();
}

Result<> tell_imported(db::Tx& tx, const Experiment& experiment, const Actor& actor,
                       UnixMs now_ms) {
  wire::Json data{wire::Json::Object{}};
  data.set("name", experiment.name);
  return tell(tx, graph::kind::kExperiment, std::to_string(experiment.id), "experiment.imported",
              actor, std::move(data), now_ms);
}

Result<Adoption> adopt_default(db::Tx& tx, const Experiment& here, const Experiment& experiment,
                               const Actor& actor, UnixMs now_ms) {
  auto named = TRY(read_experiment_named(tx, experiment.name));
  const bool takes_over = TRY(is_untouched(tx, here)) && (!named || named->id == kDefaultId);
  if (!takes_over) return here.deleted ? Adoption::kIdTaken : Adoption::kJoined;
  TRY(
      tx.run("update experiments set name = ?, artifact_location = ?, deleted = ?, created_ms = ?, "
             "updated_ms = ? where id = ?",
             experiment.name, experiment.artifact_location, experiment.deleted,
             experiment.created_ms, experiment.updated_ms, experiment.id));
  TRY(put_experiment_tags(tx, experiment));
  TRY(tell_imported(tx, experiment, actor, now_ms));
  return Adoption::kMade;
}

Result<> put_models_and_data(db::Tx& tx, const Run& run, UnixMs now_ms) {
  TRY(write_inputs(tx, run.info.id, {run.datasets, run.models_used}, now_ms));
  return write_outputs(tx, run.info.id, run.models_made, now_ms);
}

}  // namespace

Result<Adoption> adopt_experiment(db::Tx& tx, const Experiment& experiment, const Actor& actor,
                                  UnixMs now_ms) {
  Result<Experiment> here = read_experiment(tx, experiment.id);
  if (!here.ok() && here.error().code != Code::kMissing) return here.error();
  if (here.ok() && experiment.id == kDefaultId)
    return adopt_default(tx, *here, experiment, actor, now_ms);
  if (here.ok()) return Adoption::kIdTaken;
  if (TRY(read_experiment_named(tx, experiment.name))) return Adoption::kNameTaken;
  TRY(
      tx.run("insert into experiments (id, name, artifact_location, deleted, created_ms, "
             "updated_ms) values (?, ?, ?, ?, ?, ?)",
             experiment.id, experiment.name, experiment.artifact_location, experiment.deleted,
             experiment.created_ms, experiment.updated_ms));
  TRY(put_experiment_tags(tx, experiment));
  TRY(tell_imported(tx, experiment, actor, now_ms));
  return Adoption::kMade;
}

Result<Adoption> adopt_run(db::Tx& tx, const AdoptedRun& adopted, UnixMs now_ms) {
  const Run& run = adopted.run;
  const RunInfo& info = run.info;
  const Experiment experiment = TRY(read_experiment(tx, info.experiment_id));
  // Alive until all is said of it: nothing can be said of a deleted run.
  std::optional<std::int64_t> key = TRY(tx.one<std::int64_t>(
      "insert into runs (run_id, experiment, name, user_id, status, start_ms, end_ms, "
      "artifact_uri, deleted) values (?, ?, ?, ?, ?, ?, ?, ?, 0) "
      "on conflict (run_id) do nothing returning id",
      info.id, info.experiment_id, info.name, info.user_id, to_string(info.status), info.start_ms,
      info.end_ms, info.artifact_uri));
  if (!key) return Adoption::kIdTaken;
  TRY(put_run_facts(tx, info, experiment.name, {}, now_ms));
  for (const Param& param : run.params) {
    TRY(
        tx.run("insert into run_params (run, key, value) values (?, ?, ?) "
               "on conflict (run, key) do nothing",
               *key, param.key, param.value));
  }
  TRY(write_tags(tx, *key, info.id, run.tags, now_ms));
  TRY(put_models_and_data(tx, run, now_ms));
  if (info.deleted) {
    TRY(tx.run("update runs set deleted = 1, deleted_ms = ? where id = ?", adopted.deleted_ms,
               *key));
  }
  TRY(note_run(tx, *key));
  return Adoption::kMade;
}

Result<> adopt_points(db::Tx& tx, const std::string& run_id, std::span<const Addition> additions) {
  const RunKey run = TRY(find_run(tx, run_id));
  const Logged logged = TRY(put_metrics(tx, run.key, additions));
  TRY(put_heads(tx, logged.heads));
  return note_run(tx, run.key);
}

Result<> forget_end(db::Tx& tx, const std::string& run_id) {
  const RunKey run = TRY(find_live_run(tx, run_id));
  TRY(tx.run("update runs set end_ms = null where id = ?", run.key));
  return note_run(tx, run.key);
}

Result<> settle_points(db::Tx& tx, const std::string& run_id) {
  const RunKey run = TRY(find_run(tx, run_id));
  MovePoints known;
  while (TRY(compact_run(tx, run.key, known))) {
  }
  return {};
}

Result<> move_files(db::Tx& tx, const std::string& run_id, const std::string& artifact_uri) {
  const RunKey run = TRY(find_run(tx, run_id));
  TRY(tx.run("update runs set artifact_uri = ? where id = ?", artifact_uri, run.key));
  return note_run(tx, run.key);
}

Result<> move_experiment_files(db::Tx& tx, std::int64_t id, const std::string& location) {
  TRY(tx.run("update experiments set artifact_location = ? where id = ?", location, id));
  return {};
}

Result<> count_adopted(db::Tx& tx) {
  // SQLite's own counter has seen every number.
  static constexpr const char* kNext[] = {
      "select 1",
      "select setval(pg_get_serial_sequence('experiments', 'id'), "
      "(select greatest(max(id), 0) + 1 from experiments), false)"};
  TRY(tx.one<std::int64_t>(kNext[tx.engine() == db::Engine::kPostgres ? 1 : 0]));
  return {};
}

}  // namespace slipway::tracking
