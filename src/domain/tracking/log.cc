#include <map>
#include <string_view>

#include "base/text.h"
#include "domain/tracking/store.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

struct Known {
  bool added = false;
  std::string value;  // of a param that was there
};

Result<Known> put_param(db::Tx& tx, std::int64_t run, const Param& param) {
  std::int64_t added = TRY(tx.run(
      "insert into run_params (run, key, value) values (?, ?, ?) on conflict (run, key) do nothing",
      run, param.key, param.value));
  if (added > 0) return Known{true, ""};
  std::optional<std::string> value = TRY(tx.one<std::string>(
      "select value from run_params where run = ? and key = ?", run, param.key));
  return Known{false, value.value_or("")};
}

Error changed(std::string message) {
  return {Code::kConflict, "Changing param values is not allowed. " + std::move(message),
          "changed"};
}

Result<> put_params(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    std::span<const Param> params) {
  std::string changes;
  for (const Param& param : params) {
    Known known = TRY(put_param(tx, run, param));
    if (known.added || known.value == param.value) continue;
    if (!changes.empty()) changes += ", ";
    changes += "{'key': " + python_repr(param.key) + ", 'old_value': " + python_repr(known.value) +
               ", 'new_value': " + python_repr(param.value) + "}";
  }
  if (changes.empty()) return {};
  return changed("Params were already logged='[" + changes + "]' for run ID='" + run_id + "'.");
}

#define SERIES_COLUMNS \
  "points, value, is_nan, timestamp_ms, step, min_value, max_value, first_step, last_step"
// Upserts that return the id would take ten times as long: SQLite keeps a statement with
// `returning` undoable by itself, page by page.
constexpr char kFindOne[] =
    "select id, key, " SERIES_COLUMNS " from metric_series where run = ? and key = ?";
constexpr std::size_t kFoundAtOnce = 16;
constexpr char kFindSome[] =
    "select id, key, " SERIES_COLUMNS
    " from metric_series where run = ? and key in (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kAddSeries[] = "insert into metric_series (run, key, " SERIES_COLUMNS
                              ") values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kChangeSeries[] =
    "update metric_series set points = ?, value = ?, is_nan = ?, timestamp_ms = ?, step = ?, "
    "min_value = ?, max_value = ?, first_step = ?, last_step = ? where id = ?";

using SeriesByKey = std::unordered_map<std::string_view, SeriesRow*>;

constexpr std::size_t kFindAllFrom = 64;  // rows
constexpr char kCountAll[] =
    "select count(*) from (select 1 from metric_series where run = ? limit ?) as some";
constexpr char kFindAll[] =
    "select id, key, " SERIES_COLUMNS " from metric_series where run = ? order by key";

/// Whether a run has hardly more series than are wanted, so that looking at them all is less work
/// than looking each of them up.
Result<bool> are_most(db::Tx& tx, std::int64_t run, std::size_t wanted) {
  const auto most = static_cast<std::int64_t>(2 * wanted);
  return TRY(tx.one<std::int64_t>(kCountAll, run, most + 1)).value_or(0) <= most;
}

constexpr char kFindId[] = "select id from metric_series where run = ? and key = ?";
// By the ids alone, without the index on runs.
constexpr char kFindBetween[] =
    "select id, key, " SERIES_COLUMNS " from metric_series where id between ? and ? and +run = ?";

/// A request that logs the keys of an earlier one in their order finds their rows side by side, as
/// that one made them: fills in rows as long as that is so. Whether it was so for all.
Result<bool> find_side_by_side(db::Tx& tx, std::int64_t run, std::span<SeriesRow> rows) {
  const auto first = TRY(tx.one<std::int64_t>(kFindId, run, rows.front().key));
  const auto last = TRY(tx.one<std::int64_t>(kFindId, run, rows.back().key));
  const auto most = static_cast<std::int64_t>(2 * rows.size());
  if (!first || !last || *last < *first || *last - *first >= most) return false;
  std::size_t at = 0;
  TRY(tx.query(kFindBetween, {db::Value(*first), db::Value(*last), db::Value(run)},
               [&](const db::Columns& columns) -> Result<> {
                 if (at == rows.size() || columns.text(1) != rows[at].key) return {};
                 return db::read_row(columns, rows[at++]);
               }));
  return at == rows.size();
}

/// Fills in the rows that exist.
Result<> find_series(db::Tx& tx, std::int64_t run, std::span<SeriesRow> rows) {
  // Not where every question is a trip of its own.
  const bool is_long = rows.size() >= kFindAllFrom && tx.engine() == db::Engine::kSqlite;
  if (is_long && TRY(find_side_by_side(tx, run, rows))) return {};
  std::vector<std::string> keys;  // what the map's views see, while the rows are read into
  keys.reserve(rows.size());
  SeriesByKey by_key;
  by_key.reserve(rows.size());
  for (SeriesRow& row : rows) by_key.emplace(keys.emplace_back(row.key), &row);
  if (is_long && TRY(are_most(tx, run, rows.size()))) {
    return tx.query(kFindAll, {db::Value(run)}, [&](const db::Columns& columns) -> Result<> {
      auto found = by_key.find(columns.text(1));
      return found == by_key.end() ? Result<>() : db::read_row(columns, *found->second);
    });
  }
  const std::size_t at_once = rows.size() == 1 ? 1 : kFoundAtOnce;
  std::vector<std::vector<db::Value>> lists;
  for (std::size_t at = 0; at < keys.size(); at += at_once) {
    std::vector<db::Value>& values = lists.emplace_back();
    values.reserve(1 + at_once);
    values.emplace_back(run);
    for (std::size_t i = at; i < at + at_once; ++i)
      values.emplace_back(keys[std::min(i, keys.size() - 1)]);
  }
  return db::ask_each(tx, at_once == 1 ? kFindOne : kFindSome, lists,
                      [&](std::size_t, const db::Columns& columns) -> Result<> {
                        auto found = by_key.find(columns.text(1));
                        if (found == by_key.end())
                          return internal("a series that was not asked for");
                        return db::read_row(columns, *found->second);
                      });
}

Result<> put_series(db::Tx& tx, std::int64_t run, const SeriesRow& row) {
  if (row.id == 0) {
    TRY(db::put(tx, kAddSeries, run, row.key, row.points, row.value, row.is_nan, row.timestamp_ms,
                row.step, row.min_value, row.max_value, row.first_step, row.last_step));
    return {};
  }
  TRY(db::put(tx, kChangeSeries, row.points, row.value, row.is_nan, row.timestamp_ms, row.step,
              row.min_value, row.max_value, row.first_step, row.last_step, row.id));
  return {};
}

/// Brings the rows of the additions up to date; they come back in the same order, with their ids.
Result<std::vector<SeriesRow>> add_to_series(db::Tx& tx, std::int64_t run,
                                             std::span<const Addition> additions) {
  std::vector<SeriesRow> rows(additions.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].key = additions[i].sum.key;
  TRY(find_series(tx, run, rows));
  bool new_ones = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    add_sum(rows[i], additions[i].sum);
    TRY(put_series(tx, run, rows[i]));
    new_ones |= rows[i].id == 0;
  }
  if (new_ones) TRY(find_series(tx, run, rows));
  return rows;
}

Result<> put_batch(db::Tx& tx, std::int64_t run, std::size_t points,
                   const std::vector<SeriesView>& batch) {
  return db::put(tx, "insert into metric_batches (run, points, data) values (?, ?, ?)", run,
                 static_cast<std::int64_t>(points), db::Blob{encode_batch(batch)});
}

}  // namespace

Result<Logged> put_metrics(db::Tx& tx, std::int64_t run, std::span<const Addition> additions) {
  Logged logged{run, 0, {}};
  if (additions.empty()) return logged;
  const std::vector<SeriesRow> rows = TRY(add_to_series(tx, run, additions));
  std::vector<SeriesView> batch;
  batch.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!additions[i].chunks.empty()) {
      TRY(add_chunks(tx, rows[i].id, additions[i].chunks, logged.heads));
      continue;
    }
    logged.points += additions[i].points.size();
    batch.push_back({rows[i].id, additions[i].points});
  }
  if (!batch.empty()) TRY(put_batch(tx, run, logged.points, batch));
  return logged;
}

// --- many requests at once ---

namespace {

constexpr char kFindInRun[] =
    "select s.id, s.key, " SERIES_COLUMNS
    ", r.id, r.experiment, r.deleted from runs r "
    "left join metric_series s on s.run = r.id and s.key = ? where r.run_id = ?";

/// A row of a series, if there is one, with the run that it is of.
struct FoundRow : SeriesRow {
  std::int64_t run = 0, experiment = 0;
  bool deleted = false;
};
BOOST_DESCRIBE_STRUCT(FoundRow, (),
                      (id, key, points, value, is_nan, timestamp_ms, step, min_value, max_value,
                       first_step, last_step, run, experiment, deleted))

/// Runs, and rows of series in them.
class SeriesOfMany {
 public:
  explicit SeriesOfMany(const std::vector<const PointsLog*>& logs) {
    for (const PointsLog* log : logs)
      for (const Addition& addition : log->additions) rows_[{log->run_id, addition.sum.key}];
  }
  /// Fills in what is there, of the rows that have no id: one trip for all of them.
  Result<> find(db::Tx& tx) {
    std::vector<Rows::value_type*> asked;
    std::vector<std::vector<db::Value>> lists;
    for (auto& entry : rows_) {
      if (entry.second.id != 0) continue;
      asked.push_back(&entry);
      lists.push_back({db::Value(std::string(entry.first.second)),
                       db::Value(std::string(entry.first.first))});
    }
    return db::ask_each(tx, kFindInRun, lists,
                        [&](std::size_t i, const db::Columns& columns) -> Result<> {
                          return take(columns, *asked[i]);
                        });
  }
  Result<RunKey> run(const std::string& run_id) const {
    const auto found = runs_.find(run_id);
    return live_run(run_id, found == runs_.end() ? std::nullopt : std::optional(found->second));
  }
  SeriesRow& row(const std::string& run_id, const std::string& key) {
    return rows_.at({run_id, key});
  }
  /// Those that something was added to. Whether one of them is new.
  Result<bool> put(db::Tx& tx) const {
    bool new_ones = false;
    for (const auto& [place, row] : rows_) {
      const auto run = runs_.find(place.first);
      if (run == runs_.end() || run->second.deleted) continue;
      TRY(put_series(tx, run->second.key, row));
      new_ones |= row.id == 0;
    }
    return new_ones;
  }

 private:
  using Rows = std::map<std::pair<std::string_view, std::string_view>, SeriesRow>;  // run id, key

  Result<> take(const db::Columns& columns, Rows::value_type& asked) {
    FoundRow row;
    TRY(db::read_row(columns, row));
    runs_[asked.first.first] = {row.run, row.experiment, row.deleted};
    // One that was added to already lacks its id only.
    if (asked.second.points == 0)
      asked.second = std::move(row);
    else
      asked.second.id = row.id;
    asked.second.key = asked.first.second;
    return {};
  }

  Rows rows_;
  std::map<std::string_view, RunKey> runs_;
};

#undef SERIES_COLUMNS

}  // namespace

Result<std::vector<Result<Logged>>> write_points(db::Tx& tx,
                                                 const std::vector<const PointsLog*>& logs) {
  SeriesOfMany series(logs);
  TRY(series.find(tx));
  for (const PointsLog* log : logs) {
    if (!series.run(log->run_id).ok()) continue;
    for (const Addition& addition : log->additions)
      add_sum(series.row(log->run_id, addition.sum.key), addition.sum);
  }
  if (TRY(series.put(tx))) TRY(series.find(tx));  // for the ids of those that are new
  std::vector<Result<Logged>> outcomes;
  for (const PointsLog* log : logs) {
    const Result<RunKey> run = series.run(log->run_id);
    if (!run.ok()) {
      outcomes.emplace_back(run.error());
      continue;
    }
    std::vector<SeriesView> batch;
    std::size_t points = 0;
    for (const Addition& addition : log->additions) {
      batch.push_back({series.row(log->run_id, addition.sum.key).id, addition.points});
      points += addition.points.size();
    }
    TRY(put_batch(tx, run->key, points, batch));
    outcomes.emplace_back(Logged{run->key, points, {}});
  }
  return outcomes;
}

Result<> write_param(db::Tx& tx, const std::string& run_id, const Param& param) {
  RunKey run = TRY(find_live_run(tx, run_id));
  Known known = TRY(put_param(tx, run.key, param));
  if (known.added) return note_run(tx, run.key);
  if (known.value == param.value) return {};
  return changed("Param with key='" + param.key + "' was already logged with value='" +
                 known.value + "' for run ID='" + run_id + "'. Attempted logging new value '" +
                 param.value + "'.");
}

Result<Logged> write_batch(db::Tx& tx, const std::string& run_id, const Batch& batch,
                           std::span<const Addition> additions, UnixMs now_ms) {
  RunKey run = TRY(find_live_run(tx, run_id));
  TRY(put_params(tx, run.key, run_id, batch.params));
  Logged logged = TRY(put_metrics(tx, run.key, additions));
  TRY(write_tags(tx, run.key, run_id, batch.tags, now_ms));
  if (batch.name) TRY(rename_run(tx, run.key, run_id, *batch.name, now_ms));
  // A row of metric_batches is a note itself.
  if (logged.points == 0) TRY(note_run(tx, run.key));
  if (batch.with) TRY(batch.with(tx));
  return logged;
}

Result<> write_tags(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    std::span<const Tag> tags, UnixMs now_ms) {
  for (const Tag& tag : tags) {
    TRY(db::put(tx,
                "insert into run_tags (run, key, value) values (?, ?, ?) "
                "on conflict (run, key) do update set value = excluded.value",
                run, tag.key, tag.value));
  }
  return put_tag_facts(tx, run_id, tags, now_ms);
}

Result<> delete_tag(db::Tx& tx, const std::string& run_id, const std::string& key) {
  RunKey run = TRY(find_live_run(tx, run_id));
  std::int64_t gone = TRY(tx.run("delete from run_tags where run = ? and key = ?", run.key, key));
  if (gone > 0) return note_run(tx, run.key);
  return missing("No tag with name: " + key + " in run with id " + run_id);
}

Result<> append_to_tag(db::Tx& tx, const std::string& run_id, const std::string& key,
                       const wire::Json& item) {
  constexpr std::size_t kBytesMax = 4u << 20;
  RunKey run = TRY(find_live_run(tx, run_id));
  std::optional<std::string> before = TRY(
      tx.one<std::string>("select value from run_tags where run = ? and key = ?", run.key, key));
  wire::Json::Array list;
  if (before) {
    Result<wire::Json> parsed = wire::parse(*before);
    if (!parsed.ok() || !parsed->is_array()) {
      return conflict("The tag '" + key + "' of run " + run_id +
                      " does not hold a JSON list; delete it to start one.");
    }
    list = std::move(parsed->as_array());
  }
  list.push_back(item);
  const std::string value =
      wire::dump(wire::Json(std::move(list)), {.ascii = true, .spaces = true});
  if (value.size() > kBytesMax) {
    return invalid("The list in the tag '" + key + "' of run " + run_id + " would grow to " +
                   std::to_string(value.size()) + " bytes; at most " + std::to_string(kBytesMax) +
                   " are kept.");
  }
  const Tag tag{key, value};
  TRY(note_run(tx, run.key));
  return write_tags(tx, run.key, run_id, std::span(&tag, 1), 0);
}

}  // namespace slipway::tracking
