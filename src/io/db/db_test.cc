#include "io/db/db.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>

#include "io/db/connection.h"
#include "io/db/db_testing.h"
#include "io/db/migrate.h"
#include "io/db/put.h"
#include "io/db/statements.h"

namespace slipway::db {
namespace {

const std::vector<Migration> kItems = {
    {"test/0001_items",
     "create table items (id bigint primary key, name text unique, size double precision, data "
     "blob);"
     "create table parts (id bigint primary key, item bigint not null references items(id))",
     "create table items (id bigint primary key, name text unique, size double precision, data "
     "bytea);"
     "create table parts (id bigint primary key, item bigint not null references items(id))"}};

struct Item {
  std::int64_t id = 0;
  std::optional<std::string> name;
  std::optional<double> size;
  std::optional<Blob> data;
};
BOOST_DESCRIBE_STRUCT(Item, (), (id, name, size, data))

Result<> insert(Tx& tx, std::int64_t id, const std::string& name) {
  TRY(tx.run("insert into items (id, name) values (?, ?)", id, name));
  return {};
}

Result<std::vector<std::int64_t>> ids(Pool& pool) {
  return pool.read([](Tx& tx) { return tx.all<std::int64_t>("select id from items order by id"); });
}

class PoolTest : public OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    if (!HasFatalFailure()) pool_ = open(kItems);
  }
  void TearDown() override { pool_.reset(); }
  std::vector<std::int64_t> stored() {
    Result<std::vector<std::int64_t>> found = ids(*pool_);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : std::vector<std::int64_t>{};
  }
  std::unique_ptr<Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, PoolTest, every_engine(), engine_name);

TEST_P(PoolTest, ReadsBackEveryKindOfValue) {
  std::string bytes("\0\xff?'\\x", 6);
  Result<> written = pool_->write([&](Tx& tx) -> Result<> {
    TRY(tx.run("insert into items values (?, ?, ?, ?)", std::int64_t{9'007'199'254'740'993},
               "d\xc3\xa9j\xc3\xa0 '?' \\", 0.1, Blob{bytes}));
    TRY(tx.run("insert into items values (?, ?, ?, ?)", 2, nullptr, std::optional<double>(),
               std::optional<Blob>()));
    TRY(tx.run("insert into items values (?, ?, ?, ?)", -3, "", -INFINITY, Blob{}));
    return {};
  });
  ASSERT_TRUE(written.ok()) << written.error().message;
  Result<std::vector<Item>> items = pool_->read(
      [](Tx& tx) { return tx.all<Item>("select id, name, size, data from items order by id"); });
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 3u);
  const Item& empty = (*items)[0];
  EXPECT_EQ(empty.id, -3);
  EXPECT_EQ(empty.name, "");
  EXPECT_EQ(empty.size, -INFINITY);
  EXPECT_EQ(empty.data, Blob{});
  const Item& null = (*items)[1];
  EXPECT_FALSE(null.name || null.size || null.data);
  const Item& full = (*items)[2];
  EXPECT_EQ(full.id, 9'007'199'254'740'993);
  EXPECT_EQ(full.name, "d\xc3\xa9j\xc3\xa0 '?' \\");
  EXPECT_EQ(full.size, 0.1);
  EXPECT_EQ(full.data, Blob{bytes});
}

using Lists = std::vector<std::vector<Value>>;

/// What `ask` gives as "list:row".
Result<std::vector<std::string>> ask_names(Tx& tx, const Lists& lists) {
  std::vector<std::string> rows;
  TRY(ask_each(tx, "select name from items where id between ? and ? order by id", lists,
               [&](std::size_t list, const Columns& columns) -> Result<> {
                 rows.push_back(std::to_string(list) + ":" + std::string(columns.text(0)));
                 return {};
               }));
  return rows;
}

TEST_P(PoolTest, AQuestionAskedOfManyIsAnsweredForEachInTurn) {
  const auto rows = pool_->write([](Tx& tx) -> Result<std::vector<std::string>> {
    // What was put before is seen.
    for (int id = 1; id <= 4; ++id)
      TRY(put(tx, "insert into items (id, name) values (?, ?)", id, std::to_string(id)));
    return ask_names(tx, {{2, 3}, {9, 9}, {1, 1}, {2, 2}});
  });
  ASSERT_TRUE(rows.ok()) << rows.error().message;
  EXPECT_EQ(*rows, (std::vector<std::string>{"0:2", "0:3", "2:1", "3:2"}));
  const auto none = pool_->read([](Tx& tx) { return ask_names(tx, {}); });
  EXPECT_TRUE(none.ok() && none->empty());
  const auto many = pool_->read([](Tx& tx) { return ask_names(tx, Lists(1'500, {1, 2})); });
  ASSERT_TRUE(many.ok()) << many.error().message;
  ASSERT_EQ(many->size(), 3'000u);
  EXPECT_EQ(many->back(), "1499:2");
}

TEST_P(PoolTest, OneOfManyQuestionsThatFailsEndsTheTransaction) {
  const auto failed = pool_->write([](Tx& tx) -> Result<> {
    TRY(insert(tx, 1, "one"));
    const auto ignore = [](std::size_t, const Columns&) -> Result<> { return {}; };
    const Result<> asked =
        ask_each(tx, "insert into items (id, name) values (?, ?) returning id",
                 {{2, "two"}, {3, "one"}, {4, "four"}}, ignore);
    EXPECT_EQ(asked.error().tag, "unique");
    EXPECT_EQ(insert(tx, 5, "five").error().tag, "unique") << "given again";
    return {};
  });
  EXPECT_EQ(failed.error().tag, "unique");
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{}));
}

TEST_P(PoolTest, AnErrorAboutARowOfManyQuestionsIsTheCallers) {
  const auto written = pool_->write([](Tx& tx) -> Result<> {
    TRY(insert(tx, 1, "one"));
    int rows = 0;
    const Result<> asked = ask_each(tx, "select id from items where id = ?", {{1}, {1}},
                                    [&](std::size_t, const Columns&) -> Result<> {
                                      ++rows;
                                      return conflict("not that one");
                                    });
    EXPECT_EQ(asked.error().message, "not that one");
    EXPECT_EQ(rows, 1);
    return insert(tx, 2, "two");
  });
  EXPECT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 2}));
}

TEST_P(PoolTest, ABadWriteFailsAlone) {
  // The first write holds the writer until the others wait behind it, so that they form one group.
  std::latch queued(1);
  std::vector<std::future<Result<>>> outcomes;
  auto write_later = [&](std::function<Result<>(Tx&)> f) {
    auto outcome = std::make_shared<std::promise<Result<>>>();
    outcomes.push_back(outcome->get_future());
    pool_->write_later(std::move(f), [outcome](Result<> r) { outcome->set_value(std::move(r)); });
  };
  write_later([&](Tx& tx) {
    queued.wait();
    return insert(tx, 1, "one");
  });
  write_later([](Tx& tx) { return insert(tx, 2, "two"); });
  write_later([](Tx& tx) -> Result<> {
    TRY(insert(tx, 3, "three"));
    return invalid("changed my mind");
  });
  write_later([](Tx& tx) -> Result<> {
    TRY(insert(tx, 4, "four"));
    return insert(tx, 5, "two");
  });
  write_later([](Tx& tx) { return insert(tx, 6, "six"); });
  queued.count_down();

  EXPECT_TRUE(outcomes[0].get().ok());
  EXPECT_TRUE(outcomes[1].get().ok());
  EXPECT_EQ(outcomes[2].get().error().message, "changed my mind");
  Error twice = outcomes[3].get().error();
  EXPECT_EQ(twice.code, Code::kConflict) << twice.message;
  EXPECT_EQ(twice.tag, "unique");
  EXPECT_TRUE(outcomes[4].get().ok());
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 2, 6}));
}

TEST_P(PoolTest, ManyThreadsWriteWhileReadersSeeWholeWritesOnly) {
  constexpr int kWriters = 8, kEach = 40;
  std::atomic<int> writing{kWriters};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 1; i <= kEach; ++i) {
        std::int64_t id = writer * 1000 + i;
        Result<> done = pool_->write([&](Tx& tx) -> Result<> {
          TRY(insert(tx, id, "+" + std::to_string(id)));
          return insert(tx, -id, "-" + std::to_string(id));
        });
        EXPECT_TRUE(done.ok()) << done.error().message;
      }
      --writing;
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      while (writing > 0) {
        Result<> read = pool_->read([](Tx& tx) -> Result<> {
          auto sum = TRY(tx.one<std::int64_t>("select coalesce(sum(id), 0) from items"));
          auto count = TRY(tx.one<std::int64_t>("select count(*) from items"));
          auto again = TRY(tx.one<std::int64_t>("select count(*) from items where id > 0"));
          EXPECT_EQ(*sum, 0);
          EXPECT_EQ(*count, 2 * *again) << "one snapshot for all statements";
          return {};
        });
        EXPECT_TRUE(read.ok()) << read.error().message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored().size(), 2u * kWriters * kEach);
}

TEST_P(PoolTest, AnIgnoredErrorStillFailsTheWrite) {
  ASSERT_TRUE(pool_->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  Result<> ignored = pool_->write([](Tx& tx) -> Result<> {
    TRY(insert(tx, 2, "two"));
    Result<> twice = insert(tx, 3, "one");
    EXPECT_FALSE(twice.ok());
    Result<> after = insert(tx, 4, "four");
    EXPECT_EQ(after.error().tag, "unique") << "the first failure, again";
    return {};
  });
  ASSERT_FALSE(ignored.ok());
  EXPECT_EQ(ignored.error().tag, "unique");
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1}));
}

TEST_P(PoolTest, ConflictsAreNamed) {
  auto error_of = [&](const std::string& sql) {
    Result<std::int64_t> failed = pool_->write([&](Tx& tx) { return tx.run(sql); });
    return failed.ok() ? Error{Code::kInternal, "no error"} : failed.error();
  };
  ASSERT_TRUE(pool_->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  Error primary = error_of("insert into items (id) values (1)");
  EXPECT_EQ(primary.code, Code::kConflict);
  EXPECT_EQ(primary.tag, "unique");
  Error unique = error_of("insert into items (id, name) values (2, 'one')");
  EXPECT_EQ(unique.tag, "unique");
  Error foreign = error_of("insert into parts values (1, 99)");
  EXPECT_EQ(foreign.code, Code::kConflict);
  EXPECT_EQ(foreign.tag, "foreign_key");
  EXPECT_EQ(error_of("insert into parts (id) values (1)").code, Code::kInternal);
  EXPECT_EQ(error_of("select nothing from nowhere").code, Code::kInternal);
  EXPECT_EQ(error_of("select \"no such column\" from items").code, Code::kInternal);
}

TEST_P(PoolTest, ChangedRowsAreCounted) {
  std::vector<std::int64_t> counts;
  Result<> done = pool_->write([&](Tx& tx) -> Result<> {
    for (const char* sql : {"insert into items (id, name) values (1, 'a'), (2, 'b'), (3, 'c')",
                            "insert into items (id) values (1) on conflict do nothing",
                            "update items set size = 1 where id > 1", "delete from items",
                            "create table more (id bigint)"}) {
      counts.push_back(TRY(tx.run(sql)));
    }
    return {};
  });
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(counts, (std::vector<std::int64_t>{3, 0, 2, 3, 0}));
}

TEST_P(PoolTest, ValuesThatEnginesKeepDifferentlyAreRefused) {
  auto code_of = [&](const Value& name, const Value& size) {
    Result<std::int64_t> refused = pool_->write([&](Tx& tx) {
      return tx.execute("insert into items (id, name, size) values (1, ?, ?)", {name, size});
    });
    return refused.ok() ? std::string("kept") : std::string(to_string(refused.error().code));
  };
  EXPECT_EQ(code_of("x", std::nan("")), "internal");
  EXPECT_EQ(code_of(std::string("a\0b", 3), 1.0), "invalid");
  EXPECT_EQ(code_of("\xff\xfe", 1.0), "invalid");
  EXPECT_TRUE(stored().empty());
}

TEST_P(PoolTest, AWrongNumberOfValuesOrColumnsIsOurMistake) {
  auto code_of = [&](auto f) {
    auto failed = pool_->read(f);
    return failed.ok() ? std::string("fine") : std::string(to_string(failed.error().code));
  };
  EXPECT_EQ(code_of([](Tx& tx) { return tx.one<std::int64_t>("select id from items", 1); }),
            "internal");
  EXPECT_EQ(
      code_of([](Tx& tx) { return tx.one<std::int64_t>("select id from items where id = ?"); }),
      "internal");
  ASSERT_TRUE(pool_->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  EXPECT_EQ(code_of([](Tx& tx) { return tx.one<Item>("select id, name from items"); }), "internal");
}

TEST_P(PoolTest, AQueryMayRunInsideTheRowsOfTheSameQuery) {
  ASSERT_TRUE(pool_
                  ->write([](Tx& tx) -> Result<> {
                    TRY(insert(tx, 1, "one"));
                    return insert(tx, 2, "two");
                  })
                  .ok());
  int rows = 0;
  Result<> read = pool_->read([&](Tx& tx) -> Result<> {
    constexpr char kAll[] = "select id from items order by id";
    return tx.query(kAll, {}, [&](const Columns&) -> Result<> {
      rows += static_cast<int>(TRY(tx.all<std::int64_t>(kAll)).size());
      return {};
    });
  });
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(rows, 4);
}

TEST_P(PoolTest, AnErrorFromARowIsTheCallersOwn) {
  ASSERT_TRUE(pool_->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  Result<> read = pool_->read([](Tx& tx) -> Result<> {
    Result<> stopped = tx.query("select id from items", {},
                                [](const Columns&) -> Result<> { return missing("enough"); });
    EXPECT_EQ(stopped.error().code, Code::kMissing);
    EXPECT_EQ(TRY(tx.one<std::int64_t>("select count(*) from items")), 1);
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
}

TEST_P(PoolTest, AReaderCannotWrite) {
  Result<std::int64_t> refused =
      pool_->read([](Tx& tx) { return tx.run("insert into items (id) values (1)"); });
  EXPECT_FALSE(refused.ok());
  EXPECT_TRUE(stored().empty());
}

TEST_P(PoolTest, AWriteThatThrowsFailsAlone) {
  Result<> thrown =
      pool_->write([](Tx&) -> Result<> { throw std::runtime_error("out of patience"); });
  ASSERT_FALSE(thrown.ok());
  EXPECT_EQ(thrown.error().code, Code::kInternal);
  EXPECT_TRUE(pool_->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
}

TEST_P(PoolTest, AWriteMayNotWaitForAnotherOnTheWriterThread) {
  std::promise<Result<>> inner;
  pool_->write_later(
      [](Tx&) -> Result<> { return {}; },
      [&](Result<>) { inner.set_value(pool_->write([](Tx&) -> Result<> { return {}; })); });
  Result<> refused = inner.get_future().get();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInternal);
}

TEST_P(PoolTest, AWriteMayNotWaitForAnotherInsideOfOne) {
  std::optional<Result<>> inner;
  Result<> outer = pool_->write([&](Tx&) -> Result<> {
    inner = pool_->write([](Tx&) -> Result<> { return {}; });
    return {};
  });
  EXPECT_TRUE(outer.ok());
  ASSERT_FALSE(inner->ok());
  EXPECT_EQ(inner->error().code, Code::kInternal);
}

TEST_P(PoolTest, AWriteThatIsWaitedForIsDoneHereWhileNothingElseIsWritten) {
  std::thread::id ran;
  ASSERT_TRUE(pool_->write([&](Tx&) -> Result<> {
    ran = std::this_thread::get_id();
    return {};
  }).ok());
  EXPECT_EQ(ran, std::this_thread::get_id());
}

TEST_P(PoolTest, AWriteThatIsWaitedForStandsInLineBehindTheOthers) {
  std::latch started(1), release(1);
  pool_->write_later(
      [&](Tx&) -> Result<> {
        started.count_down();
        release.wait();
        return {};
      },
      [](Result<>) {});
  started.wait();
  pool_->write_later([](Tx& tx) { return insert(tx, 1, "first"); }, [](Result<>) {});
  std::thread waiting([&] {
    Result<> done = pool_->write([](Tx& tx) -> Result<> {
      EXPECT_EQ(*TRY(tx.one<std::string>("select name from items where id = 1")), "first");
      return {};
    });
    EXPECT_TRUE(done.ok()) << done.error().message;
  });
  release.count_down();
  waiting.join();
}

TEST_P(PoolTest, WhatIsQueuedWhileAnotherThreadWritesIsDoneAfterwards) {
  std::promise<Result<>> later;
  ASSERT_TRUE(pool_->write([&](Tx& tx) -> Result<> {
    pool_->write_later([](Tx& inner) { return insert(inner, 2, "second"); },
                       [&](Result<> done) { later.set_value(std::move(done)); });
    return insert(tx, 1, "first");
  }).ok());
  EXPECT_TRUE(later.get_future().get().ok());
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 2}));
}

TEST_P(PoolTest, SomeWaitForTheirWritesAndSomeDoNot) {
  constexpr int kThreads = 6, kEach = 60;
  std::latch answered(kThreads * kEach);
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      for (int i = 0; i < kEach; ++i) {
        const std::int64_t id = number * 1000 + i;
        auto write = [id](Tx& tx) { return insert(tx, id, std::to_string(id)); };
        auto take = [&](Result<> done) {
          EXPECT_TRUE(done.ok());
          answered.count_down();
        };
        if ((number + i) % 2 == 0) take(pool_->write(write));
        else pool_->write_later(write, take);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  answered.wait();
  EXPECT_EQ(stored().size(), static_cast<std::size_t>(kThreads * kEach));
}

TEST_P(PoolTest, TextIsOrderedByBytesAndLikeHeedsCase) {
  const std::vector<std::string> names = {"A_1",  "B", "a",        "a%b",
                                          "b\\c", "b", "\xc3\x89", "\xc3\xa9"};
  ASSERT_TRUE(pool_
                  ->write([&](Tx& tx) -> Result<> {
                    std::int64_t id = 0;
                    for (const std::string& name : names) TRY(insert(tx, ++id, name));
                    return {};
                  })
                  .ok());
  using Names = std::vector<std::string>;
  auto ordered = pool_->read(
      [](Tx& tx) { return tx.all<std::string>("select name from items order by name"); });
  EXPECT_EQ(*ordered, (Names{"A_1", "B", "a", "a%b", "b", "b\\c", "\xc3\x89", "\xc3\xa9"}));
  auto like = [&](const std::string& pattern, bool ignore_case, bool negated = false) {
    auto found = pool_->read([&](Tx& tx) {
      return tx.all<std::string>("select name from items where " +
                                     like_sql(tx.engine(), "name", ignore_case, negated) +
                                     " order by name",
                                 pattern);
    });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return *found;
  };
  EXPECT_EQ(like("a%", false), (Names{"a", "a%b"}));
  EXPECT_EQ(like("A%", true), (Names{"A_1", "a", "a%b"}));
  EXPECT_EQ(like("A%", true, true), (Names{"B", "b", "b\\c", "\xc3\x89", "\xc3\xa9"}));
  EXPECT_EQ(like("a\\%b", false), (Names{})) << "a backslash is no escape";
  EXPECT_EQ(like("b\\c", false), (Names{"b\\c"}));
  EXPECT_EQ(like("b\\", false), (Names{}));
  EXPECT_EQ(like("_", false), (Names{"B", "a", "b", "\xc3\x89", "\xc3\xa9"})) << "one character";
  EXPECT_EQ(like("\xc3\xa9", true), (Names{"\xc3\xa9"})) << "only ASCII is folded";
}

class BoundsTest : public OnEachEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, BoundsTest, every_engine(), engine_name);

TEST_P(BoundsTest, AFullQueueIsBusyAtOnce) {
  PoolOptions options;
  options.write_queue_max = 2;
  std::unique_ptr<Pool> pool = open(kItems, options);
  std::latch started(1), release(1);
  auto ignore = [](Result<>) {};
  pool->write_later(
      [&](Tx&) -> Result<> {
        started.count_down();
        release.wait();
        return {};
      },
      ignore);
  started.wait();
  pool->write_later([](Tx& tx) { return insert(tx, 1, "a"); }, ignore);
  std::promise<void> last_queued;
  pool->write_later([](Tx& tx) { return insert(tx, 2, "b"); },
                    [&](Result<>) { last_queued.set_value(); });
  std::optional<Result<>> refused;
  pool->write_later([](Tx& tx) { return insert(tx, 3, "c"); },
                    [&](Result<> answer) { refused.emplace(std::move(answer)); });
  ASSERT_TRUE(refused.has_value()) << "answered before write_later returned";
  EXPECT_EQ(refused->error().code, Code::kBusy);
  release.count_down();
  last_queued.get_future().wait();
  EXPECT_TRUE(pool->write([](Tx& tx) { return insert(tx, 4, "d"); }).ok());
  EXPECT_EQ(*ids(*pool), (std::vector<std::int64_t>{1, 2, 4}));
}

TEST_P(BoundsTest, ClosingFinishesWhatWasQueued) {
  std::atomic<int> done{0};
  {
    PoolOptions options;
    options.group_max = 7;
    std::unique_ptr<Pool> pool = open(kItems, options);
    for (int id = 1; id <= 100; ++id) {
      pool->write_later([id](Tx& tx) { return insert(tx, id, std::to_string(id)); },
                        [&](Result<> answer) { done += answer.ok() ? 1 : 0; });
    }
  }
  EXPECT_EQ(done, 100);
  std::unique_ptr<Pool> pool = open(kItems);
  EXPECT_EQ(ids(*pool)->size(), 100u);
}

TEST_P(BoundsTest, WhoAsksForMoreAndMoreIsRefusedOnceItCloses) {
  std::unique_ptr<Pool> opened = open(kItems);
  Pool* pool = opened.get();
  std::promise<Error> refused;
  std::latch written(3);
  std::function<void()> again = [&] {
    pool->write_later([](Tx&) -> Result<> { return {}; },
                      [&](Result<> outcome) {
                        if (!outcome.ok()) return refused.set_value(outcome.error());
                        if (!written.try_wait()) written.count_down();
                        again();
                      });
  };
  again();
  written.wait();
  opened.reset();
  EXPECT_EQ(refused.get_future().get().code, Code::kUnavailable)
      << "what cannot be told from a write that failed is tried again at once";
}

TEST_P(BoundsTest, AReaderBeyondTheBoundIsBusyAfterItsWait) {
  PoolOptions options;
  options.readers_max = 1;
  options.reader_wait = std::chrono::milliseconds(20);
  std::unique_ptr<Pool> pool = open(kItems, options);
  Result<> outer = pool->read([&](Tx&) -> Result<> {
    Result<> inner = pool->read([](Tx&) -> Result<> { return {}; });
    EXPECT_FALSE(inner.ok());
    EXPECT_EQ(inner.error().code, Code::kBusy);
    return {};
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_TRUE(ids(*pool).ok());
}

TEST_P(BoundsTest, ManyDifferentStatementsDoNotPileUp) {
  std::unique_ptr<Pool> pool = open(kItems);
  Result<> read = pool->read([](Tx& tx) -> Result<> {
    for (int i = 0; i < 1200; ++i) {
      std::string sql = "select " + std::to_string(i) + " where ? = 1";
      EXPECT_EQ(TRY(tx.one<std::int64_t>(sql, 1)), i);
    }
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().message;
}

TEST_P(BoundsTest, GroupsAreCounted) {
  std::unique_ptr<Pool> pool = open(kItems);
  for (int id = 0; id < 3; ++id) {
    ASSERT_TRUE(pool->write([&](Tx& tx) { return insert(tx, id, std::to_string(id)); }).ok());
  }
  std::string text = metrics().expose();
  EXPECT_NE(text.find("slipway_db_group_writes_sum 3"), std::string::npos) << text;
  EXPECT_NE(text.find("slipway_db_commit_seconds_count 3"), std::string::npos) << text;
  EXPECT_NE(text.find("slipway_db_write_queue 1"), std::string::npos) << text;
}

class MigrationTest : public OnEachEngine {
 protected:
  Error error_of(const std::vector<Migration>& migrations, PoolOptions options = {}) {
    Result<std::unique_ptr<Pool>> pool = Pool::open(uri(), migrations, metrics(), options);
    return pool.ok() ? Error{Code::kInternal, "opened"} : pool.error();
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, MigrationTest, every_engine(), engine_name);

const Migration kSecond = {"test/0002_colour", "alter table items add column colour text", ""};

std::vector<Migration> with(std::vector<Migration> all, const Migration& more) {
  all.push_back(more);
  return all;
}

TEST_P(MigrationTest, PendingOnesAreAppliedOnceAndRecordedByName) {
  open(kItems);
  std::unique_ptr<Pool> pool = open(with(kItems, kSecond));
  pool.reset();
  pool = open(with(kItems, kSecond));
  auto names = pool->read([](Tx& tx) {
    return tx.all<std::string>("select name from migrations where applied_ms > 0 order by name");
  });
  EXPECT_EQ(*names, (std::vector<std::string>{"test/0001_items", "test/0002_colour"}));
  EXPECT_TRUE(
      pool->read([](Tx& tx) { return tx.one<std::string>("select colour from items"); }).ok());
}

TEST_P(MigrationTest, AnEarlierOneOfAnotherModuleIsAppliedLate) {
  open(kItems);
  Migration other{"another/0001_first", "create table another (id bigint)", ""};
  std::unique_ptr<Pool> pool = open({other, kItems[0]});
  EXPECT_TRUE(
      pool->read([](Tx& tx) { return tx.one<std::int64_t>("select id from another"); }).ok());
}

TEST_P(MigrationTest, ADatabaseOfANewerProgramIsRefused) {
  open(with(kItems, kSecond));
  Error error = error_of(kItems);
  EXPECT_EQ(error.code, Code::kConflict);
  EXPECT_NE(error.message.find("made by a newer slipway"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("test/0002_colour"), std::string::npos) << error.message;
}

TEST_P(MigrationTest, AChangedTextOfAnAppliedOneIsNamed) {
  open(kItems);
  std::vector<Migration> changed = kItems;
  changed[0].sqlite += ";";
  changed[0].postgres += ";";
  Error error = error_of(changed);
  EXPECT_EQ(error.code, Code::kInternal);
  EXPECT_NE(error.message.find("test/0001_items"), std::string::npos) << error.message;
}

TEST_P(MigrationTest, OneThatFailsIsNamedAndLeavesNothing) {
  Migration bad{"test/0002_bad", "create table half (id bigint); select nothing from nowhere", ""};
  Error error = error_of(with(kItems, bad));
  EXPECT_NE(error.message.find("test/0002_bad"), std::string::npos) << error.message;
  std::unique_ptr<Pool> pool = open(kItems);
  EXPECT_FALSE(pool->read([](Tx& tx) { return tx.one<std::int64_t>("select id from half"); }).ok());
}

TEST_P(MigrationTest, TwoServersThatStartTogetherApplyThemOnce) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Metrics own;
      Result<std::unique_ptr<Pool>> pool = Pool::open(uri(), with(kItems, kSecond), own);
      EXPECT_TRUE(pool.ok()) << pool.error().message;
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(MigrationTest, ReadingOnlyNeverMigratesNorWrites) {
  PoolOptions reading;
  reading.read_only = true;
  EXPECT_EQ(error_of(kItems, reading).code, Code::kMissing);
  open(kItems);
  Error pending = error_of(with(kItems, kSecond), reading);
  EXPECT_EQ(pending.code, Code::kConflict);
  EXPECT_EQ(pending.tag, "pending_migrations");

  std::unique_ptr<Pool> pool = open(kItems, reading);
  EXPECT_TRUE(ids(*pool)->empty());
  Result<> refused = pool->write([](Tx& tx) { return insert(tx, 1, "one"); });
  EXPECT_EQ(refused.error().code, Code::kDenied);
  std::unique_ptr<Pool> owner = open(kItems);
  ASSERT_TRUE(owner->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  EXPECT_EQ(ids(*pool)->size(), 1u) << "sees what the owner commits";
}

TEST(SqliteFile, IsCopiedBeforeItsFirstPendingMigration) {
  TemporaryFolder folder;
  std::string path = (folder.path() / "catalog.db").string();
  Metrics metrics;
  auto open_with = [&](const std::string& file, const std::vector<Migration>& migrations) {
    return Pool::open("sqlite://" + file, migrations, metrics);
  };
  auto pool = open_with(path, kItems);
  ASSERT_TRUE(pool.ok()) << pool.error().message;
  ASSERT_TRUE((*pool)->write([](Tx& tx) { return insert(tx, 7, "seven"); }).ok());
  std::string copy = path + ".before-test-0002_colour";
  EXPECT_FALSE(std::filesystem::exists(copy));
  pool->reset();
  ASSERT_TRUE(open_with(path, with(kItems, kSecond)).ok());
  auto before = open_with(copy, kItems);
  ASSERT_TRUE(before.ok()) << before.error().message;
  EXPECT_EQ(*ids(**before), (std::vector<std::int64_t>{7}));
}

TEST(SqliteFile, HasALogThatStaysSmallThoughEveryWriteIsWaitedFor) {
  TemporaryFolder folder;
  std::string path = (folder.path() / "catalog.db").string();
  Metrics metrics;
  auto pool = Pool::open("sqlite://" + path, kItems, metrics);
  ASSERT_TRUE(pool.ok()) << pool.error().message;
  const Blob data{std::string(256u << 10, 'x')};
  for (std::int64_t id = 0; id < 160; ++id) {
    ASSERT_TRUE((*pool)->write([&](Tx& tx) {
      return tx.run("insert into items (id, data) values (?, ?)", id, data);
    }).ok());
  }
  EXPECT_LT(std::filesystem::file_size(path + "-wal"), 8u << 20);  // of 40 MB written
}

TEST(SqliteFile, IsNotCopiedWhereThereIsNoRoom) {
  constexpr std::uint64_t kGib = 1u << 30;
  EXPECT_TRUE(check_room_for_copy("/s/catalog.db", "test/0002", 4 * kGib, 5 * kGib).ok());
  const Result<> refused = check_room_for_copy("/s/catalog.db", "test/0002", 4 * kGib, 4 * kGib);
  ASSERT_FALSE(refused.ok()) << "nothing would be left to go on with";
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_EQ(refused.error().tag, "disk_full");
  for (const char* told : {"test/0002", "/s/catalog.db", "needs 4352 MiB", "4096 MiB free"}) {
    EXPECT_NE(refused.error().message.find(told), std::string::npos) << refused.error().message;
  }
  EXPECT_FALSE(check_room_for_copy("/s/catalog.db", "test/0002", 4096, 4096).ok());
}

TEST(SqliteFile, OfAnotherProgramIsLeftAlone) {
  TemporaryFolder folder;
  std::string file = (folder.path() / "other.db").string();
  Metrics metrics;
  // Made by this library, but without the table of migrations.
  auto made = Pool::open("sqlite://" + file, kItems, metrics);
  ASSERT_TRUE((*made)->write([](Tx& tx) { return tx.run("drop table migrations"); }).ok());
  made->reset();
  auto refused = Pool::open("sqlite://" + file, kItems, metrics);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kConflict);

  std::string text = (folder.path() / "text.db").string();
  std::ofstream(text) << "this is a letter, not a database; it only has to be long enough";
  auto letter = Pool::open("sqlite://" + text, kItems, metrics);
  ASSERT_FALSE(letter.ok());
  EXPECT_EQ(letter.error().code, Code::kUnavailable);
}

TEST(SqliteFile, APatternThatIsTooLongIsTheCallersFault) {
  TemporaryFolder folder;
  Metrics metrics;
  auto pool = Pool::open("sqlite://" + (folder.path() / "a.db").string(), kItems, metrics);
  ASSERT_TRUE((*pool)->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  auto refused = (*pool)->read([](Tx& tx) {
    return tx.one<std::int64_t>("select id from items where name like ?", std::string(60'000, '%'));
  });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kInvalid);
}

TEST(Uri, ThatNamesNoDatabaseIsRefusedWithoutItsPassword) {
  Metrics metrics;
  auto mysql = Pool::open("mysql://root:hunter2@host/db", kItems, metrics);
  EXPECT_EQ(mysql.error().code, Code::kInvalid);
  EXPECT_EQ(mysql.error().message.find("hunter2"), std::string::npos);
  EXPECT_EQ(Pool::open("sqlite://relative.db", kItems, metrics).error().code, Code::kInvalid);
  EXPECT_EQ(Pool::open("sqlite:///no/such/folder/catalog.db", kItems, metrics).error().code,
            Code::kUnavailable);
  auto nobody = Pool::open("postgresql://u:hunter2@127.0.0.1:1/none", kItems, metrics);
  EXPECT_EQ(nobody.error().code, Code::kUnavailable);
  EXPECT_EQ(nobody.error().message.find("hunter2"), std::string::npos);
}

TEST(Uri, IsNeverRepeatedWhereItMayHoldAPassword) {
  Metrics metrics;
  for (const char* uri :
       {"postgresql://bob:s3%zzcr3t@127.0.0.1:1/db",
        "postgresql://bob:s3cr3t@s3cr3t@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?password=s3cr3t&no_such=s3cr3t", "sqlite://bob:s3cr3t@h/x.db",
        "postgresql://127.0.0.1:1/db?password=s3=cr3t", "postgresql://bob:s3/cr3t@127.0.0.1:1/db",
        "postgresql://bob:s3cr3t@[127.0.0.1:1/db", "sqlite:///no/such/x.db?password=s3cr3t",
        "postgresql://127.0.0.1:port/db?s3cr3t", "postgresql://bob:%73%33cr3t@127.0.0.1:1/db"}) {
    auto refused = Pool::open(uri, kItems, metrics);
    ASSERT_FALSE(refused.ok()) << uri;
    for (const char* part : {"s3cr3t", "cr3t", "bob", "s3%zz", "%73"}) {
      EXPECT_EQ(refused.error().message.find(part), std::string::npos)
          << uri << ": " << refused.error().message;
    }
  }
}

TEST(Secrets, AreCutOutAndLeaveTheReason) {
  constexpr char kUri[] = "postgresql://bob:s3cr3t@h/db?sslmode=disable";
  EXPECT_EQ(without_secrets("connection to \"h\" refused", kUri), "connection to \"h\" refused");
  EXPECT_EQ(without_secrets("user \"bob\" said s3cr3t", kUri), "user \"***\" said ***");
  EXPECT_EQ(without_secrets("no host \"x@h\"", "postgresql://b:p@x@h/db").find("x@h"),
            std::string::npos);
}

TEST(SqliteFile, ThatIsDeletedOrReplacedUnderAServerRefusesWrites) {
  for (const bool replaced : {false, true}) {
    TemporaryFolder folder;
    Metrics metrics;
    const std::string uri = "sqlite://" + (folder.path() / "a.db").string();
    auto pool = Pool::open(uri, kItems, metrics);
    ASSERT_TRUE(pool.ok());
    ASSERT_TRUE((*pool)->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
    EXPECT_TRUE((*pool)->health().ok());
    for (const char* name : {"a.db", "a.db-wal", "a.db-shm"}) {
      std::filesystem::remove(folder.path() / name);
    }
    std::unique_ptr<Pool> second;
    if (replaced) second = std::move(*Pool::open(uri, kItems, metrics));
    auto lost = (*pool)->write([](Tx& tx) { return insert(tx, 2, "two"); });
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.error().code, Code::kUnavailable);
    EXPECT_NE(lost.error().message.find("deleted or replaced"), std::string::npos);
    EXPECT_EQ((*pool)->health().error().tag, "moved");
    if (!second) continue;
    EXPECT_TRUE(second->write([](Tx& tx) { return insert(tx, 1, "one"); }).ok());
  }
}

TEST(SqliteFile, ThatAnotherProgramLocksIsNotReadyUntilItLetsGo) {
  TemporaryFolder folder;
  Metrics metrics;
  const std::string path = (folder.path() / "a.db").string();
  PoolOptions options;
  options.busy_timeout = std::chrono::milliseconds(20);
  auto pool = Pool::open("sqlite://" + path, kItems, metrics, options);
  ASSERT_TRUE(pool.ok());
  const auto insert_one = [&](int id) {
    return (*pool)->write([&](Tx& tx) { return insert(tx, id, std::to_string(id)); });
  };
  ASSERT_TRUE(insert_one(1).ok());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "begin immediate", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(insert_one(2).error().code, Code::kUnavailable);
  const Result<> locked = (*pool)->health();
  ASSERT_FALSE(locked.ok());
  EXPECT_EQ(locked.error().code, Code::kUnavailable);
  EXPECT_NE(locked.error().message.find("another program"), std::string::npos)
      << locked.error().message;
  EXPECT_NE(insert_one(2).error().message.find("another program"), std::string::npos);
  EXPECT_FALSE((*pool)->health().ok()) << "each of them waited anew";
  ASSERT_EQ(sqlite3_exec(other, "rollback", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  ASSERT_TRUE(insert_one(2).ok());
  EXPECT_TRUE((*pool)->health().ok());
}

TEST(Placeholders, AreNumberedOutsideOfQuotesAndComments) {
  Numbered plain = number_placeholders("select ?, 'it''s ?', \"a?\" from t -- ?\n where a = ?");
  EXPECT_EQ(plain.sql, "select $1, 'it''s ?', \"a?\" from t -- ?\n where a = $2");
  EXPECT_EQ(plain.placeholders, 2);
  EXPECT_EQ(number_placeholders("/* ? */ ?").sql, "/* ? */ $1");
  EXPECT_EQ(number_placeholders("'open ?").placeholders, 0);
  EXPECT_EQ(number_placeholders("? -- ?").placeholders, 1);
  EXPECT_EQ(number_placeholders("").sql, "");
}

TEST(Portable, PostgresFollowsFromSqlitesWords) {
  Migration migration =
      portable("m/0001",
               "create table t (id integer primary key autoincrement, "
               "n integer not null, name text not null, note text, data blob not null);"
               "create table p (name text primary key) without rowid;");
  EXPECT_EQ(migration.postgres,
            "create table t (id bigint generated by default as identity primary key, "
            "n integer not null, name text collate \"C\" not null, note text collate \"C\", data "
            "bytea not null);"
            "create table p (name text collate \"C\" primary key);");
}

TEST_P(MigrationTest, PortableTablesOrderTextsByBytes) {
  std::unique_ptr<Pool> pool = open({portable(
      "words/0001",
      "create table words (id integer primary key, word text not null, data blob not null);")});
  Result<> stored = pool->write([](Tx& tx) -> Result<> {
    for (const char* word : {"b", "a", "B", "\xc3\xa4"}) {
      TRY(tx.run("insert into words (word, data) values (?, ?)", word, Blob{"x"}));
    }
    return {};
  });
  ASSERT_TRUE(stored.ok()) << stored.error().message;
  auto words = pool->read(
      [](Tx& tx) { return tx.all<std::string>("select word from words order by word"); });
  ASSERT_TRUE(words.ok()) << words.error().message;
  EXPECT_EQ(*words, (std::vector<std::string>{"B", "a", "b", "\xc3\xa4"}));
}

}  // namespace
}  // namespace slipway::db
