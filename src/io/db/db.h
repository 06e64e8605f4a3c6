#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "io/db/row.h"

// SQL on SQLite or PostgreSQL behind one face: snapshot readers and one writer that groups waiting
// writes into one durable transaction. One dialect in the source: `?` placeholders; where the two
// engines must differ, a pair of named snippets in the module's schema, chosen by Tx::engine() in
// one place, never an `if` in the middle of code.
namespace slipway::db {

enum class Engine { kSqlite, kPostgres };

/// One open transaction. Statements are prepared once per connection and cached by their text, so
/// `sql` should be constant; values go through `?`. Not thread-safe, never kept beyond the callback
/// it was given to.
///
/// The same on both engines:
/// - A statement that failed ends the transaction: every later one, and the transaction itself,
/// gives that error again
///   (PostgreSQL would refuse them anyway). To expect a conflict say `on conflict do nothing` and
///   look at the count.
/// - A double that is NaN is refused with kInternal (SQLite would store NULL): the caller stores a
/// flag beside it.
/// - A text with a NUL in it, or that is not UTF-8, is refused with kInvalid.
/// - Text is ordered and compared by bytes; LIKE heeds case and has no escape character (see
/// like_sql).
/// - Write transactions are serial, those of other servers on the same database included: what `f`
/// has read stays true
///   until its commit, and numbers given in order are seen by readers in that order.
class Tx {
 public:
  virtual ~Tx() = default;
  virtual Engine engine() const = 0;

  /// Number of rows changed. kConflict with tag "unique" when a unique or primary key forbids it,
  /// tag "foreign_key" likewise; kUnavailable (tag "disk_full" where known) when the disk fails.
  template <class... Args>
  Result<std::int64_t> run(std::string_view sql, const Args&... args) {
    return execute(sql, std::vector<Value>{Value(args)...});
  }
  /// Rows map onto a WIRE struct (or a single string, int64_t, double, Blob) by position: column n
  /// is member n. NULL leaves the member's default; std::optional members tell. kInternal when the
  /// counts differ.
  template <class Row, class... Args>
  Result<std::vector<Row>> all(std::string_view sql, const Args&... args) {
    std::vector<Row> rows;
    TRY(query(sql, std::vector<Value>{Value(args)...}, [&](const Columns& columns) -> Result<> {
      return read_row(columns, rows.emplace_back());
    }));
    return rows;
  }
  /// The first row, or nothing.
  template <class Row, class... Args>
  Result<std::optional<Row>> one(std::string_view sql, const Args&... args) {
    std::optional<Row> row;
    TRY(query(sql, std::vector<Value>{Value(args)...}, [&](const Columns& columns) -> Result<> {
      if (row) return {};
      return read_row(columns, row.emplace());
    }));
    return row;
  }
  /// For SQL put together at run time (search): values as a list, not cached when `cache` is false.
  virtual Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values) = 0;
  virtual Result<> query(std::string_view sql, const std::vector<Value>& values,
                         const std::function<Result<>(const Columns&)>& each,
                         bool cache = true) = 0;
};

/// A migration: applied once, in one transaction, recorded by name with a checksum of its text.
struct Migration {
  std::string name;      // "tracking/0001_experiments"
  std::string sqlite;    // several statements separated by ';'
  std::string postgres;  // empty: the same text as for SQLite
};

/// A migration written once, in SQLite's words. PostgreSQL's follow: "integer primary key" becomes
/// an identity, "blob" "bytea", "text" is ordered by bytes as on SQLite whatever the database's
/// locale, and "without rowid" goes.
Migration portable(std::string name, std::string sqlite);

/// The migrations of several modules, in their order.
std::vector<Migration> joined(std::initializer_list<std::vector<Migration>> modules);

struct PoolOptions {
  int readers_max = 8;
  int group_max = 256;           // writes in one transaction
  int write_queue_max = 10'000;  // full: kBusy
  /// For short commands beside an owner: nothing is created, migrated or written. kMissing when
  /// there is no database, kConflict (tag "pending_migrations") when it is older than this program;
  /// writes give kDenied.
  bool read_only = false;
  std::chrono::milliseconds busy_timeout{10'000};  // how long to wait for another process's write
  std::chrono::milliseconds reader_wait{
      30'000};             // how long read() waits for a free connection, then kBusy
  std::string sqlite_vfs;  // empty: SQLite's own; see power_loss_testing.h
};

/// A database. Any thread.
class Pool {
 public:
  /// "sqlite:///abs/path/catalog.db" or "postgresql://...". kConflict when the database was made by
  /// a newer program (it holds migrations this one does not know). A copy of a SQLite file is kept
  /// beside it before the first pending migration of an existing database is applied.
  static Result<std::unique_ptr<Pool>> open(const std::string& uri,
                                            const std::vector<Migration>& migrations,
                                            Metrics& metrics, PoolOptions options = {});
  virtual ~Pool() = default;  // finishes what was queued
  virtual Engine engine() const = 0;
  /// Why writes are refused at present: the database file was deleted or replaced under us, say.
  /// Asks no disk, so any thread may; at most a second old.
  virtual Result<> health() = 0;

  /// Runs `f` on a snapshot, on this thread; it may wait for a free connection and for the disk.
  template <class F>
  auto read(F&& f) -> std::invoke_result_t<F, Tx&> {
    using R = std::invoke_result_t<F, Tx&>;
    std::optional<R> result;
    TRY(read_erased([&](Tx& tx) -> Result<> {
      result.emplace(f(tx));
      return {};
    }));
    return std::move(*result);
  }

  /// Queues a write and returns at once. The writer thread runs `f` inside a savepoint of the
  /// group's transaction: an error rolls back that savepoint only. `done` is called on the writer
  /// thread after the commit is durable (or with the error that prevented it); it must not block.
  /// `f` may run again when the group has to be retried, so it must have no effect outside the
  /// transaction. A full queue calls `done` at once with kBusy.
  template <class F>
  void write_later(F f, Done<typename std::invoke_result_t<F&, Tx&>::value_type> done) {
    using T = typename std::invoke_result_t<F&, Tx&>::value_type;
    auto slot = std::make_shared<std::optional<Result<T>>>();
    enqueue(
        [slot, f = std::move(f)](Tx& tx) mutable -> Result<> {
          slot->emplace(f(tx));
          if (!(*slot)->ok()) return (*slot)->error();
          return {};
        },
        [slot, done = std::move(done)](Result<> committed) mutable {
          if (!committed.ok()) return done(committed.error());
          done(std::move(**slot));
        });
  }

  /// The same, waiting for the commit. Never on a loop or the writer thread.
  template <class F>
  auto write(F&& f) -> std::invoke_result_t<F, Tx&> {
    using R = std::invoke_result_t<F, Tx&>;
    std::optional<R> result;
    TRY(write_erased([&](Tx& tx) -> Result<> {
      result.emplace(f(tx));
      if (!result->ok()) return result->error();
      return {};
    }));
    return std::move(*result);
  }

 protected:
  virtual Result<> read_erased(const std::function<Result<>(Tx&)>& f) = 0;
  virtual Result<> write_erased(const std::function<Result<>(Tx&)>& f) = 0;
  virtual void enqueue(UniqueFunction<Result<>(Tx&)> f, Done<> done) = 0;
};

/// `column LIKE ?` (case-sensitive) or ILIKE in the engine's spelling; % and _ are wildcards, there
/// is no escape.
std::string like_sql(Engine engine, std::string_view column, bool ignore_case,
                     bool negated = false);

}  // namespace slipway::db
