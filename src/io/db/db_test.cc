#include "io/db/db.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <latch>
#include <thread>

#include "io/db/db_testing.h"
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

}  // namespace
}  // namespace slipway::db
