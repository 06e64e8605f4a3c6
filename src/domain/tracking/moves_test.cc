#include <gtest/gtest.h>

#include <random>
#include <set>

#include "domain/tracking/moves.h"
#include "domain/tracking/store.h"
#include "domain/tracking/tracking_testing.h"
#include "io/db/power_loss_testing.h"

// Batches that are moved into chunks in several transactions: nothing is lost, nothing is twice,
// wherever the move stops.
namespace slipway::tracking {
namespace {

constexpr int kSeries = 150;  // more than one transaction moves
constexpr int kBatches = 12;

std::string key_of(int series) {
  return "k" + std::to_string(series);
}

Batch one_step(int step) {
  Batch batch;
  for (int series = 0; series < kSeries; ++series) {
    batch.metrics.push_back({key_of(series), static_cast<double>(step * series % 7), step, step});
  }
  return batch;
}

std::vector<Point> expected_of(int series) {
  std::vector<Point> points;
  for (int step = 0; step < kBatches; ++step) {
    points.push_back(to_point(static_cast<double>(step * series % 7), step, step));
  }
  return points;
}

Result<std::int64_t> key_of_run(db::Pool& pool, const std::string& id) {
  return pool.read([&](db::Tx& tx) -> Result<std::int64_t> {
    return TRY(find_run(tx, id)).key;
  });
}

class MovesTest : public TrackingTest {
 protected:
  Result<std::int64_t> batches() {
    return pool_->read([](db::Tx& tx) -> Result<std::int64_t> {
      return *TRY(tx.one<std::int64_t>("select count(*) from metric_batches"));
    });
  }
  void expect_all(const std::string& id, const std::string& when) {
    for (int series = 0; series < kSeries; ++series)
      ASSERT_EQ(history(id, key_of(series)), expected_of(series)) << series << ' ' << when;
  }

  MovePoints known_;
};
INSTANTIATE_TEST_SUITE_P(Engines, MovesTest, db::every_engine(), db::engine_name);

TEST_P(MovesTest, TakeSeveralTransactionsAndAreRightAfterEach) {
  const std::string id = run();
  for (int step = 0; step < kBatches - 2; ++step) ASSERT_TRUE(log(id, one_step(step)).ok());
  const std::int64_t key = *key_of_run(*pool_, id);
  int calls = 0;
  bool more = true;
  while (more) {
    ++calls;
    Result<bool> moved = pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); });
    ASSERT_TRUE(moved.ok()) << moved.error().message;
    more = *moved;
    // More comes in the middle of it.
    if (calls <= 2) {
      ASSERT_TRUE(log(id, one_step(kBatches - 3 + calls)).ok());
    }
    if (calls < 2) continue;
    for (int series = 0; series < kSeries; ++series) {
      ASSERT_EQ(history(id, key_of(series)), expected_of(series)) << series << " after " << calls;
      Result<std::vector<Point>> chart = tracking_->sample(id, key_of(series), std::nullopt, 100);
      ASSERT_TRUE(chart.ok());
      ASSERT_EQ(*chart, expected_of(series));
    }
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(*batches(), 2) << "those that came while it went on";
}

TEST_P(MovesTest, OfManyRunsAreOneTransaction) {
  std::vector<std::string> ids;
  std::vector<std::int64_t> keys;
  for (int i = 0; i < 20; ++i) {
    const std::string id = ids.emplace_back(run());
    keys.push_back(*key_of_run(*pool_, id));
    // One of them has nothing to move.
    for (int step = 0; i > 0 && step < 3; ++step)
      ASSERT_TRUE(log(id, {{"loss", 1.0 * i + step, step, step}}).ok());
  }
  const auto left = pool_->write([&](db::Tx& tx) { return compact_runs(tx, keys, known_); });
  ASSERT_TRUE(left.ok()) << left.error().message;
  EXPECT_TRUE(left->empty());
  for (int i = 0; i < 20; ++i) {
    std::vector<Point> expected;
    for (int step = 0; i > 0 && step < 3; ++step)
      expected.push_back(to_point(1.0 * i + step, step, step));
    EXPECT_EQ(history(ids[static_cast<std::size_t>(i)], "loss"), expected) << i;
  }
  EXPECT_EQ(*batches(), 0);
}

TEST_P(MovesTest, OfMoreThanATransactionMayDoLeaveRunsForAnother) {
  std::vector<std::string> ids;
  std::vector<std::int64_t> keys;
  for (int i = 0; i < 3; ++i) {
    keys.push_back(*key_of_run(*pool_, ids.emplace_back(run())));
    for (int step = 0; step < kBatches; ++step) ASSERT_TRUE(log(ids.back(), one_step(step)).ok());
  }
  int calls = 0;
  for (std::vector<std::int64_t> due = keys; !due.empty(); ++calls) {
    ASSERT_LT(calls, 100);
    const auto left = pool_->write([&](db::Tx& tx) { return compact_runs(tx, due, known_); });
    ASSERT_TRUE(left.ok()) << left.error().message;
    if (calls == 0) {
      EXPECT_EQ(std::set<std::int64_t>(left->begin(), left->end()).size(), 3u);
    }
    due = *left;
  }
  EXPECT_EQ(calls, 8) << "two of 64 series for each run, and two for the 22 that each has left";
  for (const std::string& id : ids)
    for (int series = 0; series < kSeries; ++series)
      ASSERT_EQ(history(id, key_of(series)), expected_of(series)) << series;
}

TEST_P(MovesTest, PassOverWhatIsKnownOfATransactionThatWasRolledBack) {
  const std::string id = run();
  for (int step = 0; step < kBatches; ++step) ASSERT_TRUE(log(id, one_step(step)).ok());
  const std::int64_t key = *key_of_run(*pool_, id);
  int calls = 0;
  for (bool more = true; more; ++calls) {
    ASSERT_LT(calls, 10);
    // Each is done and taken back once before it stays.
    const Result<bool> undone = pool_->write([&](db::Tx& tx) -> Result<bool> {
      TRY(compact_run(tx, key, known_));
      return unavailable("as if the disk were full");
    });
    ASSERT_FALSE(undone.ok());
    const auto moved =
        pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); });
    ASSERT_TRUE(moved.ok()) << moved.error().message;
    more = *moved;
    expect_all(id, "after " + std::to_string(calls));
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(*batches(), 0);
}

TEST_P(MovesTest, ReadBatchesOnceHoweverManyTransactionsTheyTake) {
  const std::string id = run();
  for (int step = 0; step < kBatches; ++step) ASSERT_TRUE(log(id, one_step(step)).ok());
  const std::int64_t key = *key_of_run(*pool_, id);
  ASSERT_TRUE(*pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); }));
  // Whoever read them once more would find nothing that it can read.
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) {
                     return tx.run("update metric_batches set data = ?", db::Blob{"damaged"});
                   }).ok());
  ASSERT_TRUE(*pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); }));
  ASSERT_FALSE(*pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); }));
  expect_all(id, "at the end");
}

TEST_P(MovesTest, KeepNothingOfBatchesThatCannotBeRead) {
  const std::string id = run();
  for (int step = 0; step < kBatches; ++step) ASSERT_TRUE(log(id, one_step(step)).ok());
  const std::int64_t key = *key_of_run(*pool_, id);
  const auto damage = [&](std::string_view sql) {
    ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return tx.run(sql); }).ok());
  };
  damage("create table kept as select id, data from metric_batches");
  damage("update metric_batches set data = substr(data, 1, 40) where id = 9");
  const auto moved = pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); });
  EXPECT_FALSE(moved.ok());
  damage("update metric_batches set data = (select k.data from kept k where k.id = 9) where id = 9");
  damage("drop table kept");
  while (*pool_->write([&](db::Tx& tx) { return compact_run(tx, key, known_); })) continue;
  expect_all(id, "once it can be read again");
}

struct Life {
  std::string id;
  bool cut = false;
};

/// Makes a run, logs to it, moves its batches; stops at the first error.
Life live(const std::string& uri, const std::string& vfs) {
  Life life;
  Metrics metrics;
  FakeClock clock;
  db::PoolOptions options;
  options.sqlite_vfs = vfs;
  auto pool =
      db::Pool::open(uri, db::joined({graph::migrations(), migrations()}), metrics, options);
  EXPECT_TRUE(pool.ok()) << pool.error().message;
  auto tracking = Tracking::open(**pool, clock, {});
  EXPECT_TRUE(tracking.ok());
  Result<tracking::Run> run = wait_for<tracking::Run>(
      [&](Done<tracking::Run> done) { (*tracking)->create_run({}, {}, std::move(done)); });
  EXPECT_TRUE(run.ok());
  life.id = run->info.id;
  for (int step = 0; step < kBatches; ++step) {
    EXPECT_TRUE(wait_for([&](Done<> done) {
                  (*tracking)->log(life.id, one_step(step), std::move(done));
                }).ok());
  }
  pool->reset();
  return life;
}

/// Moves until it is done or an error comes.
bool move_all(const std::string& uri, const std::string& vfs, const std::string& id) {
  Metrics metrics;
  db::PoolOptions options;
  options.sqlite_vfs = vfs;
  auto pool =
      db::Pool::open(uri, db::joined({graph::migrations(), migrations()}), metrics, options);
  if (!pool.ok()) return false;
  Result<std::int64_t> key = key_of_run(**pool, id);
  if (!key.ok()) return false;
  MovePoints known;
  while (true) {
    Result<bool> moved = (*pool)->write([&](db::Tx& tx) { return compact_run(tx, *key, known); });
    if (!moved.ok()) return false;
    if (!*moved) return true;
  }
}

void expect_whole(const std::string& uri, const std::string& id, const std::string& what) {
  Metrics metrics;
  auto pool = db::Pool::open(uri, db::joined({graph::migrations(), migrations()}), metrics);
  ASSERT_TRUE(pool.ok()) << what << ": " << pool.error().message;
  for (int series = 0; series < kSeries; ++series) {
    Result<HistoryPage> page = (*pool)->read([&](db::Tx& tx) {
      return read_history(tx, id, key_of(series), std::nullopt, 1000);
    });
    ASSERT_TRUE(page.ok()) << what << ": " << page.error().message;
    ASSERT_EQ(page->points, expected_of(series)) << what << ", series " << series;
  }
}

TEST(MovesOnABadDay, LoseNothingWhereverThePowerIsCut) {
  db::TemporaryFolder from;
  db::PowerLossDisk whole;
  const std::string uri = "sqlite://" + (from.path() / "catalog.db").string();
  const Life life = live(uri, whole.vfs_name());
  const int before = whole.calls();
  ASSERT_TRUE(move_all(uri, whole.vfs_name(), life.id));
  const int calls = whole.calls() - before;
  ASSERT_GT(calls, 10);
  std::mt19937 random(3);
  for (int trial = 0; trial < 25; ++trial) {
    const int at = 1 + static_cast<int>(random() % static_cast<unsigned>(calls));
    db::TemporaryFolder folder, restored;
    db::PowerLossDisk disk;
    const std::string here = "sqlite://" + (folder.path() / "catalog.db").string();
    const Life again = live(here, disk.vfs_name());
    disk.cut_power_at(at);
    move_all(here, disk.vfs_name(), again.id);
    disk.restore(restored.path(), db::PowerLossDisk::Unsynced::kAnySubset,
                 static_cast<unsigned>(trial));
    const std::string there = "sqlite://" + (restored.path() / "catalog.db").string();
    expect_whole(there, again.id, "cut at " + std::to_string(at));
    if (HasFatalFailure()) return;
    ASSERT_TRUE(move_all(there, "", again.id));
    expect_whole(there, again.id, "moved after a cut at " + std::to_string(at));
  }
}

TEST(MovesOnABadDay, LoseNothingWhicheverWriteFails) {
  std::mt19937 random(4);
  for (int trial = 0; trial < 25; ++trial) {
    db::TemporaryFolder folder;
    db::PowerLossDisk disk;
    const std::string uri = "sqlite://" + (folder.path() / "catalog.db").string();
    const Life life = live(uri, disk.vfs_name());
    const int at = 1 + static_cast<int>(random() % 40);
    const auto fault = trial % 2 == 0 ? db::PowerLossDisk::Fault::kIoError
                                      : db::PowerLossDisk::Fault::kDiskFull;
    disk.fail_at(at, fault, /*until_healed=*/trial % 3 == 0);
    move_all(uri, disk.vfs_name(), life.id);
    disk.heal();
    expect_whole(uri, life.id, "failed at " + std::to_string(at));
    if (HasFatalFailure()) return;
    ASSERT_TRUE(move_all(uri, "", life.id));
    expect_whole(uri, life.id, "moved after a failure at " + std::to_string(at));
  }
}

}  // namespace
}  // namespace slipway::tracking
