#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "io/db/db.h"

// What pool, writer and migrations need of an engine: one connection, and the source of
// connections.
namespace slipway::db {

/// One connection with at most one open transaction. One thread at a time.
class Connection : public Tx {
 public:
  enum class Access { kRead, kWrite };

  /// kWrite waits for the database's one write lock.
  virtual Result<> begin(Access access) = 0;
  /// After an error the transaction is over, and undone unless `outcome_unknown()`.
  virtual Result<> commit() = 0;
  virtual void rollback() = 0;

  /// One savepoint at a time inside a write transaction. An error means that the transaction is
  /// lost.
  virtual Result<> savepoint() = 0;
  virtual Result<> release_savepoint() = 0;
  virtual Result<> rollback_to_savepoint() = 0;

  /// Several statements separated by ';', without values, inside the open transaction.
  virtual Result<> script(std::string_view sql) = 0;
  /// Whether the engine still holds the transaction that was begun.
  virtual bool in_transaction() const = 0;
  /// False once the connection is lost: it can only be destroyed.
  virtual bool usable() const = 0;
  /// The last commit() failed in a way that leaves open whether it was done.
  virtual bool outcome_unknown() const { return false; }
  /// Whether the last error was that of an earlier statement, which nobody had waited for: of one
  /// that was deferred, or of the begin itself.
  enum class Late { kNo, kStatement, kBegin };
  virtual Late failed_late() const { return Late::kNo; }
  /// kUnavailable (tag "moved") when what is written here is not what the database's name leads to
  /// any more: nobody would find it.
  virtual Result<> check_place() { return {}; }
  /// kUnavailable when nothing can be written at present. Outside of a transaction; it may wait for
  /// the disk or the server. `in_trouble`: it was so a moment ago, so a write is tried that changes
  /// nothing.
  virtual Result<> check([[maybe_unused]] bool in_trouble) { return check_place(); }
  /// Housekeeping between groups, after the writes were answered; nothing while none is wanted.
  virtual void after_group() {}
  virtual bool wants_after_group() const { return false; }

  Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values) final;
  Result<> query(std::string_view sql, const std::vector<Value>& values,
                 const std::function<Result<>(const Columns&)>& each, bool cache) final;
  /// See put.h, as the next.
  Result<> defer(std::string_view sql, std::vector<Value> values);
  using EachOfMany = std::function<Result<>(std::size_t, const Columns&)>;
  Result<> ask_each(std::string_view sql, const std::vector<std::vector<Value>>& lists,
                    const EachOfMany& each);
  /// The first failed statement since begin() or since the savepoint was set.
  const std::optional<Error>& failure() const { return failure_; }

 protected:
  virtual Result<std::int64_t> execute_statement(std::string_view sql,
                                                 const std::vector<Value>& values) = 0;
  virtual Result<> defer_statement(std::string_view sql, std::vector<Value> values) {
    TRY(execute_statement(sql, values));
    return {};
  }
  /// `row_error` receives an error that `each` gave: it is the caller's, not the statement's.
  virtual Result<> query_statement(std::string_view sql, const std::vector<Value>& values,
                                   const std::function<Result<>(const Columns&)>& each, bool cache,
                                   std::optional<Error>& row_error) = 0;
  virtual Result<> ask_each_statement(std::string_view sql,
                                      const std::vector<std::vector<Value>>& lists,
                                      const EachOfMany& each, std::optional<Error>& row_error);
  void forget_failure() { failure_.reset(); }

 private:
  std::optional<Error> failure_;
};

/// Where a pool gets its connections from. Any thread.
class Source {
 public:
  virtual ~Source() = default;
  virtual Engine engine() const = 0;
  virtual Result<std::unique_ptr<Connection>> connect(Connection::Access access) = 0;
  /// Keeps other processes from migrating until the returned lock is closed; an empty one where the
  /// engine's own transactions suffice.
  virtual Result<Fd> lock_migrations() = 0;
  /// Keeps a copy of the database before `migration` is applied; nothing where the engine has its
  /// own backups.
  virtual Result<> keep_copy(Connection& connection, const std::string& migration) = 0;
};

/// By the scheme of `uri`; kInvalid for one that is none of ours.
Result<std::unique_ptr<Source>> source_of(const std::string& uri, const PoolOptions& options);
Result<std::unique_ptr<Source>> sqlite_source(const std::string& path, const PoolOptions& options);
Result<std::unique_ptr<Source>> postgres_source(const std::string& uri, const PoolOptions& options);

/// `message` without anything that stands in the user info or the query of `uri`, percent-decoded
/// or not: people put passwords there, and a client library repeats what it cannot read. Where a
/// piece is too short to be cut out and leave sense, nothing of the message is left.
std::string without_secrets(std::string message, std::string_view uri);

/// What must hold for a bound value on both engines.
Result<> check_value(const Value& value);

}  // namespace slipway::db
