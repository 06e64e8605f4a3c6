#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <functional>
#include <future>
#include <random>
#include <set>

#include "io/db/db_testing.h"
#include "io/db/power_loss_testing.h"

namespace slipway::db {
namespace {

const std::vector<Migration> kEntries = {
    {"test/0001_entries", "create table entries (id bigint primary key, data blob not null)", ""},
    {"test/0002_by_size", "create index by_size on entries (length(data))", ""}};

using Ids = std::set<std::int64_t>;

std::string uri_in(const std::filesystem::path& folder) {
  return "sqlite://" + (folder / "catalog.db").string();
}

Result<std::unique_ptr<Pool>> open_on(const PowerLossDisk& disk, const std::string& uri) {
  static Metrics metrics;
  PoolOptions options;
  options.sqlite_vfs = disk.vfs_name();
  options.group_max = 8;
  return Pool::open(uri, kEntries, metrics, options);
}

/// Queues writes and waits for all of their answers: the ids that were acknowledged.
Ids write_entries(Pool& pool, std::int64_t first, std::int64_t count, std::size_t bytes) {
  std::vector<std::future<bool>> answers;
  for (std::int64_t id = first; id < first + count; ++id) {
    auto answer = std::make_shared<std::promise<bool>>();
    answers.push_back(answer->get_future());
    pool.write_later(
        [id, bytes](Tx& tx) {
          return tx.run("insert into entries values (?, ?)", id,
                        Blob{std::string(bytes, static_cast<char>(id))});
        },
        [answer](Result<std::int64_t> rows) { answer->set_value(rows.ok()); });
  }
  Ids acknowledged;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].get()) acknowledged.insert(first + static_cast<std::int64_t>(i));
  }
  return acknowledged;
}

/// Everything in a database that an ordinary program finds in `folder`, which must be sound.
Ids stored_in(const std::filesystem::path& folder) {
  Metrics metrics;
  Result<std::unique_ptr<Pool>> pool = Pool::open(uri_in(folder), kEntries, metrics);
  if (!pool.ok()) {
    ADD_FAILURE() << pool.error().message;
    return {};
  }
  Ids ids;
  Result<> read = (*pool)->read([&](Tx& tx) -> Result<> {
    EXPECT_EQ(TRY(tx.one<std::string>("pragma integrity_check")), "ok");
    for (std::int64_t id : TRY(tx.all<std::int64_t>("select id from entries"))) ids.insert(id);
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
  return ids;
}

bool includes(const Ids& all, const Ids& some) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

/// One life of a database: opened, written in several groups, closed.
Ids live(const PowerLossDisk& disk, const std::string& uri, std::size_t bytes) {
  Result<std::unique_ptr<Pool>> pool = open_on(disk, uri);
  if (!pool.ok()) return {};
  Ids acknowledged = write_entries(**pool, 1, 30, bytes);
  acknowledged.merge(write_entries(**pool, 101, 30, bytes));
  return acknowledged;
}

/// Cuts the power once somewhere in a life; every acknowledged write must be there afterwards.
void cut_once(int calls, std::size_t bytes, unsigned seed, PowerLossDisk::Unsynced unsynced) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  TemporaryFolder before, after;
  PowerLossDisk disk;
  std::mt19937 random(seed);
  disk.cut_power_at(1 + static_cast<int>(random() % static_cast<unsigned>(calls)));
  Ids acknowledged = live(disk, uri_in(before.path()), bytes);
  disk.restore(after.path(), unsynced, seed);
  Ids stored = stored_in(after.path());
  EXPECT_TRUE(includes(stored, acknowledged))
      << acknowledged.size() << " acknowledged, " << stored.size() << " stored";
}

int calls_of_a_life(std::size_t bytes) {
  TemporaryFolder folder;
  PowerLossDisk disk;
  EXPECT_EQ(live(disk, uri_in(folder.path()), bytes).size(), 60u);
  return disk.calls();
}

TEST(PowerLoss, NoAcknowledgedWriteIsLostWhenWhatWasNotSyncedIsDropped) {
  int calls = calls_of_a_life(100);
  for (unsigned seed = 1; seed <= 150; ++seed) {
    cut_once(calls, 100, seed, PowerLossDisk::Unsynced::kDropped);
  }
}

TEST(PowerLoss, NoAcknowledgedWriteIsLostWhenAnySectorsReachTheDisk) {
  int calls = calls_of_a_life(100);
  for (unsigned seed = 1001; seed <= 1150; ++seed) {
    cut_once(calls, 100, seed, PowerLossDisk::Unsynced::kAnySubset);
  }
}

TEST(PowerLoss, NoAcknowledgedWriteIsLostAroundACheckpoint) {
  int calls = calls_of_a_life(150'000);  // 9 MB: the log is copied into the file on the way
  for (unsigned seed = 2001; seed <= 2030; ++seed) {
    cut_once(calls, 150'000, seed, PowerLossDisk::Unsynced::kAnySubset);
  }
}

// The seam must be able to lose: somewhere the files hold a write that the disk has not promised.
TEST(PowerLoss, TheSeamForgetsWhatWasNotSynced) {
  int calls = calls_of_a_life(100);
  int lost = 0;
  for (int call = calls - 60; call < calls; ++call) {
    TemporaryFolder before, after;
    PowerLossDisk disk;
    disk.cut_power_at(call);
    live(disk, uri_in(before.path()), 100);
    disk.restore(after.path(), PowerLossDisk::Unsynced::kDropped);
    if (stored_in(after.path()).size() < stored_in(before.path()).size()) ++lost;
  }
  EXPECT_GT(lost, 0);
}

struct Outcome {
  Ids acknowledged;
  std::vector<Error> errors;
};

/// Writes one entry after the other, so that each answer has its own cause.
Outcome write_singly(Pool& pool, std::int64_t first, std::int64_t count) {
  Outcome outcome;
  for (std::int64_t id = first; id < first + count; ++id) {
    Result<> written = pool.write([&](Tx& tx) -> Result<> {
      TRY(tx.run("insert into entries values (?, ?)", id, Blob{std::string(2000, 'x')}));
      return {};
    });
    if (written.ok())
      outcome.acknowledged.insert(id);
    else
      outcome.errors.push_back(written.error());
  }
  return outcome;
}

void expect_clear(const Error& error, PowerLossDisk::Fault fault) {
  EXPECT_EQ(error.code, Code::kUnavailable) << error.message;
  if (fault != PowerLossDisk::Fault::kDiskFull) return;
  EXPECT_EQ(error.tag, "disk_full") << error.message;
}

/// Lets the n-th change of a life fail. False once no call failed, i.e. n is beyond the scenario.
bool fail_nth(int n, PowerLossDisk::Fault fault, bool until_healed) {
  SCOPED_TRACE("call " + std::to_string(n));
  TemporaryFolder folder;
  PowerLossDisk disk;
  disk.fail_at(n, fault, until_healed);
  Result<std::unique_ptr<Pool>> pool = open_on(disk, uri_in(folder.path()));
  Outcome outcome;
  if (pool.ok())
    outcome = write_singly(**pool, 1, 6);
  else
    expect_clear(pool.error(), fault);
  for (const Error& error : outcome.errors) expect_clear(error, fault);
  const bool failed = disk.has_failed();
  disk.heal();

  if (!pool.ok()) pool = open_on(disk, uri_in(folder.path()));
  EXPECT_TRUE(pool.ok()) << pool.error().message;
  if (!pool.ok()) return failed;
  Outcome healed = write_singly(**pool, 101, 3);
  EXPECT_EQ(healed.acknowledged.size(), 3u) << "works again when the disk does";
  pool->reset();

  outcome.acknowledged.merge(healed.acknowledged);
  EXPECT_TRUE(includes(stored_in(folder.path()), outcome.acknowledged));
  return failed;
}

int fail_each(PowerLossDisk::Fault fault, bool until_healed) {
  int n = 1;
  while (n < 1000 && fail_nth(n, fault, until_healed)) ++n;
  return n;
}

TEST(FailingDisk, AnIoErrorInAnyCallLosesNothingThatWasAcknowledged) {
  int calls = fail_each(PowerLossDisk::Fault::kIoError, false);
  EXPECT_GT(calls, 20);
  EXPECT_LT(calls, 1000);
}
TEST(FailingDisk, ADiskThatStaysFullLosesNothingAndWorksAgainWithSpace) {
  int calls = fail_each(PowerLossDisk::Fault::kDiskFull, true);
  EXPECT_GT(calls, 20);
  EXPECT_LT(calls, 1000);
}
TEST(FailingDisk, ADiskThatStaysBrokenLosesNothingAndWorksAgainWhenRepaired) {
  int calls = fail_each(PowerLossDisk::Fault::kIoError, true);
  EXPECT_GT(calls, 20);
  EXPECT_LT(calls, 1000);
}

/// Looks again until `holds`; false after ten seconds.
bool comes_true(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

TEST(FailingDisk, IsTroubleUntilItIsWrittenAgain) {
  for (const auto fault : {PowerLossDisk::Fault::kDiskFull, PowerLossDisk::Fault::kIoError}) {
    for (const bool writes_come : {true, false}) {
      TemporaryFolder folder;
      PowerLossDisk disk;
      Result<std::unique_ptr<Pool>> pool = open_on(disk, uri_in(folder.path()));
      ASSERT_TRUE(pool.ok()) << pool.error().message;
      EXPECT_EQ(write_singly(**pool, 1, 3).errors.size(), 0u);
      EXPECT_TRUE((*pool)->health().ok());
      disk.fail_at(1, fault, /*until_healed=*/true);
      ASSERT_EQ(write_singly(**pool, 4, 1).errors.size(), 1u);
      Result<> health = (*pool)->health();  // known as soon as the write was answered
      ASSERT_FALSE(health.ok());
      expect_clear(health.error(), fault);
      disk.heal();
      if (writes_come) {
        EXPECT_EQ(write_singly(**pool, 5, 1).errors.size(), 0u);
        EXPECT_TRUE((*pool)->health().ok());
      } else {
        EXPECT_TRUE(comes_true([&] { return (*pool)->health().ok(); }));
      }
    }
  }
}

// Large writes, so that failures also hit the copying of the log into the file.
TEST(FailingDisk, LosesNothingAroundACheckpoint) {
  constexpr std::size_t kBytes = 150'000;
  const int calls = calls_of_a_life(kBytes);
  std::mt19937 random(5);
  for (int trial = 0; trial < 30; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial));
    TemporaryFolder folder;
    PowerLossDisk disk;
    Result<std::unique_ptr<Pool>> pool = open_on(disk, uri_in(folder.path()));
    ASSERT_TRUE(pool.ok()) << pool.error().message;
    auto fault = trial % 2 ? PowerLossDisk::Fault::kIoError : PowerLossDisk::Fault::kDiskFull;
    disk.fail_at(1 + static_cast<int>(random() % static_cast<unsigned>(calls)), fault,
                 trial % 3 == 0);
    Ids acknowledged = write_entries(**pool, 1, 60, kBytes);
    disk.heal();
    Ids healed = write_entries(**pool, 101, 5, kBytes);
    EXPECT_EQ(healed.size(), 5u);
    acknowledged.merge(healed);
    pool->reset();
    EXPECT_TRUE(includes(stored_in(folder.path()), acknowledged));
  }
}

// A group fails as a whole when its commit does, and each of its writes is told.
TEST(FailingDisk, EveryWriteOfAGroupIsToldOfAFullDisk) {
  TemporaryFolder folder;
  PowerLossDisk disk;
  Result<std::unique_ptr<Pool>> pool = open_on(disk, uri_in(folder.path()));
  ASSERT_TRUE(pool.ok()) << pool.error().message;
  disk.fail_at(1, PowerLossDisk::Fault::kDiskFull, true);
  EXPECT_TRUE(write_entries(**pool, 1, 20, 100).empty());
  disk.heal();
  EXPECT_EQ(write_entries(**pool, 101, 20, 100).size(), 20u);
  pool->reset();
  EXPECT_EQ(stored_in(folder.path()).size(), 20u);
}

}  // namespace
}  // namespace slipway::db
