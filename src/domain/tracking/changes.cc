#include <boost/describe.hpp>

#include "domain/tracking/store.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

struct ChangeRow {
  std::int64_t seq = 0;
  std::optional<std::int64_t> run, experiment;
};
BOOST_DESCRIBE_STRUCT(ChangeRow, (), (seq, run, experiment))

}  // namespace

Result<> note_run(db::Tx& tx, std::int64_t run) {
  return db::put(tx, "insert into run_changes (run) values (?)", run);
}

Result<> note_experiment(db::Tx& tx, std::int64_t experiment) {
  return db::put(tx, "insert into run_changes (experiment) values (?)", experiment);
}

Result<> forget_old_changes(db::Tx& tx) {
  TRY(
      tx.run("delete from run_changes where seq in (select seq from run_changes where seq < "
             "(select max(seq) from run_changes) - ? order by seq limit ?)",
             kChangesKept, 2 * kChangesForgottenEvery));
  return {};
}

Result<ChangePlace> read_change_place(db::Tx& tx) {
  ChangePlace place;
  place.seq = TRY(tx.one<std::int64_t>("select max(seq) from run_changes")).value_or(0);
  place.batch = TRY(tx.one<std::int64_t>("select max(id) from metric_batches")).value_or(0);
  return place;
}

Result<std::optional<Changes>> read_changes(db::Tx& tx, const ChangePlace& from, std::size_t max) {
  const auto limit = static_cast<std::int64_t>(max) + 1;
  const std::int64_t first =
      TRY(tx.one<std::int64_t>("select min(seq) from run_changes")).value_or(0);
  if (first > from.seq + 1) return std::optional<Changes>();
  Changes changes;
  for (const ChangeRow& row : TRY(tx.all<ChangeRow>(
           "select seq, run, experiment from run_changes where seq > ? order by seq limit ?",
           from.seq, limit))) {
    if (row.run) changes.runs.insert(*row.run);
    if (row.experiment) changes.experiments.insert(*row.experiment);
    if (++changes.read > max) return std::optional<Changes>();
  }
  for (std::int64_t run : TRY(tx.all<std::int64_t>(
           "select run from metric_batches where id > ? order by id limit ?", from.batch, limit))) {
    changes.runs.insert(run);
    if (++changes.read > max) return std::optional<Changes>();
  }
  return std::optional(std::move(changes));
}

}  // namespace slipway::tracking
