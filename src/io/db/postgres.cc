#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>

#include "base/text.h"
#include "io/db/connection.h"
#include "io/db/libpq.h"
#include "io/db/statements.h"

namespace slipway::db {
namespace {

// Every writer of a database (of a schema, strictly) holds this lock from begin to commit, so that
// write transactions are serial as on SQLite. The first number only keeps clear of locks that
// others may take in the same database.
constexpr char kBeginWrite[] = "begin isolation level read committed read write";
constexpr char kLockWrites[] =
    "select pg_advisory_xact_lock(1936288112, hashtext(current_schema()))";
constexpr char kBeginRead[] = "begin isolation level repeatable read read only";

// A server that keeps others from writing gives up, or is given up when its machine is gone; an
// acknowledged commit is on disk.
constexpr char kConfigure[] =
    "set client_min_messages = warning; set lock_timeout = '30s'; set bytea_output = hex; "
    "set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3; "
    "set tcp_user_timeout = 5000; "
    "set extra_float_digits = 1; set standard_conforming_strings = on; "
    "select set_config('synchronous_commit', 'on', false) "
    "  where current_setting('synchronous_commit') = 'off'";

// A transaction that reads is in nobody's way.
constexpr char kIdleReader[] = "set idle_in_transaction_session_timeout = '60s'";
constexpr char kIdleWriter[] = "set idle_in_transaction_session_timeout = '10s'";

struct ClearResult {
  const Libpq* pq;
  void operator()(PGresult* result) const { pq->clear(result); }
};
using ResultSet = std::unique_ptr<PGresult, ClearResult>;
struct FinishConnection {
  const Libpq* pq;
  void operator()(PGconn* connection) const { pq->finish(connection); }
};
using Session = std::unique_ptr<PGconn, FinishConnection>;

struct Kind {
  const char* state;  // a whole SQLSTATE, or its class of two letters
  Code code;
  const char* tag;
};
constexpr Kind kKinds[] = {
    {"23505", Code::kConflict, "unique"},
    {"23503", Code::kConflict, "foreign_key"},
    {"23", Code::kInternal, "constraint"},
    {"40001", Code::kBusy, "gave_way"},
    {"40P01", Code::kBusy, "gave_way"},
    {"55P03", Code::kBusy, ""},
    {"22021", Code::kInvalid, ""},
    {"22P05", Code::kInvalid, ""},
    {"22003", Code::kInvalid, ""},
    {"54", Code::kInvalid, "too_big"},
    {"53100", Code::kUnavailable, "disk_full"},
    {"53", Code::kUnavailable, ""},
    {"57", Code::kUnavailable, ""},
    {"58", Code::kUnavailable, ""},
    {"08", Code::kUnavailable, ""},
    {"25P03", Code::kUnavailable, ""},
    {"28", Code::kUnavailable, ""},
    {"42501", Code::kDenied, "rights"},
};

constexpr char kHowToCreate[] =
    "; create it with: create database slipway template template0 encoding 'UTF8' lc_collate 'C' "
    "lc_ctype 'C'";
constexpr char kHowToGrant[] =
    "; the user of the URI makes and changes tables: as the database's owner say `grant usage, "
    "create on schema NAME to USER`, or let that user own it";

Error error_of_state(std::string_view state, std::string message) {
  for (const Kind& kind : kKinds) {
    if (!state.starts_with(kind.state)) continue;
    if (kind.code == Code::kDenied) message += kHowToGrant;
    return {kind.code, std::move(message), kind.tag};
  }
  return internal(std::move(message));
}

/// "\x0aff" as PostgreSQL writes bytes.
std::string from_hex(std::string_view text) {
  auto digit = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  };
  std::string bytes;
  if (!text.starts_with("\\x")) return std::string(text);
  bytes.reserve(text.size() / 2);
  for (std::size_t at = 2; at + 1 < text.size(); at += 2) {
    bytes += static_cast<char>(digit(text[at]) << 4 | digit(text[at + 1]));
  }
  return bytes;
}

class CurrentRow final : public Columns {
 public:
  CurrentRow(const Libpq& pq, PGresult* result) : pq_(pq), result_(result) {}
  void move_to(int row) {
    row_ = row;
    decoded_.clear();
  }
  int count() const override { return pq_.nfields(result_); }
  bool is_null(int i) const override { return pq_.getisnull(result_, row_, i) != 0; }
  std::int64_t int64(int i) const override {
    std::string_view digits = text(i);
    if (digits == "t") return 1;
    if (std::optional<std::int64_t> whole = to_int64(digits)) return *whole;
    return static_cast<std::int64_t>(real(i));
  }
  double real(int i) const override { return to_double(text(i)).value_or(0); }
  std::string_view text(int i) const override {
    return {pq_.getvalue(result_, row_, i),
            static_cast<std::size_t>(pq_.getlength(result_, row_, i))};
  }
  std::string_view blob(int i) const override {
    decoded_.push_back(std::make_unique<std::string>(from_hex(text(i))));
    return *decoded_.back();
  }

 private:
  const Libpq& pq_;
  PGresult* result_;
  int row_ = 0;
  mutable std::vector<std::unique_ptr<std::string>>
      decoded_;  // views stay valid until the next row
};

/// Values in the form libpq takes: texts in its text format, bytes in the binary one.
struct Parameters {
  std::vector<std::string> numbers;
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats;

  explicit Parameters(const std::vector<Value>& given) {
    numbers.reserve(given.size());  // pointers into it stay
    for (const Value& value : given) std::visit(*this, value.get());
  }
  void operator()(std::monostate) { add(nullptr, 0, 0); }
  void operator()(std::int64_t v) { add(numbers.emplace_back(std::to_string(v))); }
  void operator()(double v) { add(numbers.emplace_back(python_repr(v))); }
  void operator()(const std::string& v) { add(v); }
  void operator()(const Blob& v) { add(v.bytes.data(), v.bytes.size(), 1); }

 private:
  void add(const std::string& text) { add(text.c_str(), text.size(), 0); }
  void add(const char* data, std::size_t size, int format) {
    values.push_back(data);
    lengths.push_back(static_cast<int>(size));
    formats.push_back(format);
  }
};

class PostgresConnection final : public Connection {
 public:
  PostgresConnection(const Libpq& pq, Session session) : pq_(pq), session_(std::move(session)) {}

  Engine engine() const override { return Engine::kPostgres; }

  Result<> begin(Access access) override {
    forget_failure();
    forget_deferred();
    savepoint_released_ = false;
    if (access == Access::kWrite) {
      // Sent with the first statement that is waited for.
      begins_ = true;
      TRY(defer_command(kBeginWrite));
      return defer_command(kLockWrites);
    }
    Result<> begun = script(kBeginRead);
    if (!begun.ok()) rollback();
    return begun;
  }
  Result<> commit() override {
    outcome_unknown_ = false;
    failed_late_ = Late::kNo;
    Result<ResultSet> committed = command("commit");
    if (!usable()) {
      outcome_unknown_ = true;
      return Error{Code::kUnavailable,
                   "the connection to PostgreSQL was lost during a commit; it is not known whether "
                   "the change was saved",
                   "outcome_unknown"};
    }
    if (!committed.ok()) {
      rollback();
      return committed.error();
    }
    // A transaction that a failed statement had ended answers a commit with a rollback, and no
    // error.
    if (std::strcmp(pq_.cmd_status(committed->get()), "COMMIT") != 0) {
      return failure() ? *failure() : internal("PostgreSQL rolled a commit back");
    }
    return {};
  }
  void rollback() override {
    forget_failure();
    forget_deferred();
    if (!usable() || !in_transaction()) return;
    Result<ResultSet> ignored = exec("rollback");  // an error shows in usable()
  }

  // Released lazily, together with the next one: one round trip per write.
  Result<> savepoint() override {
    forget_failure();
    if (std::exchange(savepoint_released_, false)) TRY(defer_command("release savepoint w"));
    return defer_command("savepoint w");
  }
  Result<> release_savepoint() override {
    savepoint_released_ = true;
    return {};
  }
  Result<> rollback_to_savepoint() override {
    forget_failure();
    TRY(command("rollback to savepoint w"));
    return defer_command("release savepoint w");
  }

  Result<> script(std::string_view sql) override {
    TRY(send_deferred());
    TRY(exec(std::string(sql)));
    return {};
  }
  bool in_transaction() const override {
    if (begins_) return true;
    PGTransactionStatusType status = pq_.transaction_status(session_.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
  }
  bool usable() const override { return !broken_ && pq_.status(session_.get()) == CONNECTION_OK; }
  bool outcome_unknown() const override { return outcome_unknown_; }
  Late failed_late() const override { return failed_late_; }
  Result<> check(bool) override { return script("select 1"); }

  Result<> configure(Access access);

 protected:
  Result<std::int64_t> execute_statement(std::string_view sql,
                                         const std::vector<Value>& values) override {
    ResultSet result = TRY(run_statement(sql, values, true));
    return to_int64(pq_.cmd_tuples(result.get())).value_or(0);
  }

  Result<> defer_statement(std::string_view sql, std::vector<Value> values) override {
    const Prepared statement = TRY(prepared(sql));
    TRY(check_values(sql, values, statement.placeholders));
    return defer_one({statement.name, std::string(sql), std::move(values)});
  }

  Result<> query_statement(std::string_view sql, const std::vector<Value>& values,
                           const std::function<Result<>(const Columns&)>& each, bool cache,
                           std::optional<Error>& row_error) override {
    ResultSet result = TRY(run_statement(sql, values, cache));
    take_rows(result.get(), each, row_error);
    return {};
  }

  Result<> ask_each_statement(std::string_view sql, const std::vector<std::vector<Value>>& lists,
                              const EachOfMany& each, std::optional<Error>& row_error) override {
    if (lists.empty()) return {};
    const Prepared statement = TRY(prepared(sql));
    for (std::size_t at = 0; at < lists.size() && !row_error; at += kDeferredMax) {
      const std::size_t end = std::min(at + kDeferredMax, lists.size());
      std::vector<Deferred> asked;
      for (std::size_t i = at; i < end; ++i) {
        TRY(check_values(sql, lists[i], statement.placeholders));
        asked.push_back({statement.name, std::string(sql), lists[i]});
      }
      const std::vector<ResultSet> results = TRY(send_all(std::move(asked)));
      for (std::size_t i = at; i < end && !row_error; ++i) {
        take_rows(
            results[i - at].get(), [&](const Columns& columns) { return each(i, columns); },
            row_error);
      }
    }
    return {};
  }

 private:
  struct Prepared {
    std::string name;
    int placeholders = 0;
  };
  /// What is sent with the next statement that is waited for.
  struct Deferred {
    std::string name;  // of a prepared statement; empty: `sql` itself
    std::string sql;
    std::vector<Value> values;
  };
  static constexpr std::size_t kDeferredMax = 400;
  static constexpr std::size_t kDeferredBytesMax = 4u << 20;

  void take_rows(PGresult* result, const std::function<Result<>(const Columns&)>& each,
                 std::optional<Error>& row_error) {
    CurrentRow row(pq_, result);
    for (int index = 0; index < pq_.ntuples(result); ++index) {
      row.move_to(index);
      Result<> taken = each(row);
      if (taken.ok()) continue;
      row_error = taken.error();
      return;
    }
  }

  Result<> defer_command(const char* sql) { return defer_one({"", sql, {}}); }
  Result<> defer_one(Deferred one) {
    failed_late_ = Late::kNo;
    for (const Value& value : one.values) deferred_bytes_ += bytes_of(value);
    deferred_.push_back(std::move(one));
    const bool fits = deferred_.size() < kDeferredMax && deferred_bytes_ < kDeferredBytesMax;
    return fits ? Result<>() : send_deferred();
  }
  static std::size_t bytes_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value.get())) return text->size();
    if (const auto* blob = std::get_if<Blob>(&value.get())) return blob->bytes.size();
    return sizeof(double);
  }
  void forget_deferred() {
    deferred_.clear();
    deferred_bytes_ = 0;
    begins_ = false;
  }
  Result<> send_deferred() {
    if (deferred_.empty()) return {};
    TRY(command(""));
    return {};
  }
  /// What was deferred, then `sql` (if any), without values.
  Result<ResultSet> command(const char* sql) {
    if (deferred_.empty()) return exec(sql);
    return *sql != '\0' ? send_last({"", sql, {}}) : send_rest();
  }
  Result<ResultSet> send_last(Deferred last) {
    std::vector<Deferred> asked;
    asked.push_back(std::move(last));
    std::vector<ResultSet> results = TRY(send_all(std::move(asked)));
    return std::move(results.front());
  }
  Result<ResultSet> send_rest() {
    TRY(send_all({}));
    return ResultSet(nullptr, ClearResult{&pq_});
  }

  /// What was deferred, then `asked`, in one go; the results of those asked, or the first error.
  Result<std::vector<ResultSet>> send_all(std::vector<Deferred> asked) {
    std::vector<Deferred> all = std::exchange(deferred_, {});
    const std::size_t deferred = all.size();
    const std::size_t beginning = begins_ ? 2 : 0;  // the begin and the lock
    forget_deferred();
    failed_late_ = Late::kNo;
    std::move(asked.begin(), asked.end(), std::back_inserter(all));
    if (pq_.enter_pipeline_mode(session_.get()) == 0) return lost("cannot send statements at once");
    bool sent = true;
    for (const Deferred& one : all) sent = sent && send(one);
    sent = sent && pq_.pipeline_sync(session_.get()) != 0;
    if (!sent) return lost("cannot send statements");
    std::optional<Error> first_error;
    std::vector<ResultSet> results;
    for (std::size_t i = 0; i < all.size(); ++i) {
      Result<ResultSet> taken = take(all[i].sql);
      if (taken.ok()) {
        if (i >= deferred) results.push_back(std::move(*taken));
        continue;
      }
      if (!usable()) return taken.error();
      // What follows is not carried out.
      if (first_error) continue;
      first_error = taken.error();
      if (i < deferred) failed_late_ = i < beginning ? Late::kBegin : Late::kStatement;
    }
    ResultSet sync(pq_.get_result(session_.get()), ClearResult{&pq_});
    if (!sync || pq_.exit_pipeline_mode(session_.get()) == 0) return lost("cannot end a pipeline");
    if (first_error) return *first_error;
    return results;
  }
  bool send(const Deferred& one) {
    const Parameters parameters(one.values);
    const int count = static_cast<int>(one.values.size());
    if (one.name.empty()) {
      return pq_.send_query_params(session_.get(), one.sql.c_str(), count, nullptr,
                                   parameters.values.data(), parameters.lengths.data(),
                                   parameters.formats.data(), 0) != 0;
    }
    return pq_.send_query_prepared(session_.get(), one.name.c_str(), count,
                                   parameters.values.data(), parameters.lengths.data(),
                                   parameters.formats.data(), 0) != 0;
  }
  /// The next result of a pipeline.
  Result<ResultSet> take(std::string_view sql) {
    PGresult* first = pq_.get_result(session_.get());
    if (first == nullptr) return lost(sql);
    Result<ResultSet> result = checked(first, sql);
    while (PGresult* more = pq_.get_result(session_.get())) pq_.clear(more);
    return result;
  }
  /// Where the protocol is nobody knows: such a connection can only be ended.
  Error lost(std::string_view what) {
    std::string why(trim(pq_.error_message(session_.get())));
    broken_ = true;
    return unavailable("PostgreSQL: " + std::string(what) + ": " + why);
  }

  /// The result, or the error in it.
  Result<ResultSet> checked(PGresult* raw, std::string_view sql) {
    ResultSet result(raw, ClearResult{&pq_});
    ExecStatusType status = raw ? pq_.result_status(raw) : PGRES_FATAL_ERROR;
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return result;
    const char* state = raw ? pq_.result_error_field(raw, PG_DIAG_SQLSTATE) : nullptr;
    const char* primary = raw ? pq_.result_error_field(raw, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
    const std::string why(trim(primary ? primary : pq_.error_message(session_.get())));
    // What the server, or its disk, is to blame for is not about the statement that met with it.
    if (!usable() || !state) return unavailable("PostgreSQL: " + why);
    Error error = error_of_state(state, std::string(sql) + ": " + why);
    if (error.code == Code::kUnavailable || error.code == Code::kBusy)
      error.message = "PostgreSQL: " + why;
    return error;
  }
  Result<ResultSet> exec(const std::string& sql) {
    return checked(pq_.exec(session_.get(), sql.c_str()), sql);
  }

  Result<Prepared> prepared(std::string_view sql) {
    if (auto found = statements_.find(sql); found != statements_.end()) return found->second;
    if (statements_.size() >= kStatementsMax) {
      TRY(send_deferred());  // they name what goes
      TRY(exec("deallocate all"));
      statements_.clear();
    }
    Numbered numbered = number_placeholders(sql);
    Prepared fresh{"s" + std::to_string(++prepared_count_), numbered.placeholders};
    TRY(checked(pq_.prepare(session_.get(), fresh.name.c_str(), numbered.sql.c_str(), 0, nullptr),
                sql));
    return statements_.emplace(sql, std::move(fresh)).first->second;
  }

  static Result<> check_values(std::string_view sql, const std::vector<Value>& values,
                               int placeholders) {
    if (static_cast<int>(values.size()) != placeholders) {
      return internal(std::to_string(values.size()) + " values given to: " + std::string(sql));
    }
    for (const Value& value : values) TRY(check_value(value));
    return {};
  }

  Result<ResultSet> run_statement(std::string_view sql, const std::vector<Value>& values,
                                  bool cache) {
    if (!cache) return run_once(sql, values);
    Prepared statement = TRY(prepared(sql));
    TRY(check_values(sql, values, statement.placeholders));
    if (!deferred_.empty()) return send_last({statement.name, std::string(sql), values});
    Parameters parameters(values);
    return checked(pq_.exec_prepared(session_.get(), statement.name.c_str(), statement.placeholders,
                                     parameters.values.data(), parameters.lengths.data(),
                                     parameters.formats.data(), 0),
                   sql);
  }
  Result<ResultSet> run_once(std::string_view sql, const std::vector<Value>& values) {
    Numbered numbered = number_placeholders(sql);
    TRY(check_values(sql, values, numbered.placeholders));
    if (!deferred_.empty()) return send_last({"", numbered.sql, values});
    Parameters parameters(values);
    return checked(pq_.exec_params(session_.get(), numbered.sql.c_str(), numbered.placeholders,
                                   nullptr, parameters.values.data(), parameters.lengths.data(),
                                   parameters.formats.data(), 0),
                   sql);
  }

  const Libpq& pq_;
  Session session_;
  Statements<Prepared> statements_;
  std::int64_t prepared_count_ = 0;
  std::vector<Deferred> deferred_;
  std::size_t deferred_bytes_ = 0;
  bool begins_ = false;  // the begin of the transaction is among them
  bool savepoint_released_ = false;
  bool outcome_unknown_ = false;
  Late failed_late_ = Late::kNo;
  bool broken_ = false;
};

struct DatabaseTraits {
  std::string collation, encoding, schema;
};
BOOST_DESCRIBE_STRUCT(DatabaseTraits, (), (collation, encoding, schema))

Result<> check_traits(const DatabaseTraits& traits) {
  std::string collation = to_lower(traits.collation);
  bool by_bytes = collation == "c" || collation == "posix" || collation.starts_with("c.utf");
  if (!by_bytes) {
    return invalid("the PostgreSQL database orders text by " + traits.collation +
                   ", Slipway needs C" + kHowToCreate);
  }
  if (traits.encoding != "UTF8") {
    return invalid("the PostgreSQL database is encoded in " + traits.encoding +
                   ", Slipway needs UTF8" + kHowToCreate);
  }
  if (traits.schema.empty()) {
    return invalid("the schema in the search_path of the PostgreSQL URI does not exist");
  }
  return {};
}

Result<> PostgresConnection::configure(Access access) {
  if (pq_.server_version(session_.get()) < 120000) {
    return invalid("the PostgreSQL server is of version " +
                   std::to_string(pq_.server_version(session_.get()) / 10000) +
                   ", Slipway needs 12 or later: upgrade it, or name another with --store");
  }
  TRY(script(kConfigure));
  TRY(script(access == Access::kWrite ? kIdleWriter : kIdleReader));
  std::optional<DatabaseTraits> traits =
      TRY(one<DatabaseTraits>("select datcollate, pg_encoding_to_char(encoding), current_schema() "
                              "from pg_database where datname = current_database()"));
  if (!traits) return internal("PostgreSQL does not know its own database");
  return check_traits(*traits);
}

class PostgresSource final : public Source {
 public:
  PostgresSource(const Libpq& pq, std::string uri) : pq_(pq), uri_(std::move(uri)) {}

  Engine engine() const override { return Engine::kPostgres; }

  Result<std::unique_ptr<Connection>> connect(Connection::Access access) override {
    // Later ones win, so the URI may set them too.
    const char* keys[] = {"connect_timeout",
                          "fallback_application_name",
                          "keepalives_idle",
                          "keepalives_interval",
                          "keepalives_count",
                          "tcp_user_timeout",
                          "dbname",
                          "client_encoding",
                          nullptr};
    const char* values[] = {"10", "slipway", "5", "2", "3", "10000", uri_.c_str(), "UTF8", nullptr};
    Session session(pq_.connectdb_params(keys, values, /*expand_dbname=*/1),
                    FinishConnection{&pq_});
    if (pq_.status(session.get()) != CONNECTION_OK) {
      const std::string why(trim(pq_.error_message(session.get())));
      const bool is_missing =
          why.find("database \"") != std::string::npos && why.ends_with("does not exist");
      return unavailable("cannot connect to PostgreSQL: " + without_secrets(why, uri_) +
                         (is_missing ? kHowToCreate : ""));
    }
    pq_.set_notice_processor(
        session.get(), [](void*, const char*) {}, nullptr);
    auto connection = std::make_unique<PostgresConnection>(pq_, std::move(session));
    TRY(connection->configure(access));
    return std::unique_ptr<Connection>(std::move(connection));
  }

  Result<Fd> lock_migrations() override { return Fd(); }
  Result<> keep_copy(Connection&, const std::string&) override { return {}; }

 private:
  const Libpq& pq_;
  const std::string uri_;
};

}  // namespace

Result<std::unique_ptr<Source>> postgres_source(const std::string& uri, const PoolOptions&) {
  const Libpq* pq = TRY(libpq());
  return std::unique_ptr<Source>(std::make_unique<PostgresSource>(*pq, uri));
}

}  // namespace slipway::db
