#include "domain/tracking/trash.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <cmath>
#include <set>

#include "base/text.h"
#include "domain/tracking/store.h"
#include "graph/kinds.h"
#include "graph/removal.h"

namespace slipway::tracking {
namespace {

constexpr const char* kWhat[] = {"run", "model", "experiment"};

struct RemovalRow {
  std::int64_t id = 0;
  std::string what, thing, location, actor;
  bool rows_gone = false;
};
BOOST_DESCRIBE_STRUCT(RemovalRow, (), (id, what, thing, location, actor, rows_gone))

struct DeletedRun {
  std::string run_id;
  bool deleted = false;
  std::optional<UnixMs> deleted_ms;
};
BOOST_DESCRIBE_STRUCT(DeletedRun, (), (run_id, deleted, deleted_ms))

struct DeletedExperiment {
  std::int64_t id = 0;
  bool deleted = false;
  UnixMs updated_ms = 0;
};
BOOST_DESCRIBE_STRUCT(DeletedExperiment, (), (id, deleted, updated_ms))

struct NamedRun {
  std::int64_t key = 0, experiment = 0;
  std::string name, artifact_uri;
};
BOOST_DESCRIBE_STRUCT(NamedRun, (), (key, experiment, name, artifact_uri))

Error not_old(const std::string& what, const std::string& things, const std::string& age) {
  return invalid(what + " is not older than the required age. Only " + things + " older than " +
                 age + " can be deleted.");
}

Result<> check_run(const std::string& run_id, const std::optional<DeletedRun>& run,
                   const TrashQuery& query, UnixMs until_ms) {
  if (!run) return missing("Run with id=" + run_id + " not found");
  if (!run->deleted) {
    return invalid("Run " + run_id +
                   " is not in `deleted` lifecycle stage. Only runs in `deleted` lifecycle stage "
                   "can be deleted.");
  }
  if (query.older_than && run->deleted_ms.value_or(0) > until_ms)
    return not_old("Run " + run_id, "runs", *query.older_than);
  return {};
}

Result<std::vector<std::int64_t>> condemned_experiments(db::Tx& tx, const TrashQuery& query,
                                                        UnixMs until_ms) {
  std::vector<std::int64_t> ids;
  if (query.experiments.empty()) {
    for (const auto& one : TRY(tx.all<DeletedExperiment>(
             "select id, deleted, updated_ms from experiments where deleted <> 0 order by id"))) {
      if (!query.older_than || one.updated_ms < until_ms) ids.push_back(one.id);
    }
    return ids;
  }
  for (const std::int64_t id : query.experiments) {
    const std::string text = std::to_string(id);
    const auto one = TRY(tx.one<DeletedExperiment>(
        "select id, deleted, updated_ms from experiments where id = ?", id));
    if (!one) return missing("No Experiment with id=" + text + " exists");
    if (!one->deleted) {
      return invalid("Experiments ['" + text +
                     "'] are not in the deleted lifecycle stage. Only experiments in the deleted "
                     "lifecycle stage can be hard-deleted.");
    }
    if (query.older_than && one->updated_ms >= until_ms)
      return not_old("Experiment " + text, "experiments", *query.older_than);
    ids.push_back(id);
  }
  return ids;
}

/// Deletes rows while it has some to spend.
class Budget {
 public:
  Budget(db::Tx& tx, std::int64_t& rows) : tx_(tx), left_(rows) {}
  /// `sql` ends with a limit that is to be bound; a row weighs so much. Whether there may be more.
  template <class... Args>
  Result<bool> spend(std::string_view sql, std::int64_t weight, const Args&... args) {
    if (left_ <= 0) return true;
    const std::int64_t limit = std::max<std::int64_t>(1, left_ / weight);
    const std::int64_t gone = TRY(tx_.run(sql, args..., limit));
    left_ -= gone * weight;
    return gone == limit;
  }

 private:
  db::Tx& tx_;
  std::int64_t& left_;
};

struct Table {
  const char* sql;
  std::int64_t weight;  // a chunk of points is some twenty times a small row
};
// Batches first: from then on no mover makes new chunks of them.
constexpr Table kOfRun[] = {
    {"delete from metric_batches where id in (select id from metric_batches where run = ? limit ?)",
     20},
    {"delete from metric_moves where run in (select run from metric_moves where run = ? limit ?)",
     1},
    {"delete from metric_chunks where (series, chunk) in (select c.series, c.chunk from "
     "metric_series s join metric_chunks c on c.series = s.id where s.run = ? limit ?)",
     20},
    {"delete from metric_heads where (series, chunk) in (select h.series, h.chunk from "
     "metric_series s join metric_heads h on h.series = s.id where s.run = ? limit ?)",
     4},
    {"delete from metric_series where id in (select id from metric_series where run = ? limit ?)",
     1},
    {"delete from run_params where (run, key) in (select run, key from run_params where run = ? "
     "limit ?)",
     1},
    {"delete from run_tags where (run, key) in (select run, key from run_tags where run = ? limit "
     "?)",
     1},
    {"delete from run_dataset_tags where (input, key) in (select t.input, t.key from run_datasets "
     "d "
     "join run_dataset_tags t on t.input = d.id where d.run = ? limit ?)",
     1},
    {"delete from run_datasets where id in (select id from run_datasets where run = ? limit ?)", 1},
    {"delete from run_models where id in (select id from run_models where run = ? limit ?)", 1},
};
constexpr Table kOfExperiment[] = {
    {"delete from datasets where id in (select id from datasets where experiment = ? limit ?)", 1},
    {"delete from experiment_tags where (experiment, key) in (select experiment, key from "
     "experiment_tags where experiment = ? limit ?)",
     1},
};

template <std::size_t N>
Result<bool> remove_rows(db::Tx& tx, const Table (&tables)[N], std::int64_t key,
                         std::int64_t& rows) {
  Budget budget(tx, rows);
  for (const Table& table : tables)
    if (TRY(budget.spend(table.sql, table.weight, key))) return false;
  return true;
}

Result<> tell_removed(db::Tx& tx, const char* kind, const std::string& id, const char* type,
                      const std::string& name, const std::string& actor, UnixMs now_ms) {
  wire::Json data{wire::Json::Object{}};
  data.set("name", name);
  return tell(tx, kind, id, type, {actor, ""}, std::move(data), now_ms);
}

}  // namespace

Result<std::int64_t> parse_age(std::string_view text) {
  constexpr std::pair<char, double> kUnits[] = {
      {'d', 86'400'000}, {'h', 3'600'000}, {'m', 60'000}, {'s', 1000}};
  const auto wrong = [&] {
    return invalid("Could not parse any time information from '" + std::string(text) +
                   "'. Examples of valid strings: '8h', '2d8h5m20s', '2m4s'");
  };
  double sum = 0;
  std::size_t at = 0;
  for (const auto& [unit, ms] : kUnits) {
    std::size_t end = at;
    while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
    if (end == at || end == text.size() || text[end] != unit) continue;
    const auto number = to_double(text.substr(at, end - at));
    if (!number) return wrong();
    sum += *number * ms;
    at = end + 1;
  }
  constexpr double kMost = 1e15;  // 30,000 years
  if (text.empty() || at != text.size() || !(sum <= kMost)) return wrong();
  return static_cast<std::int64_t>(std::floor(sum));
}

Result<Condemned> condemned(db::Tx& tx, const TrashQuery& query, UnixMs now_ms) {
  const UnixMs until_ms = now_ms - (query.older_than ? TRY(parse_age(*query.older_than)) : 0);
  Condemned found;
  found.experiments = TRY(condemned_experiments(tx, query, until_ms));
  std::set<std::string> runs;
  if (query.run_ids) {
    runs.insert(query.run_ids->begin(), query.run_ids->end());
  } else {
    for (std::string& run_id : TRY(tx.all<std::string>(
             "select run_id from runs where deleted <> 0 and coalesce(deleted_ms, 0) <= ?",
             until_ms))) {
      runs.insert(std::move(run_id));
    }
  }
  for (const std::int64_t experiment : found.experiments) {
    for (const DeletedRun& run : TRY(tx.all<DeletedRun>(
             "select run_id, deleted, deleted_ms from runs where experiment = ?", experiment))) {
      if (!run.deleted) {
        return conflict("The experiment " + std::to_string(experiment) + " is deleted, its run " +
                        run.run_id + " is not: delete the run, or restore the experiment.");
      }
      runs.insert(run.run_id);
    }
  }
  for (const std::string& run_id : runs) {
    const auto run = TRY(tx.one<DeletedRun>(
        "select run_id, deleted, deleted_ms from runs where run_id = ?", run_id));
    TRY(check_run(run_id, run, query, until_ms));
    found.runs.push_back(run_id);
  }
  return found;
}

Result<TrashRun> trash_run(db::Tx& tx, const std::string& run_id) {
  const RunInfo run = TRY(read_run_info(tx, run_id));
  return TrashRun{run.id, run.name, run.artifact_uri, run.experiment_id};
}

Result<bool> is_deleted_still(db::Tx& tx, const Removal& removal) {
  if (removal.what == Removed::kModel) return true;
  if (removal.what == Removed::kRun) {
    const auto deleted =
        TRY(tx.one<std::int64_t>("select deleted from runs where run_id = ?", removal.thing));
    return deleted.value_or(0) != 0;
  }
  const std::int64_t id = to_int64(removal.thing).value_or(-1);
  const auto deleted =
      TRY(tx.one<std::int64_t>("select deleted from experiments where id = ?", id));
  if (deleted.value_or(0) == 0) return false;
  const auto live = TRY(tx.one<std::int64_t>(
      "select id from runs where experiment = ? and deleted = 0 limit 1", id));
  return !live;
}

Result<> ask_removal(db::Tx& tx, const Removal& removal, UnixMs now_ms) {
  TRY(
      tx.run("insert into removals (what, thing, location, actor, asked_ms, rows_gone) "
             "values (?, ?, ?, ?, ?, 0) on conflict (what, thing) do nothing",
             kWhat[static_cast<int>(removal.what)], removal.thing, removal.location, removal.actor,
             now_ms));
  return {};
}

Result<std::vector<Removal>> removals(db::Tx& tx, int limit) {
  std::vector<Removal> all;
  for (RemovalRow& row :
       TRY(tx.all<RemovalRow>("select id, what, thing, location, actor, rows_gone from removals "
                              "order by case what when 'experiment' then 1 else 0 end, id limit ?",
                              std::int64_t{limit}))) {
    const Removed what = row.what == kWhat[0]   ? Removed::kRun
                         : row.what == kWhat[1] ? Removed::kModel
                                                : Removed::kExperiment;
    all.push_back({row.id, what, std::move(row.thing), std::move(row.location),
                   std::move(row.actor), row.rows_gone});
  }
  return all;
}

Result<std::int64_t> count_removals(db::Tx& tx) {
  return TRY(tx.one<std::int64_t>("select count(*) from removals")).value_or(0);
}

Result<bool> is_being_removed(db::Tx& tx, Removed what, const std::string& thing) {
  return TRY(tx.one<std::int64_t>("select id from removals where what = ? and thing = ?",
                                  kWhat[static_cast<int>(what)], thing))
      .has_value();
}

Result<> note_rows_gone(db::Tx& tx, std::int64_t removal) {
  TRY(tx.run("update removals set rows_gone = 1 where id = ?", removal));
  return {};
}

Result<> finish_removal(db::Tx& tx, std::int64_t removal) {
  TRY(tx.run("delete from removals where id = ?", removal));
  return {};
}

Result<bool> remove_some_of_run(db::Tx& tx, const std::string& run_id, std::int64_t& rows,
                                const std::string& actor, UnixMs now_ms) {
  const auto run = TRY(tx.one<NamedRun>(
      "select id, experiment, name, artifact_uri from runs where run_id = ?", run_id));
  if (!run) return true;
  if (!TRY(remove_rows(tx, kOfRun, run->key, rows))) return false;
  if (!TRY(graph::remove_some(tx, {graph::kind::kRun, run_id}, rows))) return false;
  TRY(tx.run("delete from runs where id = ?", run->key));
  TRY(note_run(tx, run->key));
  TRY(tell_removed(tx, graph::kind::kRun, run_id, "run.removed", run->name, actor, now_ms));
  return true;
}

Result<bool> remove_some_of_experiment(db::Tx& tx, std::int64_t experiment, std::int64_t& rows,
                                       const std::string& actor, UnixMs now_ms) {
  const auto name =
      TRY(tx.one<std::string>("select name from experiments where id = ?", experiment));
  if (!name) return true;
  if (!TRY(remove_rows(tx, kOfExperiment, experiment, rows))) return false;
  if (!TRY(graph::remove_some(tx, {graph::kind::kExperiment, std::to_string(experiment)}, rows)))
    return false;
  TRY(tx.run("delete from experiments where id = ?", experiment));
  TRY(note_experiment(tx, experiment));
  TRY(tell_removed(tx, graph::kind::kExperiment, std::to_string(experiment), "experiment.removed",
                   *name, actor, now_ms));
  return true;
}

}  // namespace slipway::tracking
