#include "io/db/db_testing.h"

#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "base/ids.h"
#include "base/text.h"
#include "io/db/libpq.h"

namespace slipway::db {
namespace {

/// Runs statements outside of a transaction, which a Pool does not offer.
Result<> administer(const std::string& uri, const std::string& sql) {
  const Libpq* pq = TRY(libpq());
  const char* keys[] = {"dbname", nullptr};
  const char* values[] = {uri.c_str(), nullptr};
  PGconn* session = pq->connectdb_params(keys, values, 1);
  Result<> outcome;
  pq->set_notice_processor(
      session, [](void*, const char*) {}, nullptr);
  PGresult* result = nullptr;
  if (pq->status(session) == CONNECTION_OK) result = pq->exec(session, sql.c_str());
  if (!result || pq->result_status(result) != PGRES_COMMAND_OK) {
    outcome = unavailable(sql + ": " + std::string(trim(pq->error_message(session))));
  }
  if (result) pq->clear(result);
  pq->finish(session);
  return outcome;
}

/// The same server, another database and schema.
std::string with_database(const std::string& uri, const std::string& database,
                          const std::string& schema) {
  std::size_t authority = uri.find("://") + 3;
  std::size_t path = uri.find('/', authority);
  std::size_t query = uri.find('?', authority);
  std::string head = uri.substr(0, std::min(path, query));
  std::string rest = query == std::string::npos ? "?" : uri.substr(query) + "&";
  return head + "/" + database + rest + "options=-csearch_path%3D" + schema;
}

Result<std::string> server_uri() {
  const char* server = std::getenv("SLIPWAY_TEST_POSTGRES");
  if (server && *server != '\0') return std::string(server);
  return invalid(
      "set SLIPWAY_TEST_POSTGRES to the URI of a PostgreSQL server where tests may create "
      "databases, e.g. postgresql:///postgres?host=/tmp/pg&user=postgres");
}

/// One database for all tests of this program, made on first use.
class SharedDatabase {
 public:
  explicit SharedDatabase(std::string server_uri)
      : server_uri_(std::move(server_uri)),
        name_("slipway_test_" + random_hex32().substr(0, 16)),
        made_(administer(server_uri_, "create database " + name_ +
                                          " template template0 encoding 'UTF8' lc_collate 'C' "
                                          "lc_ctype 'C'")),
        owner_(getpid()) {}
  ~SharedDatabase() {
    if (owner_ != getpid() || !made_.ok()) return;
    // Nobody is left to tell; "force" ends connections that a failed test left open.
    auto ignored = administer(server_uri_, "drop database " + name_ + " with (force)");
  }
  Result<std::string> uri_of_schema(const std::string& schema) const {
    if (!made_.ok()) return made_.error();
    return with_database(server_uri_, name_, schema);
  }

 private:
  const std::string server_uri_;
  const std::string name_;
  const Result<> made_;
  const pid_t owner_;
};

class SqliteTestDatabase final : public TestDatabase {
 public:
  SqliteTestDatabase() { uri_ = "sqlite://" + (folder_.path() / "catalog.db").string(); }

 private:
  TemporaryFolder folder_;
};

class PostgresTestDatabase final : public TestDatabase {
 public:
  PostgresTestDatabase(std::string uri, std::string schema) : schema_(std::move(schema)) {
    uri_ = std::move(uri);
  }
  ~PostgresTestDatabase() override {
    auto ignored = administer(uri_, "drop schema if exists " + schema_ + " cascade");
  }

 private:
  const std::string schema_;
};

Result<std::unique_ptr<TestDatabase>> make_postgres() {
  std::string server = TRY(server_uri());
  static const SharedDatabase shared(server);
  std::string schema = "t" + random_hex32().substr(0, 16);
  std::string uri = TRY(shared.uri_of_schema(schema));
  TRY(administer(uri, "create schema " + schema));
  return std::unique_ptr<TestDatabase>(
      std::make_unique<PostgresTestDatabase>(std::move(uri), std::move(schema)));
}

}  // namespace

Result<std::unique_ptr<TestDatabase>> TestDatabase::make(Engine engine) {
  if (engine == Engine::kPostgres) return make_postgres();
  return std::unique_ptr<TestDatabase>(std::make_unique<SqliteTestDatabase>());
}

Result<> run_on_test_server(const std::string& sql) {
  return administer(TRY(server_uri()), sql);
}

Result<std::string> uri_on_test_server(const std::string& database) {
  return with_database(TRY(server_uri()), database, "public");
}

TemporaryFolder::TemporaryFolder()
    : path_(std::filesystem::temp_directory_path() / ("slipway-db-" + random_hex32())) {
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void OnEachEngine::SetUp() {
  Result<std::unique_ptr<TestDatabase>> made = TestDatabase::make(GetParam());
  ASSERT_TRUE(made.ok()) << made.error().message;
  database_ = std::move(*made);
}

std::unique_ptr<Pool> OnEachEngine::open(const std::vector<Migration>& migrations,
                                         PoolOptions options) {
  Result<std::unique_ptr<Pool>> pool = Pool::open(uri(), migrations, metrics_, std::move(options));
  if (!pool.ok()) throw std::runtime_error("Pool::open: " + pool.error().message);
  return std::move(*pool);
}

std::string engine_name(const testing::TestParamInfo<Engine>& info) {
  return info.param == Engine::kSqlite ? "Sqlite" : "Postgres";
}

}  // namespace slipway::db
