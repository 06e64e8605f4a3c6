#include "domain/traces/traces.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "io/db/db_testing.h"

namespace slipway::traces {
namespace {

const MayChange kAll = [](std::int64_t) { return true; };

class TracesTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(migrations());
  }
  template <class F>
  void did(F f) {
    EXPECT_TRUE(write(f).ok());
  }
  template <class F>
  auto write(F f) {
    auto done = pool_->write(f);
    EXPECT_TRUE(done.ok()) << done.error().message;
    return done;
  }
  Trace find(const std::string& id) {
    auto found = pool_->read([&](db::Tx& tx) { return find_trace(tx, id); });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : Trace{};
  }
  void put(const std::string& id, UnixMs at, Tags tags = {}, Tags metadata = {},
           std::int64_t experiment = 1) {
    Trace trace;
    trace.id = id;
    trace.experiment_id = experiment;
    trace.request_ms = at;
    trace.execution_ms = 10;
    trace.state = State::kOk;
    trace.tags = std::move(tags);
    trace.metadata = std::move(metadata);
    did([&](db::Tx& tx) { return put_trace(tx, trace, kAll); });
  }
  std::int64_t spans(const SpanBatch& batch) {
    return *write([&](db::Tx& tx) { return put_spans(tx, batch, kAll); });
  }
  static SpanBatch batch(const std::string& id, std::vector<std::string> names, UnixMs start,
                         std::optional<UnixMs> end = {}) {
    SpanBatch all;
    all.trace_id = id;
    all.experiment_id = 1;
    all.start_ms = start;
    all.end_ms = end;
    for (const std::string& name : names) {
      all.spans.push_back(
          {name, "", name, "LLM", "OK", start * 1'000'000, "{\"n\":\"" + name + "\"}"});
    }
    return all;
  }
  std::string search_ids(std::vector<Condition> conditions, std::vector<Order> order = {}) {
    Query query;
    query.experiments = {1};
    query.conditions = std::move(conditions);
    query.order = std::move(order);
    auto found = pool_->read([&](db::Tx& tx) { return search(tx, query); });
    EXPECT_TRUE(found.ok()) << found.error().message;
    std::vector<std::string> ids;
    for (const Trace& one : *found) ids.push_back(one.id);
    return join(ids, " ");
  }
  void assess(const std::string& trace, const std::string& id, const std::string& name,
              const std::string& value, std::optional<double> number = {},
              const std::string& overrides = "") {
    Assessment one{id, trace, "feedback", name, value, number, "{}", true, overrides, 1, 1};
    did([&](db::Tx& tx) { return add_assessment(tx, one); });
  }
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TracesTest, db::every_engine(), db::engine_name);

TEST_P(TracesTest, ATraceFollowsItsSpansUntilItsMakerSpeaks) {
  SpanBatch first = batch("t", {"a"}, 100, 150);
  first.new_tags = {{"where", "here"}};
  spans(first);
  EXPECT_EQ(find("t").state, State::kInProgress);
  EXPECT_EQ(find("t").tags, (Tags{{"where", "here"}}));
  SpanBatch root = batch("t", {"b"}, 90, 120);
  root.root_state = State::kOk;
  root.request_preview = "asked";
  spans(root);
  EXPECT_EQ(find("t").request_ms, 90);
  EXPECT_EQ(find("t").execution_ms, 60);
  EXPECT_EQ(find("t").state, State::kOk);
  put("t", 80);
  SpanBatch late = batch("t", {"c"}, 10, 500);
  late.request_preview = "other";
  spans(late);
  EXPECT_EQ(find("t").request_ms, 80);
  EXPECT_EQ(find("t").execution_ms, 10);
  EXPECT_EQ(find("t").request_preview, "asked");
}

TEST_P(TracesTest, ASpanThatComesAgainReplacesItself) {
  spans(batch("t", {"a", "b"}, 5));
  spans(batch("t", {"a"}, 5));
  EXPECT_EQ(pool_->read([](db::Tx& tx) { return span_contents(tx, "t"); })->size(), 2u);
}

TEST_P(TracesTest, AnIdOfSomebodyElsesTraceTakesNothingAndAddsNothing) {
  put("t", 1, {{"k", "v"}}, {}, 2);
  spans(batch("t", {"a"}, 5));
  const MayChange only_1 = [](std::int64_t experiment) { return experiment == 1; };
  Trace mine;
  mine.id = "t";
  mine.experiment_id = 1;
  mine.tags = {{"k", "mine"}};
  auto taken = pool_->write([&](db::Tx& tx) { return put_trace(tx, mine, only_1); });
  EXPECT_EQ(taken.error().code, Code::kDenied);
  const SpanBatch more = batch("t", {"a", "b"}, 1);
  auto added = pool_->write([&](db::Tx& tx) { return put_spans(tx, more, only_1); });
  EXPECT_EQ(added.error().code, Code::kDenied);
  EXPECT_EQ(find("t").experiment_id, 2);
  EXPECT_EQ(find("t").request_ms, 1);
  EXPECT_EQ(find("t").tags, (Tags{{"k", "v"}}));
  EXPECT_EQ(pool_->read([](db::Tx& tx) { return span_contents(tx, "t"); })->size(), 1u);
}

TEST_P(TracesTest, SpansMoveNoTraceAndItsMakerDoes) {
  put("t", 1, {}, {}, 2);
  spans(batch("t", {"a"}, 5));
  EXPECT_EQ(find("t").experiment_id, 2);
  put("t", 1);
  EXPECT_EQ(find("t").experiment_id, 1);
}

TEST_P(TracesTest, AreFoundInTheOrderAskedFor) {
  put("a", 1);
  put("b", 2);
  auto found = pool_->read([](db::Tx& tx) { return find_traces(tx, {"b", "x", "a", "b"}); });
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].id, "b");
}

TEST_P(TracesTest, TagsAreSetAndDeleted) {
  put("t", 1, {{"k", "v"}});
  did([](db::Tx& tx) { return set_tag(tx, "t", {"k", "w"}); });
  EXPECT_EQ(find("t").tags, (Tags{{"k", "w"}}));
  did([](db::Tx& tx) { return delete_tag(tx, "t", "k"); });
  auto again = pool_->write([](db::Tx& tx) { return delete_tag(tx, "t", "k"); });
  EXPECT_EQ(again.error().code, Code::kMissing);
  auto none = pool_->write([](db::Tx& tx) { return set_tag(tx, "none", {"k", "w"}); });
  EXPECT_EQ(none.error().code, Code::kMissing);
}

TEST_P(TracesTest, AreDeletedByAgeByIdAndByNumber) {
  for (int i = 1; i <= 5; ++i) put("t" + std::to_string(i), i);
  put("other", 1, {}, {}, 2);
  spans(batch("t1", {"a"}, 1));
  const auto remove = [&](Deletion deletion) {
    deletion.experiment_id = 1;
    return *write([&](db::Tx& tx) { return delete_traces(tx, deletion); });
  };
  EXPECT_EQ(remove({0, UnixMs{3}, {}, std::int64_t{2}}), 2);
  EXPECT_EQ(search_ids({}), "t5 t4 t3");
  EXPECT_EQ(remove({0, {}, {"t5", "other"}, {}}), 1);
  EXPECT_EQ(remove({0, UnixMs{3}, {}, {}}), 1);
  EXPECT_EQ(search_ids({}), "t4");
  EXPECT_EQ(find("other").id, "other");
}

TEST_P(TracesTest, AreSearchedByWhatTheyAre) {
  put("a", 1, {{"k", "x"}}, {{"m", "1"}});
  put("b", 2, {{"k", "y"}});
  put("c", 3);
  SpanBatch with = batch("c", {"inner"}, 3);
  spans(with);
  EXPECT_EQ(search_ids({}), "c b a");
  EXPECT_EQ(search_ids({{Field::kTag, "k", db::Op::kEqual, std::string("x")}}), "a");
  EXPECT_EQ(search_ids({{Field::kTag, "k", db::Op::kIsNull, {}}}), "c");
  EXPECT_EQ(search_ids({{Field::kMetadata, "m", db::Op::kIsNotNull, {}}}), "a");
  EXPECT_EQ(search_ids({{Field::kRequestTime, "", db::Op::kGreater, std::int64_t{1}}}), "c b");
  EXPECT_EQ(search_ids({{Field::kEndTime, "", db::Op::kLess, std::int64_t{12}}}), "a");
  EXPECT_EQ(search_ids({{Field::kId, "", db::Op::kIn, std::vector<std::string>{"a", "c"}}}), "c a");
  EXPECT_EQ(search_ids({{Field::kSpanName, "", db::Op::kLike, std::string("inn%")}}), "c");
  EXPECT_EQ(search_ids({{Field::kSpanHolds, "", db::Op::kEqual, std::string("\"inner\"")}}), "c");
  EXPECT_EQ(search_ids({}, {{Field::kTag, "k", true}}), "a b c");
  EXPECT_EQ(search_ids({}, {{Field::kTag, "k", false}}), "b a c");
}

TEST_P(TracesTest, ARunHasTracesThatNameItAndThatAreLinked) {
  put("a", 1, {}, {{"run", "r1"}});
  put("b", 2);
  put("c", 3);
  did([](db::Tx& tx) { return link_to_run(tx, {"b"}, "r1"); });
  did([](db::Tx& tx) { return link_to_run(tx, {"b"}, "r1"); });
  EXPECT_EQ(search_ids({{Field::kRun, "run", db::Op::kEqual, std::string("r1")}}), "b a");
  auto none = pool_->write([](db::Tx& tx) { return link_to_run(tx, {"x"}, "r1"); });
  EXPECT_EQ(none.error().code, Code::kMissing);
}

TEST_P(TracesTest, AnAssessmentThatOverridesAnotherMakesItInvalidWhileItIsThere) {
  put("t", 1);
  assess("t", "a1", "good", "true");
  assess("t", "a2", "good", "0.5", 0.5, "a1");
  EXPECT_FALSE(find("t").assessments[0].valid);
  EXPECT_EQ(search_ids({{Field::kFeedback, "good", db::Op::kGreater, 0.4}}), "t");
  EXPECT_EQ(search_ids({{Field::kFeedback, "good", db::Op::kGreater, 0.6}}), "");
  EXPECT_EQ(search_ids({{Field::kExpectation, "good", db::Op::kIsNotNull, {}}}), "");
  did([](db::Tx& tx) { return delete_assessment(tx, "t", "a2"); });
  EXPECT_TRUE(find("t").assessments[0].valid);
  did([](db::Tx& tx) { return delete_assessment(tx, "t", "a2"); });
  auto none = pool_->read([](db::Tx& tx) { return find_assessment(tx, "t", "a2"); });
  EXPECT_EQ(none.error().message, "Assessment with ID 'a2' not found for trace 't'");
}

TEST_P(TracesTest, SpansBeyondTheBoundAreRefusedAndTheRestKept) {
  SpanBatch many = batch("t", {}, 1);
  for (int i = 0; i < 30; ++i)
    many.spans.push_back({std::to_string(i), "", "n", "", "OK", i, "{}"});
  EXPECT_EQ(spans(many), 0);
  did([](db::Tx& tx) -> Result<> {
    // As if there were all but ten that fit.
    const std::int64_t more = kSpansOfTraceMax - 40;
    const char* numbers = tx.engine() == db::Engine::kSqlite
                              ? "with recursive n(i) as (select 1 union all select i + 1 from n "
                                "where i < ?) insert into trace_spans select 1, 'x' || i, '', '', "
                                "'', '', 0, '' from n"
                              : "insert into trace_spans select 1, 'x' || i, '', '', '', '', 0, '' "
                                "from generate_series(1, ?::bigint) i";
    TRY(tx.run(numbers, more));
    return {};
  });
  SpanBatch late = batch("t", {}, 1);
  for (int i = 0; i < 15; ++i)
    late.spans.push_back({"l" + std::to_string(i), "", "n", "", "OK", i, "{}"});
  EXPECT_EQ(spans(late), 5);
}

}  // namespace
}  // namespace slipway::traces
