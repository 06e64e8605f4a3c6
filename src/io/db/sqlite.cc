#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "io/db/connection.h"
#include "io/db/migrate.h"
#include "io/db/statements.h"

namespace slipway::db {
namespace {

constexpr int kCheckpointPages = 1000;  // 4 MB of log: copied into the file between two groups
constexpr int kRestartPages =
    50'000;  // 200 MB: readers never let the log start over, wait for them
constexpr int kRestartWaitMs = 200;
constexpr std::uint64_t kSpaceMin = 1u << 20;  // with less, many a write does not fit

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

struct Kind {
  int sqlite_code;
  Code code;
  const char* tag;
};
// The first entry whose code is the extended code, else whose code is the primary one.
constexpr Kind kKinds[] = {
    {SQLITE_CONSTRAINT_UNIQUE, Code::kConflict, "unique"},
    {SQLITE_CONSTRAINT_PRIMARYKEY, Code::kConflict, "unique"},
    {SQLITE_CONSTRAINT_ROWID, Code::kConflict, "unique"},
    {SQLITE_CONSTRAINT_FOREIGNKEY, Code::kConflict, "foreign_key"},
    {SQLITE_CONSTRAINT, Code::kInternal, "constraint"},
    {SQLITE_FULL, Code::kUnavailable, "disk_full"},
    {SQLITE_IOERR, Code::kUnavailable, ""},
    {SQLITE_CANTOPEN, Code::kUnavailable, ""},
    {SQLITE_CORRUPT, Code::kUnavailable, "corrupt"},
    {SQLITE_NOTADB, Code::kUnavailable, "corrupt"},
    {SQLITE_READONLY, Code::kUnavailable, ""},
    {SQLITE_PERM, Code::kUnavailable, ""},
    {SQLITE_NOMEM, Code::kUnavailable, ""},
    {SQLITE_PROTOCOL, Code::kUnavailable, ""},
    {SQLITE_BUSY, Code::kBusy, ""},
    {SQLITE_LOCKED, Code::kBusy, ""},
    {SQLITE_TOOBIG, Code::kInvalid, "too_big"},
};

/// A path in a message; who takes SQLite's URIs for PostgreSQL's may have written a password behind
/// the '?'.
std::string shown(std::string_view path) {
  return std::string(path.substr(0, path.find('?')));
}

const Kind* find_kind(int sqlite_code) {
  for (const Kind& kind : kKinds) {
    if (kind.sqlite_code == sqlite_code) return &kind;
  }
  return nullptr;
}

Error error_of(sqlite3* database, int sqlite_code, std::string_view what) {
  std::string message = std::string(what) + ": " + sqlite3_errmsg(database);
  const Kind* kind = find_kind(sqlite_code);
  if (!kind) kind = find_kind(sqlite_code & 0xff);
  if (!kind) {
    // SQLite has no code of its own for this.
    bool pattern = message.find("pattern too complex") != std::string::npos;
    return pattern ? invalid(message) : internal(message);
  }
  Error error{kind->code, std::move(message), kind->tag};
  if ((sqlite_code & 0xff) != SQLITE_IOERR) return error;
  int reason = sqlite3_system_errno(database);
  if (reason == 0) return error;
  Error system = system_error(error.message, reason);
  return {error.code, system.message, system.tag};
}

/// Of a statement. What the disk, or another process, is to blame for says which database it is:
/// the statement that met with it is of no use to whoever frees some space.
Error error_of_statement(sqlite3* database, int sqlite_code, std::string_view sql) {
  const Kind* kind = find_kind(sqlite_code);
  if (!kind) kind = find_kind(sqlite_code & 0xff);
  const bool is_outside = kind && (kind->code == Code::kUnavailable || kind->code == Code::kBusy);
  if (!is_outside) return error_of(database, sqlite_code, sql);
  const char* file = sqlite3_db_filename(database, "main");
  const bool has_file = file != nullptr && *file != '\0';
  return error_of(database, sqlite_code, has_file ? "the database " + shown(file) : "the database");
}

class CurrentRow final : public Columns {
 public:
  explicit CurrentRow(sqlite3_stmt* statement) : statement_(statement) {}
  int count() const override { return sqlite3_column_count(statement_); }
  bool is_null(int i) const override { return sqlite3_column_type(statement_, i) == SQLITE_NULL; }
  std::int64_t int64(int i) const override { return sqlite3_column_int64(statement_, i); }
  double real(int i) const override { return sqlite3_column_double(statement_, i); }
  std::string_view text(int i) const override {
    return view(sqlite3_column_text(statement_, i), i);
  }
  std::string_view blob(int i) const override {
    return view(sqlite3_column_blob(statement_, i), i);
  }

 private:
  std::string_view view(const void* data, int i) const {
    if (!data) return {};
    return {static_cast<const char*>(data),
            static_cast<std::size_t>(sqlite3_column_bytes(statement_, i))};
  }
  sqlite3_stmt* statement_;
};

struct Bind {
  sqlite3_stmt* statement;
  int index;
  int operator()(std::monostate) const { return sqlite3_bind_null(statement, index); }
  int operator()(std::int64_t v) const { return sqlite3_bind_int64(statement, index, v); }
  int operator()(double v) const { return sqlite3_bind_double(statement, index, v); }
  // Static: the values outlive the steps, and every run binds all of them anew.
  int operator()(const std::string& v) const {
    return sqlite3_bind_text64(statement, index, v.data(), v.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  int operator()(const Blob& v) const {
    return sqlite3_bind_blob64(statement, index, v.bytes.data(), v.bytes.size(), SQLITE_STATIC);
  }
};

/// Bytes that this process may still use of the disk where `path` lies; all there can be where the
/// disk does not tell.
std::uint64_t free_beside(const char* path) {
  struct statvfs disk {};
  if (statvfs(path, &disk) != 0 || disk.f_blocks == 0) return ~std::uint64_t{0};
  const std::uint64_t blocks = geteuid() == 0 ? disk.f_bfree : disk.f_bavail;
  return blocks * disk.f_frsize;
}

class SqliteConnection final : public Connection {
 public:
  explicit SqliteConnection(Database database) : database_(std::move(database)) {
    sqlite3_wal_hook(database_.get(), &note_log_pages, this);
  }

  Engine engine() const override { return Engine::kSqlite; }

  Result<> begin(Access access) override {
    forget_failure();
    return control(access == Access::kWrite ? "begin immediate" : "begin");
  }
  Result<> commit() override {
    Result<> committed = control("commit");
    if (!committed.ok()) rollback();
    return committed;
  }
  void rollback() override {
    forget_failure();
    if (!in_transaction()) return;
    // A rollback that meets an I/O error leaves the pager in an error state, which the last reader
    // of the connection clears; the transaction is over all the same.
    if (Result<> undone = control("rollback"); !undone.ok()) {
      log_warning("a transaction was rolled back with an error",
                  {{"error", undone.error().message}});
    }
  }
  Result<> savepoint() override {
    forget_failure();
    return control("savepoint w");
  }
  Result<> release_savepoint() override { return control("release w"); }
  Result<> rollback_to_savepoint() override {
    forget_failure();
    TRY(control("rollback to w"));
    return control("release w");
  }

  Result<> script(std::string_view sql) override {
    while (!trim(sql).empty()) {
      const char* rest = nullptr;
      Statement statement = TRY(prepare(sql, 0, &rest));
      sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
      if (!statement) continue;  // only a comment
      int code = SQLITE_ROW;
      while (code == SQLITE_ROW) code = sqlite3_step(statement.get());
      if (code != SQLITE_DONE) return error_of(database_.get(), code, "running a migration");
    }
    return {};
  }

  bool in_transaction() const override { return sqlite3_get_autocommit(database_.get()) == 0; }
  bool usable() const override { return true; }

  Result<> check_place() override {
    int moved = 0;  // stays 0 on a file system that cannot tell
    sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved == 0) return {};
    return Error{Code::kUnavailable,
                 "the database file " + shown(sqlite3_db_filename(database_.get(), "main")) +
                     " was deleted or replaced while this server ran, so nothing is written any "
                     "more; put it back and restart the server",
                 "moved"};
  }

  Result<> check(bool in_trouble) override {
    TRY(check_place());
    TRY(check_space());
    // Whoever asks is not kept waiting: it is looked at again soon.
    sqlite3_busy_timeout(database_.get(), 0);
    Result<> tried = in_trouble ? try_write() : try_lock();
    sqlite3_busy_timeout(database_.get(), busy_timeout_ms_);
    const bool is_locked = !tried.ok() && tried.error().code == Code::kBusy;
    const auto now = std::chrono::steady_clock::now();
    if (!is_locked) locked_since_.reset();
    if (!is_locked || in_trouble) return tried;
    if (!locked_since_) locked_since_ = now;
    // A write would still wait.
    const bool is_long = now - *locked_since_ >= std::chrono::milliseconds(busy_timeout_ms_);
    return is_long ? tried : Result<>();
  }

  bool wants_after_group() const override { return log_pages_ >= kCheckpointPages; }
  void after_group() override {
    if (!wants_after_group()) return;
    int mode = SQLITE_CHECKPOINT_PASSIVE;
    if (log_pages_ >= kRestartPages) {
      mode = SQLITE_CHECKPOINT_RESTART;
      sqlite3_busy_timeout(database_.get(), kRestartWaitMs);
    }
    // An error (a full disk, say) is no loss: the log keeps the pages, and the next group tries
    // again.
    sqlite3_wal_checkpoint_v2(database_.get(), nullptr, mode, nullptr, nullptr);
    if (mode == SQLITE_CHECKPOINT_RESTART) sqlite3_busy_timeout(database_.get(), busy_timeout_ms_);
  }

  Result<> configure(const PoolOptions& options, Access access);
  /// What a copy of the database takes at most.
  Result<std::uint64_t> size() {
    const std::string pages = TRY(pragma("pragma page_count"));
    const std::string page_bytes = TRY(pragma("pragma page_size"));
    return std::strtoull(pages.c_str(), nullptr, 10) *
           std::strtoull(page_bytes.c_str(), nullptr, 10);
  }
  /// Without a transaction: copies into a new file. `tell` is called now and then.
  Result<> vacuum_into(const std::string& path, const std::function<void()>& tell) {
    Statement statement = TRY(prepare("vacuum into ?", 0, nullptr));
    sqlite3_bind_text64(statement.get(), 1, path.data(), path.size(), SQLITE_STATIC, SQLITE_UTF8);
    constexpr int kInstructions = 10'000;
    auto on_progress = [](void* told) {
      (*static_cast<const std::function<void()>*>(told))();
      return 0;
    };
    void* told = const_cast<std::function<void()>*>(&tell);
    sqlite3_progress_handler(database_.get(), kInstructions, on_progress, told);
    int code = sqlite3_step(statement.get());
    sqlite3_progress_handler(database_.get(), 0, nullptr, nullptr);
    if (code != SQLITE_DONE) return error_of(database_.get(), code, "copying to " + path);
    return {};
  }

 protected:
  Result<std::int64_t> execute_statement(std::string_view sql,
                                         const std::vector<Value>& values) override {
    std::int64_t before = sqlite3_total_changes64(database_.get());
    Lease lease = TRY(bound(sql, values, true));
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW) code = sqlite3_step(lease.statement);
    if (code != SQLITE_DONE) return error_of_statement(database_.get(), code, sql);
    // changes() keeps the number of the last insert, update or delete.
    if (sqlite3_total_changes64(database_.get()) == before) return std::int64_t{0};
    return static_cast<std::int64_t>(sqlite3_changes64(database_.get()));
  }

  Result<> query_statement(std::string_view sql, const std::vector<Value>& values,
                           const std::function<Result<>(const Columns&)>& each, bool cache,
                           std::optional<Error>& row_error) override {
    Lease lease = TRY(bound(sql, values, cache));
    CurrentRow row(lease.statement);
    while (true) {
      int code = sqlite3_step(lease.statement);
      if (code == SQLITE_DONE) return {};
      if (code != SQLITE_ROW) return error_of_statement(database_.get(), code, sql);
      Result<> taken = each(row);
      if (taken.ok()) continue;
      row_error = taken.error();
      return {};
    }
  }

 private:
  struct Cached {
    Statement statement;
    bool in_use = false;
  };
  /// A statement for one run: back to the cache, or finalized.
  struct Lease {
    sqlite3_stmt* statement = nullptr;
    Statement owned;
    Cached* cached = nullptr;

    Lease(Statement s) : statement(s.get()), owned(std::move(s)) {}
    explicit Lease(Cached& c) : statement(c.statement.get()), cached(&c) { c.in_use = true; }
    Lease(Lease&& other) noexcept
        : statement(other.statement),
          owned(std::move(other.owned)),
          cached(std::exchange(other.cached, nullptr)) {}
    ~Lease() {
      if (!cached) return;
      sqlite3_reset(statement);
      cached->in_use = false;
    }
  };

  Result<> check_space() const {
    const char* file = sqlite3_db_filename(database_.get(), "main");
    if (free_beside(file) >= kSpaceMin) return {};
    return Error{Code::kUnavailable,
                 "the disk of the database file " + shown(file) +
                     " is full, or nearly so: less than 1 MiB is free",
                 "disk_full"};
  }

  Result<> try_lock() {
    TRY(begin(Access::kWrite));
    rollback();
    return {};
  }
  Result<> try_write() {
    TRY(begin(Access::kWrite));
    Result<> written = write_what_is_there();
    if (written.ok()) return commit();
    rollback();
    return written;
  }
  Result<> write_what_is_there() {
    const std::string version = TRY(pragma("pragma user_version"));
    TRY(pragma("pragma user_version = " + version));
    return {};
  }

  static int note_log_pages(void* self, sqlite3*, const char*, int pages) {
    static_cast<SqliteConnection*>(self)->log_pages_ = pages;
    return SQLITE_OK;
  }

  Result<Statement> prepare(std::string_view sql, unsigned flags, const char** rest) {
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()), flags,
                                  &statement, rest);
    if (code != SQLITE_OK) return error_of_statement(database_.get(), code, sql);
    return Statement(statement);
  }

  Result<Lease> lease(std::string_view sql, bool cache) {
    if (last_ && !last_->second->in_use && last_->first == sql) return Lease(*last_->second);
    auto found = statements_.find(sql);
    if (found != statements_.end() && !found->second->in_use) {
      last_ = &*found;
      return Lease(*found->second);
    }
    // A query inside the rows of the same query has a statement of its own.
    bool keep = cache && found == statements_.end();
    Statement statement = TRY(prepare(sql, keep ? SQLITE_PREPARE_PERSISTENT : 0, nullptr));
    if (!statement) return internal("an empty statement");
    if (!keep) return Lease(std::move(statement));
    if (statements_.size() >= kStatementsMax) forget_idle_statements();
    auto cached = std::make_unique<Cached>(Cached{std::move(statement)});
    return Lease(*statements_.emplace(sql, std::move(cached)).first->second);
  }
  void forget_idle_statements() {
    last_ = nullptr;
    std::erase_if(statements_, [](const auto& entry) { return !entry.second->in_use; });
  }

  Result<Lease> bound(std::string_view sql, const std::vector<Value>& values, bool cache) {
    for (const Value& value : values) TRY(check_value(value));
    Lease taken = TRY(lease(sql, cache));
    if (sqlite3_bind_parameter_count(taken.statement) != static_cast<int>(values.size())) {
      return internal(std::to_string(values.size()) + " values given to: " + std::string(sql));
    }
    int index = 0;
    for (const Value& value : values) {
      int code = std::visit(Bind{taken.statement, ++index}, value.get());
      if (code != SQLITE_OK) return error_of_statement(database_.get(), code, sql);
    }
    return taken;
  }

  /// Transaction control: not what Tx counts as a failed statement.
  Result<> control(std::string_view sql) {
    Lease taken = TRY(lease(sql, true));
    int code = sqlite3_step(taken.statement);
    if (code != SQLITE_DONE) return error_of_statement(database_.get(), code, sql);
    return {};
  }

  Result<std::string> pragma(const std::string& sql) {
    Statement statement = TRY(prepare(sql, 0, nullptr));
    int code = sqlite3_step(statement.get());
    if (code == SQLITE_DONE) return std::string();
    if (code != SQLITE_ROW) return error_of_statement(database_.get(), code, sql);
    return std::string(CurrentRow(statement.get()).text(0));
  }

  /// SQLite does not wait when another process turns the log of a new file on at the same moment.
  Result<std::string> turn_on_log() {
    constexpr std::chrono::milliseconds kPause{2};
    auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(busy_timeout_ms_);
    while (true) {
      Result<std::string> mode = pragma("pragma journal_mode=wal");
      if (mode.ok() || mode.error().code != Code::kBusy) return mode;
      if (std::chrono::steady_clock::now() > end) return mode;
      std::this_thread::sleep_for(kPause);
    }
  }

  Database database_;
  using Cache = Statements<std::unique_ptr<Cached>>;
  Cache statements_;  // dies before the database
  const Cache::value_type* last_ = nullptr;  // the same one often comes many times in a row
  int log_pages_ = 0;
  int busy_timeout_ms_ = 0;
  std::optional<std::chrono::steady_clock::time_point> locked_since_;  // by another, when looked at
};

Result<> SqliteConnection::configure(const PoolOptions& options, Access access) {
  busy_timeout_ms_ = static_cast<int>(options.busy_timeout.count());
  sqlite3_busy_timeout(database_.get(), busy_timeout_ms_);
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // "x" is a name, never a text: PostgreSQL sees it so, and a slip shows at once.
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  if (access == Access::kWrite) {
    std::string mode = TRY(turn_on_log());
    if (mode != "wal") return unavailable("this file system has no write-ahead log for SQLite");
    TRY(pragma("pragma journal_size_limit=67108864"));
  }
  TRY(pragma("pragma synchronous=full"));
  TRY(pragma("pragma foreign_keys=on"));
  TRY(pragma("pragma case_sensitive_like=on"));
  TRY(pragma("pragma temp_store=memory"));
  TRY(pragma("pragma secure_delete=fast"));
  TRY(pragma("pragma trusted_schema=off"));
  TRY(pragma("pragma cache_size=-8192"));
  return {};
}

/// Tells how far the copy of a large database is: nobody should take it for a server that hangs.
class CopyProgress {
 public:
  CopyProgress(std::string file, std::uint64_t bytes, const std::string& migration)
      : file_(std::move(file)), bytes_(bytes) {
    if (bytes_ < kLarge) return;
    log_info("a copy of the catalogue is kept before a migration",
             {{"migration", migration}, {"mib", static_cast<std::int64_t>(bytes_ >> 20)}});
  }
  void tell() {
    const auto now = std::chrono::steady_clock::now();
    if (bytes_ < kLarge || now < next_) return;
    next_ = now + std::chrono::seconds(2);
    std::error_code ignored;
    const std::uintmax_t written = std::filesystem::file_size(file_, ignored);
    if (ignored) return;
    log_info("copying the catalogue",
             {{"percent", static_cast<std::int64_t>(written * 100 / bytes_)},
              {"mib", static_cast<std::int64_t>(written >> 20)}});
  }

 private:
  static constexpr std::uint64_t kLarge = 64u << 20;
  std::string file_;
  std::uint64_t bytes_;
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(2);
};

class SqliteSource final : public Source {
 public:
  SqliteSource(std::string path, PoolOptions options)
      : path_(std::move(path)), options_(std::move(options)) {}

  Engine engine() const override { return Engine::kSqlite; }

  Result<std::unique_ptr<Connection>> connect(Connection::Access access) override {
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (access == Connection::Access::kRead)
      flags |= SQLITE_OPEN_READONLY;
    else
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    sqlite3* opened = nullptr;
    int code = sqlite3_open_v2(path_.c_str(), &opened, flags,
                               options_.sqlite_vfs.empty() ? nullptr : options_.sqlite_vfs.c_str());
    Database database(opened);
    if (code != SQLITE_OK) return error_of(opened, code, "opening " + shown(path_));
    auto connection = std::make_unique<SqliteConnection>(std::move(database));
    if (Result<> set = connection->configure(options_, access); !set.ok()) {
      return with_context("opening " + shown(path_), set.error());
    }
    return std::unique_ptr<Connection>(std::move(connection));
  }

  Result<Fd> lock_migrations() override {
    std::string name = path_ + ".migrating";
    Fd lock(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!lock) return system_error("cannot open " + name, errno);
    while (flock(lock.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return system_error("cannot lock " + name, errno);
    }
    return lock;
  }

  Result<> keep_copy(Connection& connection, const std::string& migration) override {
    namespace fs = std::filesystem;
    auto& database = static_cast<SqliteConnection&>(connection);
    const std::uint64_t bytes = TRY(database.size());
    const std::string folder = fs::path(path_).parent_path();
    TRY(check_room_for_copy(shown(path_), migration, bytes, free_beside(folder.c_str())));
    std::string copy = path_ + ".before-" + replace_all(migration, "/", "-");
    std::string unfinished = copy + ".tmp";
    std::error_code ignored;
    fs::remove(unfinished, ignored);
    CopyProgress progress(unfinished, bytes, migration);
    TRY(database.vacuum_into(unfinished, [&] { progress.tell(); }));
    Fd file(open(unfinished.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return system_error("cannot open " + unfinished, errno);
    if (fsync(file.get()) != 0) return system_error("cannot sync " + unfinished, errno);
    if (std::rename(unfinished.c_str(), copy.c_str()) != 0) {
      return system_error("cannot rename " + unfinished, errno);
    }
    return sync_folder(fs::path(copy).parent_path());
  }

 private:
  const std::string path_;
  const PoolOptions options_;
};

/// Once, before SQLite is first used: nobody asks how much memory it has, and to count it every one
/// of its allocations would wait for one lock.
void leave_memory_uncounted() {
  [[maybe_unused]] static const int done = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

}  // namespace

Result<std::unique_ptr<Source>> sqlite_source(const std::string& path, const PoolOptions& options) {
  if (!path.starts_with('/')) {
    // The rest may hold a password.
    return invalid(
        "a SQLite database is named by an absolute path, sqlite:///abs/path; three "
        "slashes, no host and no user");
  }
  if (options.read_only && access(path.c_str(), F_OK) != 0) {
    return missing("there is no database at " + shown(path));
  }
  leave_memory_uncounted();
  return std::unique_ptr<Source>(std::make_unique<SqliteSource>(path, options));
}

}  // namespace slipway::db
