#include "domain/tracking/run_images.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <random>
#include <thread>

#include "domain/tracking/moves.h"
#include "domain/tracking/tracking_testing.h"

namespace slipway::tracking {
namespace {

using db::Op;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> ids_of(const std::vector<tracking::Run>& runs) {
  std::vector<std::string> ids;
  for (const tracking::Run& run : runs) ids.push_back(run.info.id);
  return ids;
}

/// Few keys and few values, so that ties and misses are the rule.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  template <class T, std::size_t N>
  const T& pick(const T (&items)[N]) {
    return items[below(static_cast<int>(N))];
  }
  std::string text() {
    static const char* const kTexts[] = {"",  "a",  "A",   "b",     "ab",  "aXb", "é",
                                         "É", "a%", "a_b", "10.50", "9.5", "漢字", "Z"};
    return pick(kTexts);
  }
  std::string pattern() {
    static const char* const kPatterns[] = {"%",  "_",   "a%",  "%b", "%é%", "_b",
                                            "A_", "__%", "a%b", "",   "%_%", "É"};
    return pick(kPatterns);
  }
  double number() {
    static const double kNumbers[] = {0, -0.0, 1, -1, 0.5, 2, 1e300, -1e300, 3};
    return pick(kNumbers);
  }
  std::string key() {
    static const char* const kKeys[] = {"k", "l", "m"};
    return pick(kKeys);
  }
  std::string part() {
    static const char* const kEnds[] = {".min", ".max", ".count", ".first_step", ".last_step"};
    return key() + pick(kEnds);
  }

 private:
  std::mt19937 random_;
};

class RunImagesTest : public TrackingTest {
 protected:
  void SetUp() override {
    TrackingTest::SetUp();
    if (HasFatalFailure()) return;
    images_ = std::make_unique<RunImages>(*pool_);
    experiments_ = {0};
    for (const char* name : {"first", "second"}) experiments_.push_back(create(name)->id);
  }
  void TearDown() override {
    images_.reset();
    TrackingTest::TearDown();
  }

  std::vector<std::string> by_sql(const RunQuery& query) {
    auto found = pool_->read([&](db::Tx& tx) -> Result<std::vector<tracking::Run>> {
      db::Sql sql = TRY(run_search_sql(tx.engine(), query));
      std::vector<std::int64_t> keys;
      TRY(tx.query(sql.text, sql.values, [&](const db::Columns& columns) -> Result<> {
        keys.push_back(columns.int64(0));
        return {};
      }));
      return read_runs(tx, keys);
    });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? ids_of(*found) : std::vector<std::string>{"?"};
  }
  std::vector<std::string> by_image(RunImages& images, const RunQuery& query) {
    auto found = images.search(query);
    EXPECT_TRUE(found.ok()) << found.error().message;
    if (!found.ok()) return {"?"};
    EXPECT_TRUE(found->has_value()) << "left to SQL";
    return found->has_value() ? ids_of(**found) : std::vector<std::string>{"?"};
  }

  void make_run(Dice& dice) {
    NewRun made;
    made.experiment_id = experiments_[static_cast<std::size_t>(dice.below(3))];
    made.name = dice.text();
    made.user_id = dice.text();
    made.start_ms = dice.below(4);
    made.tags = {{dice.key(), dice.text()}};
    Result<tracking::Run> run = start(made);
    if (run.ok()) ids_.push_back(run->info.id);  // its experiment may be deleted
  }
  /// One change of some kind; refused where the run is deleted.
  void change_something(Dice& dice, Tracking& tracking) {
    const auto which = static_cast<std::size_t>(dice.below(static_cast<int>(ids_.size())));
    const std::string id = ids_[which];
    const std::int64_t experiment = experiments_[static_cast<std::size_t>(dice.below(3))];
    Batch batch;
    switch (dice.below(10)) {
      case 0:
        return make_run(dice);
      case 1:
        (void)wait_for([&](Done<> done) { tracking.delete_run(id, {}, std::move(done)); });
        return;
      case 2:
        (void)wait_for([&](Done<> done) { tracking.restore_run(id, {}, std::move(done)); });
        return;
      case 3: {
        RunChange to;
        to.status = dice.below(2) == 0 ? RunStatus::kFinished : RunStatus::kFailed;
        if (dice.below(2) == 0) to.end_ms = dice.below(5);
        (void)wait_for<RunInfo>(
            [&](Done<RunInfo> done) { tracking.change_run(id, to, {}, std::move(done)); });
        return;
      }
      case 4:
        (void)wait_for(
            [&](Done<> done) { tracking.delete_tag(id, dice.key(), std::move(done)); });
        return;
      case 5:
        if (dice.below(8) != 0) return;
        (void)wait_for(
            [&](Done<> done) { tracking.delete_experiment(experiment, {}, std::move(done)); });
        (void)wait_for(
            [&](Done<> done) { tracking.restore_experiment(experiment, {}, std::move(done)); });
        return;
      case 6:
        batch.params = {{dice.key(), dice.text()}};
        break;
      case 7:
        batch.tags = {{dice.key(), dice.text()}};
        if (dice.below(3) == 0) batch.name = dice.text();
        break;
      case 8:
        for (int i = 0; i < 600; ++i) batch.metrics.push_back({"m", dice.number(), 1, i});
        break;
      default:
        batch.metrics = {{dice.below(6) == 0 ? dice.part() : dice.key(), dice.below(4) == 0 ? kNan : dice.number(), 1, 0}};
        batch.metrics.front().step = dice.below(3);
    }
    (void)wait_for([&](Done<> done) { tracking.log(id, std::move(batch), std::move(done)); });
    if (dice.below(20) != 0) return;
    auto moved = pool_->write([&](db::Tx& tx) -> Result<bool> {
      RunKey run = TRY(find_run(tx, id));
      return compact_run(tx, run.key, known_);
    });
    EXPECT_TRUE(moved.ok());
  }

  static Condition some_condition(Dice& dice) {
    static const Op kOrders[] = {Op::kEqual,       Op::kUnequal, Op::kLess,
                                 Op::kLessOrEqual, Op::kGreater, Op::kGreaterOrEqual};
    static const char* const kTexts[] = {"run_name", "user_id", "status", "artifact_uri", "run_id"};
    switch (dice.below(7)) {
      case 0:
        return {Field::kMetric, dice.key(), dice.pick(kOrders), dice.number()};
      case 6:
        return {Field::kMetricPart, dice.part(), dice.pick(kOrders), dice.number()};
      case 1:
        return {dice.below(2) == 0 ? Field::kParam : Field::kTag, dice.key(),
                dice.below(2) == 0 ? Op::kIsNull : Op::kIsNotNull, {}};
      case 2: {
        const std::string key = dice.below(2) == 0 ? "start_time" : "end_time";
        if (dice.below(2) == 0) return {Field::kAttribute, key, dice.pick(kOrders), dice.number()};
        return {Field::kAttribute, key, dice.pick(kOrders), std::int64_t{dice.below(4)}};
      }
      case 3:
        return some_text_condition(dice, Field::kAttribute, dice.pick(kTexts));
      default:
        return some_text_condition(dice, dice.below(2) == 0 ? Field::kParam : Field::kTag,
                                   dice.key());
    }
  }
  static Condition some_text_condition(Dice& dice, Field field, std::string key) {
    switch (dice.below(4)) {
      case 0:
        return {field, std::move(key), dice.below(2) == 0 ? Op::kLike : Op::kILike,
                dice.pattern()};
      case 1:
        return {field, std::move(key), dice.below(2) == 0 ? Op::kIn : Op::kNotIn,
                std::vector<std::string>{dice.text(), dice.text(), "FINISHED"}};
      case 2:
        return {field, std::move(key), Op::kUnequal, dice.text()};
      default:
        return {field, std::move(key), Op::kGreater, dice.text()};
    }
  }
  RunQuery some_query(Dice& dice) {
    static const char* const kAttributes[] = {"start_time", "end_time", "run_name",
                                              "user_id",    "status",   "run_id"};
    static const Field kFields[] = {Field::kMetric, Field::kParam, Field::kTag};
    RunQuery query;
    for (std::int64_t experiment : experiments_) {
      if (dice.below(3) != 0) query.experiments.push_back(experiment);
    }
    for (int n = dice.below(3); n > 0; --n) query.where.push_back(some_condition(dice));
    const bool by_attribute = dice.below(2) == 0;
    if (by_attribute)
      query.order.push_back({Field::kAttribute, dice.pick(kAttributes), dice.below(2) == 0});
    if (dice.below(3) != 0)
      query.order.push_back({dice.pick(kFields), dice.key(), dice.below(2) == 0});
    if (dice.below(4) == 0)
      query.order.push_back({Field::kMetricPart, dice.part(), dice.below(2) == 0});
    static const View kViews[] = {View::kActive, View::kActive, View::kDeleted, View::kAll};
    query.view = dice.pick(kViews);
    query.limit = 1 + dice.below(20);
    if (dice.below(4) == 0) query.offset = dice.below(15);
    return query;
  }

  std::unique_ptr<RunImages> images_;
  MovePoints known_;
  std::vector<std::int64_t> experiments_;
  std::vector<std::string> ids_;
};
INSTANTIATE_TEST_SUITE_P(Engines, RunImagesTest, db::every_engine(), db::engine_name);

TEST_P(RunImagesTest, FindWhatSqlFindsWhateverChangesAndWhoeverWrites) {
  Dice dice(7);
  for (int i = 0; i < 60; ++i) make_run(dice);
  // Another server on the same database.
  std::unique_ptr<db::Pool> pool = open(db::joined({graph::migrations(), migrations()}));
  auto other = Tracking::open(*pool, clock_, {.artifact_root = "store:/r"});
  ASSERT_TRUE(other.ok()) << other.error().message;
  for (int round = 0; round < 250; ++round) {
    for (int n = dice.below(4); n > 0; --n) {
      change_something(dice, dice.below(2) == 0 ? *tracking_ : **other);
    }
    const RunQuery query = some_query(dice);
    ASSERT_EQ(by_image(*images_, query), by_sql(query)) << "round " << round;
  }
  pool.reset();
}

TEST_P(RunImagesTest, PagesBehindAPlaceAreThePartsOfTheWhole) {
  Dice dice(11);
  for (int i = 0; i < 40; ++i) make_run(dice);
  for (int i = 0; i < 200; ++i) change_something(dice, *tracking_);
  for (int round = 0; round < 40; ++round) {
    RunQuery query = some_query(dice);
    query.of_series = OfSeries::kLatest;  // a place may want more of them
    query.offset = 0;
    query.limit = 1000;
    const std::vector<std::string> whole = by_sql(query);
    query.limit = 3;
    std::vector<std::string> parts;
    while (true) {
      auto found = images_->search(query);
      ASSERT_TRUE(found.ok() && found->has_value());
      ASSERT_EQ(ids_of(**found), by_sql(query)) << "round " << round;
      const bool more = (*found)->size() > 3;
      if (more) (*found)->pop_back();
      for (const std::string& id : ids_of(**found)) parts.push_back(id);
      if (!more) break;
      query.after = place_of((*found)->back(), query);
    }
    ASSERT_EQ(parts, whole) << "round " << round;
  }
}

TEST_P(RunImagesTest, StayWithinTheirMemory) {
  Dice dice(3);
  for (int i = 0; i < 200; ++i) make_run(dice);
  for (int i = 0; i < 300; ++i) change_something(dice, *tracking_);
  constexpr std::size_t kMax = 64'000;
  RunImages small(*pool_, kMax);
  for (int round = 0; round < 60; ++round) {
    const RunQuery query = some_query(dice);
    ASSERT_EQ(by_image(small, query), by_sql(query)) << "round " << round;
    ASSERT_LE(small.bytes(), kMax);
  }
}

TEST_P(RunImagesTest, LeaveToSqlWhatIsTooLarge) {
  Dice dice(3);
  for (int i = 0; i < 50; ++i) make_run(dice);
  RunQuery query;
  query.experiments = experiments_;
  query.where = {{Field::kTag, "big", Op::kIsNotNull, {}}};
  Batch batch;
  batch.tags = {{"big", std::string(100'000, 'x')}};
  ASSERT_TRUE(log(ids_[0], std::move(batch)).ok());
  RunImages small(*pool_, 100'000);
  auto found = small.search(query);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_FALSE(found->has_value());
  query.where.clear();
  EXPECT_EQ(by_image(small, query), by_sql(query));
  RunImages tiny(*pool_, 4000);
  EXPECT_FALSE((*tiny.search(query)).has_value());
}

TEST_P(RunImagesTest, AreReadAnewWhenNotesWereForgotten) {
  Dice dice(5);
  for (int i = 0; i < 20; ++i) make_run(dice);
  RunQuery query;
  query.experiments = experiments_;
  query.order = {{Field::kTag, "k", true}};
  ASSERT_EQ(by_image(*images_, query), by_sql(query));
  for (int i = 0; i < 30; ++i) change_something(dice, *tracking_);
  auto forgotten = pool_->write([](db::Tx& tx) -> Result<std::int64_t> {
    return tx.run("delete from run_changes where seq < (select max(seq) from run_changes)");
  });
  ASSERT_TRUE(forgotten.ok());
  EXPECT_EQ(by_image(*images_, query), by_sql(query));
}

TEST_P(RunImagesTest, DoNotShowHalfOfARequestToSearchesBesideIt) {
  const std::string id = run({});
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 1; i <= 60; ++i) {
      Batch batch;
      batch.metrics = {{"m", static_cast<double>(i), 1, i}};
      batch.tags = {{"t", std::to_string(i)}};
      EXPECT_TRUE(log(id, std::move(batch)).ok());
    }
    done = true;
  });
  RunQuery query;
  query.experiments = {0};
  while (!done) {
    // A new column now and then, beside one that is known.
    RunImages images(*pool_);
    query.where = {{Field::kMetric, "m", Op::kGreater, 0.0}};
    (void)images.search(query);
    for (int i = 0; i < 5; ++i) {
      query.where = {{Field::kMetric, "m", Op::kGreater, 0.0},
                     {Field::kTag, "t", Op::kIsNotNull, {}}};
      auto found = images.search(query);
      EXPECT_TRUE(found.ok() && found->has_value());
      if (!found.ok() || !*found || (*found)->empty()) continue;
      const tracking::Run& seen = (*found)->front();
      query.where = {{Field::kMetric, "m", Op::kEqual, seen.metrics.front().value},
                     {Field::kTag, "t", Op::kUnequal, seen.tags.back().value}};
      auto half = images.search(query);
      EXPECT_TRUE(half.ok() && half->has_value() && (*half)->empty());
    }
  }
  writer.join();
}

TEST(Like, HasWildcardsForOneCharacterAndForMany) {
  EXPECT_TRUE(is_like("", ""));
  EXPECT_TRUE(is_like("", "%%"));
  EXPECT_FALSE(is_like("a", ""));
  EXPECT_TRUE(is_like("abc", "a_c"));
  EXPECT_TRUE(is_like("aéc", "a_c"));
  EXPECT_FALSE(is_like("abbc", "a_c"));
  EXPECT_TRUE(is_like("abcabd", "%ab_"));
  EXPECT_TRUE(is_like("aaab", "%ab"));
  EXPECT_TRUE(is_like("a%b", "a%b"));
  EXPECT_FALSE(is_like("abc", "%b"));
  EXPECT_TRUE(is_like("mississippi", "m%iss%ip_i"));
}

TEST_P(RunImagesTest, ATableHasWhatRunsHaveWithAndWithoutColumnsInMemory) {
  const std::string a = run(), b = run(), c = run();
  Batch batch;
  batch.params = {{"k", "x"}};
  batch.metrics = {{"m", 2, 1, 0}};
  ASSERT_TRUE(log(a, std::move(batch)).ok());
  ASSERT_TRUE(log(b, {{"m", kNan, 1, 0}}).ok());
  RunQuery query;
  query.experiments = {0};
  const std::vector<ColumnName> names = {{Field::kMetric, "m"}, {Field::kParam, "k"}};
  RunImages none(*pool_, /*bytes_max=*/1);  // everything is too large for it
  for (RunImages* images : {images_.get(), &none}) {
    const Result<RunTable> table = images->table(query, names);
    ASSERT_TRUE(table.ok()) << table.error().message;
    std::map<std::string, std::size_t> row;
    for (std::size_t i = 0; i < table->run_ids.size(); ++i) row[table->run_ids[i]] = i;
    ASSERT_EQ(row.size(), 3u);
    const auto& metrics = table->columns[0];
    const auto& params = table->columns[1];
    EXPECT_EQ(metrics[row[a]].real, 2);
    EXPECT_EQ(metrics[row[b]].state, CellState::kNan);
    EXPECT_EQ(metrics[row[c]].state, CellState::kMissing);
    EXPECT_EQ(params[row[a]].text, "x");
    EXPECT_EQ(params[row[b]].state, CellState::kMissing);
    EXPECT_EQ(table->start_ms[row[a]], 0);
  }
}

}  // namespace
}  // namespace slipway::tracking
