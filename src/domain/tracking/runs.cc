#include <boost/describe.hpp>

#include "domain/tracking/store.h"
#include "domain/tracking/trash.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

struct StatusName {
  RunStatus status;
  const char* name;
  const char* event;  // of a change to it
};
constexpr StatusName kStatusNames[] = {  // in the order of RunStatus
    {RunStatus::kRunning, "RUNNING", "run.resumed"},
    {RunStatus::kScheduled, "SCHEDULED", "run.scheduled"},
    {RunStatus::kFinished, "FINISHED", "run.finished"},
    {RunStatus::kFailed, "FAILED", "run.failed"},
    {RunStatus::kKilled, "KILLED", "run.killed"},
};

struct RunRow {
  std::int64_t key = 0;
  std::string run_id;
  std::int64_t experiment = 0;
  std::string name, user_id, status;
  UnixMs start_ms = 0;
  std::optional<UnixMs> end_ms;
  std::string artifact_uri;
  bool deleted = false;
};
BOOST_DESCRIBE_STRUCT(RunRow, (),
                      (key, run_id, experiment, name, user_id, status, start_ms, end_ms,
                       artifact_uri, deleted))
#define RUN_COLUMNS \
  "id, run_id, experiment, name, user_id, status, start_ms, end_ms, artifact_uri, deleted"

struct KeyRow {
  std::int64_t key = 0, experiment = 0;
  bool deleted = false;
};
BOOST_DESCRIBE_STRUCT(KeyRow, (), (key, experiment, deleted))

RunInfo to_info(RunRow row) {
  RunInfo info;
  info.id = std::move(row.run_id);
  info.experiment_id = row.experiment;
  info.name = std::move(row.name);
  info.user_id = std::move(row.user_id);
  info.status = to_run_status(row.status).value_or(RunStatus::kRunning);
  info.start_ms = row.start_ms;
  info.end_ms = row.end_ms;
  info.artifact_uri = std::move(row.artifact_uri);
  info.deleted = row.deleted;
  return info;
}

Error no_run(const std::string& run_id) {
  return missing("Run with id=" + run_id + " not found");
}

Result<RunRow> find_row(db::Tx& tx, const std::string& run_id) {
  std::optional<RunRow> row =
      TRY(tx.one<RunRow>("select " RUN_COLUMNS " from runs where run_id = ?", run_id));
  if (!row) return no_run(run_id);
  return std::move(*row);
}

using Keys = std::span<const std::int64_t>;

/// Runs of a page mostly have about as many of them as the run before.
template <class T>
class Adder {
 public:
  T& operator()(std::vector<T>& list) {
    if (list.empty()) list.reserve(last_ + kMore);
    T& one = list.emplace_back();
    last_ = list.size();
    return one;
  }

 private:
  static constexpr std::size_t kMore = 8;
  std::size_t last_ = 0;
};

/// Reads what lies below runs[i], whose key is keys[i], into its list. A page of searched runs is
/// some ten thousand of these rows, so they are read where they go, column by column.
template <class T, class Read>
Result<> each_row(db::Tx& tx, std::string_view sql, Keys keys, std::span<Run> runs,
                  std::vector<T> Run::*list, Read read) {
  std::vector<std::vector<db::Value>> lists;
  lists.reserve(keys.size());
  for (const std::int64_t key : keys) lists.push_back({db::Value(key)});
  Adder<T> add;
  return db::ask_each(tx, sql, lists,
                      [&](std::size_t i, const db::Columns& columns) -> Result<> {
                        read(add(runs[i].*list), columns);
                        return {};
                      });
}

constexpr char kLatest[] =
    "select key, value, is_nan, timestamp_ms, step from metric_series where run = ? order by key";
constexpr char kLatestAndAll[] =
    "select key, value, is_nan, timestamp_ms, step, points, min_value, max_value, first_step, "
    "last_step from metric_series where run = ? order by key";

void read_latest(SeriesHead& head, const db::Columns& columns) {
  head.key = columns.text(0);
  head.timestamp_ms = columns.int64(3);
  head.step = columns.int64(4);
  head.value = value_of({head.timestamp_ms, head.step, columns.real(1), columns.int64(2) != 0});
}

void read_latest_and_all(SeriesHead& head, const db::Columns& columns) {
  read_latest(head, columns);
  head.points = columns.int64(5);
  if (!columns.is_null(6)) head.min = columns.real(6);
  if (!columns.is_null(7)) head.max = columns.real(7);
  head.first_step = columns.int64(8);
  head.last_step = columns.int64(9);
}

/// What lies below the runs with these keys.
Result<> add_data(db::Tx& tx, Keys keys, std::span<Run> runs, OfSeries of_series) {
  const auto read_pair = [](auto& pair, const db::Columns& columns) {
    pair.key = columns.text(0);
    pair.value = columns.text(1);
  };
  if (of_series == OfSeries::kLatest)
    TRY(each_row(tx, kLatest, keys, runs, &Run::metrics, read_latest));
  else
    TRY(each_row(tx, kLatestAndAll, keys, runs, &Run::metrics, read_latest_and_all));
  TRY(each_row(tx, "select key, value from run_params where run = ? order by key", keys, runs,
               &Run::params, read_pair));
  TRY(each_row(tx, "select key, value from run_tags where run = ? order by key", keys, runs,
               &Run::tags, read_pair));
  std::unordered_map<std::int64_t, Run*> by_key;
  for (std::size_t i = 0; i < keys.size(); ++i) by_key[keys[i]] = &runs[i];
  return add_inputs(tx, to_list(keys), by_key);
}

Result<> add_rows(db::Tx& tx, Keys keys, std::vector<Run>& runs, OfSeries of_series) {
  const std::string list = to_list(keys);
  std::unordered_map<std::int64_t, RunInfo> infos;
  TRY(tx.query(
      "select " RUN_COLUMNS " from runs where id in (" + list + ")", {},
      [&](const db::Columns& columns) -> Result<> {
        RunRow row;
        TRY(db::read_row(columns, row));
        const std::int64_t key = row.key;
        infos.emplace(key, to_info(std::move(row)));
        return {};
      },
      /*cache=*/false));
  const std::size_t first = runs.size();
  for (std::int64_t key : keys) runs.emplace_back().info = std::move(infos[key]);
  return add_data(tx, keys, std::span(runs).subspan(first), of_series);
}

Error wrong_state(const std::string& run_id) {
  return {Code::kConflict,
          "The run " + run_id + " must be in the 'active' state. Current state is deleted.",
          "inactive"};
}

const StatusName& row_of(RunStatus status) {
  return kStatusNames[static_cast<std::size_t>(status)];
}

wire::Json run_data(std::int64_t experiment, const std::string& name) {
  wire::Json data{wire::Json::Object{}};
  data.set("experiment_id", std::to_string(experiment));
  data.set("name", name);
  return data;
}

Result<> check_names_agree(const NewRun& run) {
  for (const Tag& tag : run.tags) {
    if (run.name_tag.empty() || tag.key != run.name_tag || tag.value == run.name) continue;
    return invalid("Both 'run_name' argument and '" + tag.key +
                   "' tag are specified, but with different values (run_name='" + run.name + "', " +
                   tag.key + "='" + tag.value + "').");
  }
  return {};
}

}  // namespace

const char* to_string(RunStatus status) {
  return row_of(status).name;
}

std::optional<RunStatus> to_run_status(std::string_view text) {
  for (const StatusName& row : kStatusNames) {
    if (row.name == text) return row.status;
  }
  return std::nullopt;
}

bool has_ended(RunStatus status) {
  return status != RunStatus::kRunning && status != RunStatus::kScheduled;
}

Result<RunKey> find_run(db::Tx& tx, const std::string& run_id) {
  std::optional<KeyRow> row =
      TRY(tx.one<KeyRow>("select id, experiment, deleted from runs where run_id = ?", run_id));
  if (!row) return no_run(run_id);
  return RunKey{row->key, row->experiment, row->deleted};
}

Result<RunKey> find_live_run(db::Tx& tx, const std::string& run_id) {
  return live_run(run_id, TRY(find_run(tx, run_id)));
}

Result<RunKey> live_run(const std::string& run_id, const std::optional<RunKey>& found) {
  if (!found) return no_run(run_id);
  if (found->deleted) return wrong_state(run_id);
  return *found;
}

Result<RunInfo> read_run_info(db::Tx& tx, const std::string& run_id) {
  return to_info(TRY(find_row(tx, run_id)));
}

Result<Run> read_run(db::Tx& tx, const std::string& run_id) {
  RunKey key = TRY(find_run(tx, run_id));
  std::vector<Run> runs = TRY(read_runs(tx, std::span(&key.key, 1)));
  runs.front().models_used = TRY(read_models(tx, key.key, /*made=*/false));
  return std::move(runs.front());
}

Result<std::vector<Run>> read_runs(db::Tx& tx, Keys keys, OfSeries of_series) {
  constexpr std::size_t kKeysMax = 500;  // in one statement
  std::vector<Run> runs;
  runs.reserve(keys.size());
  for (std::size_t from = 0; from < keys.size(); from += kKeysMax) {
    TRY(add_rows(tx, keys.subspan(from, std::min(kKeysMax, keys.size() - from)), runs,
                 of_series));
  }
  return runs;
}

Result<Run> create_run(db::Tx& tx, const NewRun& run, const std::string& run_id, const Actor& actor,
                       UnixMs now_ms) {
  Experiment experiment = TRY(read_experiment(tx, run.experiment_id));
  if (experiment.deleted) {
    return Error{Code::kConflict,
                 "The experiment " + std::to_string(experiment.id) +
                     " must be in the 'active' state. Current state is deleted.",
                 "inactive"};
  }
  TRY(check_names_agree(run));
  const std::string uri = append_to_location(experiment.artifact_location, run_id + "/artifacts");
  std::optional<std::int64_t> key = TRY(tx.one<std::int64_t>(
      "insert into runs (run_id, experiment, name, user_id, status, start_ms, artifact_uri, "
      "deleted) values (?, ?, ?, ?, 'RUNNING', ?, ?, 0) returning id",
      run_id, experiment.id, run.name, run.user_id, run.start_ms, uri));
  if (!key) return internal("a new run has no key");
  TRY(note_run(tx, *key));
  RunInfo info = TRY(read_run_info(tx, run_id));
  TRY(put_run_facts(tx, info, experiment.name, actor, now_ms));
  TRY(write_tags(tx, *key, run_id, run.tags, now_ms));
  Run made = TRY(read_run(tx, run_id));
  TRY(tell(tx, graph::kind::kRun, run_id, "run.created", actor, run_data(experiment.id, run.name),
           now_ms));
  return made;
}

Result<RunInfo> change_run(db::Tx& tx, const std::string& run_id, const RunChange& change,
                           const Actor& actor, UnixMs now_ms) {
  RunRow row = TRY(find_row(tx, run_id));
  if (row.deleted) return wrong_state(run_id);
  const std::string status = change.status ? to_string(*change.status) : row.status;
  const std::optional<UnixMs> end_ms = change.end_ms ? change.end_ms : row.end_ms;
  TRY(tx.run("update runs set status = ?, end_ms = ? where id = ?", status, end_ms, row.key));
  TRY(note_run(tx, row.key));
  if (change.name) TRY(rename_run(tx, row.key, run_id, *change.name, now_ms));
  TRY(write_tags(tx, row.key, run_id, change.tags, now_ms));
  if (status != row.status) {
    TRY(tell(tx, graph::kind::kRun, run_id, row_of(*change.status).event, actor,
             run_data(row.experiment, change.name.value_or(row.name)), now_ms));
  }
  return read_run_info(tx, run_id);
}

Result<> end_left_run(db::Tx& tx, const std::string& run_id, RunStatus status, UnixMs end_ms,
                      UnixMs now_ms) {
  std::optional<RunRow> row =
      TRY(tx.one<RunRow>("select " RUN_COLUMNS " from runs where run_id = ?", run_id));
  std::optional<RunStatus> now = row ? to_run_status(row->status) : std::nullopt;
  if (!now || row->deleted || has_ended(*now)) return {};
  RunChange change;
  change.status = status;
  change.end_ms = end_ms;
  TRY(change_run(tx, run_id, change, {"slipway", ""}, now_ms));
  return {};
}

Result<> rename_run(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    const std::string& name, UnixMs now_ms) {
  TRY(tx.run("update runs set name = ? where id = ?", name, run));
  wire::Json attributes{wire::Json::Object{}};
  attributes.set("name", name);
  return graph::put_node(tx, {graph::kind::kRun, run_id}, attributes, now_ms);
}

Result<bool> set_run_deleted(db::Tx& tx, const std::string& run_id, bool deleted,
                             const Actor& actor, UnixMs now_ms) {
  RunRow row = TRY(find_row(tx, run_id));
  if (row.deleted == deleted) return false;
  if (TRY(is_being_removed(tx, Removed::kRun, run_id))) {
    return conflict("The run " + run_id + " is being removed for good.");
  }
  std::optional<UnixMs> deleted_ms;
  if (deleted) deleted_ms = now_ms;
  TRY(tx.run("update runs set deleted = ?, deleted_ms = ? where id = ?", deleted, deleted_ms,
             row.key));
  TRY(note_run(tx, row.key));
  TRY(tell(tx, graph::kind::kRun, run_id, deleted ? "run.deleted" : "run.restored", actor,
           run_data(row.experiment, row.name), now_ms));
  return true;
}

}  // namespace slipway::tracking
