#include "domain/tracking/search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "domain/tracking/tracking_testing.h"

namespace slipway::tracking {
namespace {

using db::Op;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Runs named "a" to "e", started at 1 to 5:
///   metric m: 1, 2, NaN, -, 0.5    param p: "a", "B", "é", "", -    tag t: "1", "2", "1", "2", -
///   b used the dataset "bikes" as "train", c used "cars"; d is finished at 9; e is deleted.
class SearchTest : public TrackingTest {
 protected:
  void SetUp() override {
    TrackingTest::SetUp();
    if (HasFatalFailure()) return;
    const double metrics[] = {1, 2, kNan, 0, 0.5};
    const char* params[] = {"a", "B", "é", "", nullptr};
    for (int i = 0; i < 5; ++i) {
      NewRun made;
      made.name = std::string(1, static_cast<char>('a' + i));
      made.start_ms = i + 1;
      made.user_id = i % 2 == 0 ? "ann" : "bob";
      if (i < 4) made.tags = {{"t", i % 2 == 0 ? "1" : "2"}};
      ids_.push_back(run(made));
      if (i != 3) {
        ASSERT_TRUE(log(ids_[i], std::vector<Metric>{{"m", metrics[i], 1, 0}}).ok());
      }
      if (params[i] != nullptr) {
        ASSERT_TRUE(param(ids_[i], {"p", params[i]}).ok());
      }
    }
    use(ids_[1], {{"bikes", "d1", "", "", "", ""}, {{"context", "train"}}});
    use(ids_[2], {{"cars", "d1", "", "", "", ""}, {}});
    RunChange finish;
    finish.status = RunStatus::kFinished;
    finish.end_ms = 9;
    ASSERT_TRUE(change(ids_[3], finish).ok());
    ASSERT_TRUE(wait_for([&](Done<> d) { tracking_->delete_run(ids_[4], {}, std::move(d)); }).ok());
  }
  void use(const std::string& id, DatasetInput input) {
    Inputs inputs;
    inputs.datasets.push_back(std::move(input));
    ASSERT_TRUE(wait_for([&](Done<> d) { tracking_->log_inputs(id, inputs, std::move(d)); }).ok());
  }

  /// Names of the runs that are found, "ba"; the error's code where there is one.
  std::string found(RunQuery query) {
    query.experiments = {0};
    Result<RunPage> page = tracking_->search(query);
    if (!page.ok()) return outcome(page);
    std::string names;
    for (const tracking::Run& run : page->runs) names += run.info.name;
    if (page->more) names += "+";
    return names;
  }
  std::string where(Condition condition) {
    RunQuery query;
    query.where = {std::move(condition)};
    return found(query);
  }
  std::string ordered(std::vector<Ordering> order) {
    RunQuery query;
    query.order = std::move(order);
    return found(query);
  }

  std::vector<std::string> ids_;
};
INSTANTIATE_TEST_SUITE_P(Engines, SearchTest, db::every_engine(), db::engine_name);

TEST_P(SearchTest, FindsActiveRunsTheNewestFirst) {
  EXPECT_EQ(found({}), "dcba");
  RunQuery query;
  query.view = View::kDeleted;
  EXPECT_EQ(found(query), "e");
  query.view = View::kAll;
  EXPECT_EQ(found(query), "edcba");
}

TEST_P(SearchTest, ConditionsHoldOfWhatARunHas) {
  struct Row {
    Condition condition;
    std::string found;
  };
  const std::vector<std::string> names = {"a", "d"};
  // Beyond what a statement has places for.
  std::vector<std::string> many = names;
  for (int i = 0; i < 40'000; ++i) many.push_back("x'" + std::to_string(i));
  many.push_back(std::string("d\0", 2));
  std::vector<std::string> tags(many);
  tags.insert(tags.end(), {"2", "3"});
  const Row rows[] = {
      {{Field::kMetric, "m", Op::kGreater, 1.0}, "b"},
      {{Field::kMetric, "m", Op::kGreaterOrEqual, 1.0}, "ba"},
      {{Field::kMetric, "m", Op::kEqual, 0.0}, ""},  // NaN is no 0
      {{Field::kMetric, "m", Op::kUnequal, 1.0}, "cb"},
      {{Field::kMetric, "m", Op::kLess, 1e300}, "ba"},
      {{Field::kMetric, "none", Op::kUnequal, 1.0}, ""},
      {{Field::kParam, "p", Op::kEqual, std::string("a")}, "a"},
      {{Field::kParam, "p", Op::kUnequal, std::string("a")}, "dcb"},
      {{Field::kParam, "p", Op::kEqual, std::string("")}, "d"},
      {{Field::kParam, "p", Op::kLike, std::string("b%")}, ""},
      {{Field::kParam, "p", Op::kILike, std::string("b%")}, "b"},
      {{Field::kParam, "p", Op::kLike, std::string("_")}, "cba"},
      {{Field::kParam, "p", Op::kIsNull, {}}, ""},
      {{Field::kParam, "q", Op::kIsNull, {}}, "dcba"},
      {{Field::kParam, "p", Op::kIsNotNull, {}}, "dcba"},
      {{Field::kTag, "t", Op::kEqual, std::string("1")}, "ca"},
      {{Field::kTag, "t", Op::kIn, std::vector<std::string>{"2", "3"}}, "db"},
      {{Field::kAttribute, "run_name", Op::kIn, names}, "da"},
      {{Field::kAttribute, "run_name", Op::kNotIn, names}, "cb"},
      {{Field::kAttribute, "run_name", Op::kIn, many}, "da"},
      {{Field::kAttribute, "run_name", Op::kNotIn, many}, "cb"},
      {{Field::kTag, "t", Op::kIn, tags}, "db"},
      {{Field::kTag, "t", Op::kNotIn, tags}, "ca"},
      {{Field::kAttribute, "run_name", Op::kUnequal, std::string("a")}, "dcb"},
      {{Field::kAttribute, "status", Op::kEqual, std::string("FINISHED")}, "d"},
      {{Field::kAttribute, "user_id", Op::kILike, std::string("BOB")}, "db"},
      {{Field::kAttribute, "start_time", Op::kGreater, std::int64_t{2}}, "dc"},
      {{Field::kAttribute, "start_time", Op::kLess, 2.5}, "ba"},
      {{Field::kAttribute, "end_time", Op::kEqual, std::int64_t{9}}, "d"},
      {{Field::kAttribute, "end_time", Op::kUnequal, std::int64_t{8}}, "d"},
      {{Field::kDataset, "name", Op::kEqual, std::string("bikes")}, "b"},
      {{Field::kDataset, "digest", Op::kEqual, std::string("d1")}, "cb"},
      {{Field::kDatasetTag, "context", Op::kEqual, std::string("train")}, "b"},
      {{Field::kDatasetTag, "context", Op::kUnequal, std::string("train")}, ""},
      // What cannot be asked.
      {{Field::kAttribute, "color", Op::kEqual, std::string("x")}, "invalid"},
      {{Field::kAttribute, "start_time", Op::kLike, std::string("1")}, "invalid"},
      {{Field::kAttribute, "start_time", Op::kEqual, std::string("1")}, "invalid"},
      {{Field::kAttribute, "run_name", Op::kEqual, 1.0}, "invalid"},
      {{Field::kDataset, "color", Op::kEqual, std::string("x")}, "invalid"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(where(row.condition), row.found)
        << row.condition.key << " " << db::to_string(row.condition.op);
  }
}

TEST_P(SearchTest, AllConditionsMustHold) {
  RunQuery query;
  query.where = {{Field::kMetric, "m", Op::kLess, 3.0},
                 {Field::kTag, "t", Op::kEqual, std::string("1")}};
  EXPECT_EQ(found(query), "a");
}

TEST_P(SearchTest, OrdersPutNanAfterNumbersAndWhatIsMissingLast) {
  struct Row {
    std::vector<Ordering> order;
    std::string found;
  };
  const Row rows[] = {
      {{{Field::kMetric, "m", true}}, "abcd"},
      {{{Field::kMetric, "m", false}}, "bacd"},
      {{{Field::kMetric, "none", true}}, "dcba"},
      {{{Field::kParam, "p", true}}, "dBac"},  // by bytes: "", "B", "a", "é"
      {{{Field::kParam, "p", false}}, "caBd"},
      {{{Field::kTag, "t", true}}, "cadb"},  // then the newest first
      {{{Field::kTag, "t", false}, {Field::kMetric, "m", true}}, "bdac"},
      {{{Field::kAttribute, "start_time", true}}, "abcd"},
      {{{Field::kAttribute, "end_time", false}}, "dcba"},
      {{{Field::kAttribute, "end_time", true}}, "dcba"},
      {{{Field::kAttribute, "status", true}, {Field::kAttribute, "run_name", true}}, "dabc"},
      {{{Field::kDataset, "name", true}}, "invalid"},
      {{{Field::kAttribute, "color", true}}, "invalid"},
      {{{Field::kMetric, "m", true}, {Field::kMetric, "m", false}}, "invalid"},
  };
  for (const Row& row : rows) {
    std::string expected = row.found;
    // A run is named by a small letter.
    for (char& c : expected) c = c == 'B' ? 'b' : c;
    EXPECT_EQ(ordered(row.order), expected) << row.order.front().key;
  }
}

TEST_P(SearchTest, PartsOfASeriesAreThoseOfAllItsPoints) {
  ASSERT_TRUE(log(ids_[0], std::vector<Metric>{{"m", 7, 2, 1}, {"m", 4, 3, 2}}).ok());
  ASSERT_TRUE(log(ids_[1], std::vector<Metric>{{"m.max", 100, 1, 0}}).ok());
  const auto part = [&](const char* key, Op op, double value) {
    return where({Field::kMetricPart, key, op, value});
  };
  EXPECT_EQ(part("m.min", Op::kEqual, 1), "a");
  EXPECT_EQ(part("m.max", Op::kEqual, 7), "a");
  EXPECT_EQ(part("m.count", Op::kEqual, 3), "a");
  EXPECT_EQ(part("m.first_step", Op::kEqual, 0), "cba");
  EXPECT_EQ(part("m.last_step", Op::kGreater, 1), "a");
  // A series of just that name is meant where a run has one, and of nothing but NaN is no least.
  EXPECT_EQ(part("m.max", Op::kEqual, 100), "b");
  EXPECT_EQ(part("m.max", Op::kEqual, 2), "");
  EXPECT_EQ(part("m.min", Op::kUnequal, 1), "cb");
  EXPECT_EQ(part("none.min", Op::kUnequal, 1), "");
  EXPECT_EQ(where({Field::kMetric, "m.min", Op::kUnequal, 1.0}), "");
  EXPECT_EQ(ordered({{Field::kMetricPart, "m.max", false}}), "bacd");
  EXPECT_EQ(ordered({{Field::kMetricPart, "m.min", true}}), "abcd");
}

TEST_P(SearchTest, OnlyTheLatestPointOfASeriesIsReadWhereThatIsEnough) {
  ASSERT_TRUE(log(ids_[0], std::vector<Metric>{{"m", 7, 2, 1}, {"m", 4, 3, 2}}).ok());
  RunQuery query;
  query.experiments = {0};
  query.where = {{Field::kMetric, "m", Op::kEqual, 4.0}};
  query.of_series = OfSeries::kLatest;
  const auto series = [&] { return tracking_->search(query)->runs.at(0).metrics.at(0); };
  EXPECT_EQ(series().value, 4);
  EXPECT_EQ(series().step, 2);
  EXPECT_EQ(series().points, 0);
  query.order = {{Field::kMetricPart, "m.max", true}};
  EXPECT_EQ(series().points, 3);
  EXPECT_EQ(series().max, 7);
}

TEST_P(SearchTest, PagesJoin) {
  RunQuery query;
  query.order = {{Field::kMetric, "m", true}};
  query.limit = 3;
  EXPECT_EQ(found(query), "abc+");
  query.offset = 3;
  EXPECT_EQ(found(query), "d");
  query.offset = 1;
  EXPECT_EQ(found(query), "bcd");
}

TEST_P(SearchTest, FoundRunsCarryWhatTheyHave) {
  RunQuery query;
  query.experiments = {0};
  query.where = {{Field::kAttribute, "run_id", Op::kEqual, ids_[1]}};
  Result<RunPage> page = tracking_->search(query);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->runs.size(), 1u);
  const tracking::Run& found = page->runs[0];
  EXPECT_EQ(found.params, (std::vector<Param>{{"p", "B"}}));
  EXPECT_EQ(found.tags, (std::vector<Tag>{{"t", "2"}}));
  ASSERT_EQ(found.metrics.size(), 1u);
  EXPECT_EQ(found.metrics[0].value, 2);
  ASSERT_EQ(found.datasets.size(), 1u);
  EXPECT_EQ(found.datasets[0].tags, (std::vector<Tag>{{"context", "train"}}));
}

TEST_P(SearchTest, OtherExperimentsAreNotSearched) {
  NewRun inside;
  inside.experiment_id = create("other")->id;
  inside.name = "z";
  run(inside);
  EXPECT_EQ(found({}), "dcba");
  RunQuery none;
  Result<RunPage> page = tracking_->search(none);
  ASSERT_TRUE(page.ok());
  EXPECT_TRUE(page->runs.empty()) << "no experiments, no runs";
}

TEST_P(SearchTest, ConditionsMayBeAlternativesAndGroups) {
  const auto named = [](const char* name, db::Joint joint = {}) {
    return Condition{Field::kAttribute, "run_name", Op::kEqual, std::string(name), joint};
  };
  const auto tagged = [](const char* value, db::Joint joint = {}) {
    return Condition{Field::kTag, "t", Op::kEqual, std::string(value), joint};
  };
  RunQuery query;
  query.where = {named("a"), named("b", {.either = true})};
  EXPECT_EQ(found(query), "ba");
  query.where = {named("a"), named("b", {.either = true}), tagged("1")};
  EXPECT_EQ(found(query), "a") << "and binds more closely";
  query.where = {named("b", {.opens = 1}), named("a", {.either = true, .closes = 1}), tagged("2")};
  EXPECT_EQ(found(query), "b");
  query.where = {tagged("2"),
                 named("a", {.opens = 2}),
                 named("b", {.either = true, .closes = 1}),
                 {Field::kMetric, "m", Op::kGreater, 1.5, {.closes = 1}}};
  EXPECT_EQ(found(query), "b");
  query.where = {tagged("none"), tagged("%", {.either = true})};
  query.where[1].op = Op::kLike;
  EXPECT_EQ(found(query), "dcba") << "the runs of other views stay out";
}

TEST_P(SearchTest, ManyConditionsAndOrdersAreBounded) {
  RunQuery query;
  for (int i = 0; i < 100; ++i) {
    query.where.push_back({Field::kParam, "p", Op::kUnequal, std::string("no such value")});
  }
  EXPECT_EQ(found(query), "dcba");
  query.where.clear();
  for (int i = 0; i < 31; ++i) query.order.push_back({Field::kMetric, std::to_string(i), true});
  EXPECT_EQ(found(query), "invalid");
}

TEST_P(SearchTest, ExperimentsAreFoundByNameTagAndTime) {
  const std::int64_t one = create("One", {{"t", "x"}})->id;
  const std::int64_t two = create("two", {{"t", "y"}})->id;
  ASSERT_TRUE(
      wait_for([&](Done<> d) { tracking_->delete_experiment(two, {}, std::move(d)); }).ok());
  auto found = [&](std::vector<Condition> where, std::vector<Ordering> order = {},
                   View view = View::kActive) {
    ExperimentQuery query;
    query.where = std::move(where);
    query.order = std::move(order);
    query.view = view;
    Result<ExperimentPage> page = tracking_->search(query);
    if (!page.ok()) return outcome(page);
    std::string names;
    for (const Experiment& experiment : page->experiments) names += experiment.name + " ";
    return names;
  };
  EXPECT_EQ(found({}), "One Default ");
  EXPECT_EQ(found({}, {}, View::kAll), "two One Default ");
  EXPECT_EQ(found({}, {}, View::kDeleted), "two ");
  EXPECT_EQ(found({}, {{Field::kAttribute, "name", true}}), "Default One ");
  EXPECT_EQ(found({{Field::kTag, "t", Op::kEqual, std::string("x")}}), "One ");
  EXPECT_EQ(found({{Field::kTag, "t", Op::kIsNull, {}}}), "Default ");
  EXPECT_EQ(found({{Field::kAttribute, "name", Op::kILike, std::string("o%")}}), "One ");
  EXPECT_EQ(found({{Field::kAttribute, "experiment_id", Op::kIn,
                    std::vector<std::string>{std::to_string(one), "77"}}}),
            "One ");
  std::vector<std::string> many = {std::to_string(one)};
  for (int i = 1000; i < 41'000; ++i) many.push_back(std::to_string(i));
  EXPECT_EQ(found({{Field::kAttribute, "experiment_id", Op::kIn, many}}), "One ");
  EXPECT_EQ(found({{Field::kAttribute, "experiment_id", Op::kNotIn, many}}), "Default ");
  EXPECT_EQ(found({{Field::kAttribute, "experiment_id", Op::kEqual, std::string("x")}}), "invalid");
  EXPECT_EQ(found({{Field::kMetric, "m", Op::kEqual, 1.0}}), "invalid");
  EXPECT_EQ(found({{Field::kAttribute, "creation_time", Op::kGreater, clock_.now_ms()}}), "");
}

}  // namespace
}  // namespace slipway::tracking
