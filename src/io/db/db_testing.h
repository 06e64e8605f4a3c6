#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "io/db/db.h"

// Databases for tests. Everything that speaks SQL is tested on both engines:
//
//   class RunsTest : public db::OnEachEngine {};
//   INSTANTIATE_TEST_SUITE_P(Engines, RunsTest, db::every_engine(), db::engine_name);
//
//   TEST_P(RunsTest, AreFoundById) {
//     std::unique_ptr<db::Pool> pool = open(tracking::migrations());
//     auto id = pool->write([&](db::Tx& tx) { return create_run(tx, ...); });
//     ASSERT_TRUE(id.ok()) << id.error().message;
//   }
//
// Each test has a fresh, empty database: a SQLite file in a temporary folder, or a schema of its
// own in a PostgreSQL database that the test program makes once and drops at its end.
// SLIPWAY_TEST_POSTGRES names a server where it may do so, as a libpq URI:
// postgresql:///postgres?host=/tmp/pg&user=postgres. Without it these tests fail.
namespace slipway::db {

/// A fresh, empty database, gone with this object. Close pools on it before.
class TestDatabase {
 public:
  static Result<std::unique_ptr<TestDatabase>> make(Engine engine);
  virtual ~TestDatabase() = default;
  /// For Pool::open. Several pools may use it at once.
  const std::string& uri() const { return uri_; }

 protected:
  std::string uri_;
};

/// Runs one statement, outside of any transaction, on the server of SLIPWAY_TEST_POSTGRES.
Result<> run_on_test_server(const std::string& sql);
/// The URI of another database on that server.
Result<std::string> uri_on_test_server(const std::string& database);

/// A folder that is removed with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Fixture: the test runs on the engine that is its parameter.
class OnEachEngine : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override;
  /// A pool on this test's database; each call opens another one on the same. Throws, failing the
  /// test, when it can't.
  std::unique_ptr<Pool> open(const std::vector<Migration>& migrations, PoolOptions options = {});
  const std::string& uri() const { return database_->uri(); }
  Metrics& metrics() { return metrics_; }

 private:
  std::unique_ptr<TestDatabase> database_;
  Metrics metrics_;
};

inline auto every_engine() {
  return testing::Values(Engine::kSqlite, Engine::kPostgres);
}
std::string engine_name(const testing::TestParamInfo<Engine>& info);

}  // namespace slipway::db
