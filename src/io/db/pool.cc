#include <atomic>
#include <condition_variable>
#include <mutex>

#include "io/db/connection.h"
#include "io/db/foreign.h"
#include "io/db/migrate.h"
#include "io/db/writer.h"

namespace slipway::db {
namespace {

/// A bounded set of connections for readers. Any thread.
class Readers {
 public:
  Readers(Source& source, const PoolOptions& options)
      : source_(source), max_(options.readers_max), wait_(options.reader_wait) {}

  /// A connection with a snapshot begun.
  Result<std::unique_ptr<Connection>> take() {
    std::unique_ptr<Connection> connection = TRY(idle_or_place());
    if (connection) {
      Result<> begun = connection->begin(Connection::Access::kRead);
      if (begun.ok()) return connection;
      // PostgreSQL may say that it ends a connection before the end of it is seen.
      if (connection->usable() && begun.error().code != Code::kUnavailable) {
        give(std::move(connection));
        return begun.error();
      }
    }
    Result<std::unique_ptr<Connection>> fresh = connect();
    if (!fresh.ok()) give(nullptr);
    return fresh;
  }

  /// Null gives only the place back.
  void give(std::unique_ptr<Connection> connection) {
    {
      std::lock_guard lock(mutex_);
      --taken_;
      if (connection && connection->usable()) idle_.push_back(std::move(connection));
    }
    freed_.notify_one();
  }

 private:
  Result<std::unique_ptr<Connection>> idle_or_place() {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, wait_, [&] { return taken_ < max_; })) {
      return busy("all " + std::to_string(max_) +
                  " readers of the database are in use; try again later");
    }
    ++taken_;
    if (idle_.empty()) return std::unique_ptr<Connection>();
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  Result<std::unique_ptr<Connection>> connect() {
    std::unique_ptr<Connection> connection = TRY(source_.connect(Connection::Access::kRead));
    TRY(connection->begin(Connection::Access::kRead));
    return connection;
  }

  Source& source_;
  const int max_;
  const std::chrono::milliseconds wait_;
  std::mutex mutex_;
  std::condition_variable freed_;
  int taken_ = 0;
  std::vector<std::unique_ptr<Connection>> idle_;
};

class SharedPool final : public Pool {
 public:
  SharedPool(std::unique_ptr<Source> source, std::unique_ptr<Connection> writing, Metrics& metrics,
             const PoolOptions& options)
      : source_(std::move(source)), readers_(*source_, options) {
    if (writing) writer_.emplace(*source_, std::move(writing), metrics, options);
  }
  /// What was queued is written; who asks for more when told of it is refused.
  ~SharedPool() override {
    closing_ = true;
    writer_.reset();
  }

  Engine engine() const override { return source_->engine(); }
  Result<> health() override {
    if (writer_) return writer_->health();
    return {};
  }

 protected:
  Result<> read_erased(const std::function<Result<>(Tx&)>& f) override {
    struct GiveBack {
      ~GiveBack() {
        connection->rollback();
        readers.give(std::move(connection));
      }
      Readers& readers;
      std::unique_ptr<Connection> connection;
    };
    GiveBack taken{readers_, TRY(readers_.take())};
    TRY(f(*taken.connection));
    if (taken.connection->failure()) return *taken.connection->failure();
    return {};
  }

  Result<> write_erased(const std::function<Result<>(Tx&)>& f) override {
    if (!writer_) return read_only_error();
    return writer_->wait_for(f);
  }

  void enqueue(UniqueFunction<Result<>(Tx&)> f, Done<> done) override {
    if (closing_) return done(unavailable("the database is being closed"));
    if (!writer_) return done(read_only_error());
    writer_->enqueue(std::move(f), std::move(done));
  }

 private:
  static Error read_only_error() { return denied("the database was opened for reading only"); }

  std::unique_ptr<Source> source_;
  Readers readers_;
  std::optional<Writer> writer_;
  std::atomic<bool> closing_{false};
};

}  // namespace

Result<std::unique_ptr<Source>> source_of(const std::string& uri, const PoolOptions& options) {
  constexpr std::string_view kSqlite = "sqlite://";
  if (uri.starts_with(kSqlite)) return sqlite_source(uri.substr(kSqlite.size()), options);
  if (uri.starts_with("postgresql://") || uri.starts_with("postgres://")) {
    return postgres_source(uri, options);
  }
  // The rest of a URI may hold a password.
  return invalid("a database is named sqlite:///abs/path or postgresql://...; got " +
                 uri.substr(0, uri.find(':')) + ":...");
}

Result<std::unique_ptr<Pool>> Pool::open(const std::string& uri,
                                         const std::vector<Migration>& migrations, Metrics& metrics,
                                         PoolOptions options) {
  if (options.readers_max < 1 || options.group_max < 1 || options.write_queue_max < 1) {
    return internal("a bound of a database pool is below 1");
  }
  std::unique_ptr<Source> source = TRY(source_of(uri, options));
  auto access = options.read_only ? Connection::Access::kRead : Connection::Access::kWrite;
  std::unique_ptr<Connection> connection = TRY(source->connect(access));
  if (options.read_only) {
    TRY(check_migrated(*connection, migrations));
    connection.reset();
  } else {
    TRY(migrate(*source, *connection, migrations));
  }
  return std::unique_ptr<Pool>(
      std::make_unique<SharedPool>(std::move(source), std::move(connection), metrics, options));
}

Result<std::unique_ptr<Pool>> open_foreign(const std::string& uri, Metrics& metrics) {
  PoolOptions options;
  options.read_only = true;
  options.readers_max = 1;
  std::unique_ptr<Source> source = TRY(source_of(uri, options));
  TRY(source->connect(Connection::Access::kRead));  // says at once what is wrong with it
  return std::unique_ptr<Pool>(
      std::make_unique<SharedPool>(std::move(source), nullptr, metrics, options));
}

std::string like_sql(Engine engine, std::string_view column, bool ignore_case, bool negated) {
  std::string left(column);
  std::string right = "?";
  if (ignore_case) {
    // Both engines fold ASCII only: PostgreSQL by the collation, SQLite always.
    std::string_view byte_order = engine == Engine::kPostgres ? " collate \"C\"" : "";
    left = "lower(" + left + std::string(byte_order) + ")";
    right = engine == Engine::kPostgres ? "lower(?::text collate \"C\")" : "lower(?)";
  }
  std::string sql = left + (negated ? " not like " : " like ") + right;
  // PostgreSQL takes a backslash for an escape unless told otherwise.
  return engine == Engine::kPostgres ? sql + " escape ''" : sql;
}

}  // namespace slipway::db
