#include "domain/monitor/store.h"

#include <gtest/gtest.h>

#include "domain/checks/facts.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::monitor {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;
using wire::Json;

constexpr UnixMs kDay = 24 * 3'600'000, kNow = 1'304'208'000'000;

class StoreTest : public db::OnEachEngine {
 protected:
  template <class F>
  auto must(F f) {
    auto done = pool_->write(f);
    if (!done.ok()) throw std::runtime_error(done.error().message);
    return std::move(done).value();
  }
  void must_do(const std::function<Result<>(db::Tx&)>& f) {
    const Result<> done = pool_->write(f);
    if (!done.ok()) throw std::runtime_error(done.error().message);
  }

  void SetUp() override {
    db::OnEachEngine::SetUp();
    pool_ = open(db::joined({graph::migrations(), checks::migrations(), migrations()}));
    spec_.name = "quality";
    spec_.requirement = "demand";
    must_do([](db::Tx& tx) { return begin_monitor(tx, "bikes", "quality", 0, kNow); });
  }

  VersionVerdict found(const std::string& version, Status status) {
    VersionVerdict one;
    one.facts.model = "m";
    one.facts.version = version;
    one.facts.answers.requests = one.facts.answers.rows = one.facts.answers.live = 200;
    one.facts.outcomes.labelled = 150;
    checks::Verdict verdict;
    verdict.check = "requirement demand";
    verdict.status = status == Status::kBad ? checks::Status::kFail : checks::Status::kPass;
    verdict.observed = std::numeric_limits<double>::infinity();
    one.verdict.status = status;
    one.verdict.words = "it is \"so\"";
    one.verdict.columns = {"temp", "h\"um"};
    one.verdict.deciding = {verdict};
    return one;
  }

  JudgedSpan judged(int day, std::vector<VersionVerdict> versions, const std::string& live = "1") {
    JudgedSpan span;
    span.deployment = "bikes";
    span.model = "m";
    span.spec = &spec_;
    span.window = {day * kDay, (day + 1) * kDay};
    span.live = live;
    span.versions = std::move(versions);
    return span;
  }

  Recorded record_day(int day, Status status, const std::string& version = "1") {
    const JudgedSpan span = judged(day, {found(version, status)}, version);
    return must([&](db::Tx& tx) { return record(tx, span, kNow + day); });
  }

  std::vector<std::string> events(const std::string& beginning) {
    std::vector<std::string> types;
    const auto logged = *pool_->read([](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
    for (const auto& event : logged)
      if (event.event.type.starts_with(beginning)) types.push_back(event.event.type);
    return types;
  }

  /// News of a rollout; versions 2 and 4 are what the incident asked for. Whether it was any to it.
  bool hear(const std::string& incident, const std::string& type, std::int64_t version,
            const std::string& where = "bikes", bool is_undecided = false) {
    return must([&](db::Tx& tx) -> Result<bool> {
      const Json none(Json::Object{});
      const std::string name = "m/" + std::to_string(version);
      TRY(graph::put_edge(
          tx, {{kind::kModelVersion, name}, relation::kProducedBy, {kind::kRun, "r" + name}, none},
          1));
      if (version == 2 || version == 4)
        TRY(graph::put_edge(
            tx, {{kind::kRun, "r" + name}, relation::kCausedBy, {kind::kIncident, incident}, none},
            1));
      Json data(Json::Object{{"rollout", "x"}, {"model", "m"}, {"version", version}});
      if (is_undecided) data.set("undecided", true);
      const std::int64_t seq = TRY(graph::append_event(
          tx, {type, {kind::kDeployment, where}, "slipway", 0, std::move(data)}, kNow + 1));
      const auto logged = TRY(graph::events_after(tx, seq - 1, 1));
      const bool taken = TRY(take_news(tx, logged.front(), kNow + 1));
      // The same news again is none.
      if (TRY(take_news(tx, logged.front(), kNow + 1))) return internal("it was taken twice");
      return taken;
    });
  }

  Incident newest() {
    return pool_->read([](db::Tx& tx) { return incidents(tx, "bikes", false, 10); })->front();
  }

  std::unique_ptr<db::Pool> pool_;
  project::MonitorSpec spec_;
};

INSTANTIATE_TEST_SUITE_P(Engines, StoreTest, db::every_engine(), db::engine_name);

TEST_P(StoreTest, AWindowReadsBackAsItWasJudged) {
  const Recorded recorded = record_day(0, Status::kBad);
  EXPECT_TRUE(recorded.changed);
  EXPECT_EQ(recorded.windows, std::vector<std::string>{"bikes/quality/1/0"});
  const WindowRow row =
      **pool_->read([](db::Tx& tx) { return find_window(tx, "bikes/quality/1/0"); });
  EXPECT_EQ(row.status, "bad");
  EXPECT_EQ(row.words, "it is \"so\"");
  EXPECT_EQ(row.columns, R"(["temp","h\"um"])");
  EXPECT_EQ(row.rows, 200);
  EXPECT_EQ(row.labelled, 150);
  EXPECT_GT(row.event_seq, 0);
  EXPECT_TRUE(wire::parse(row.verdicts).ok());
  EXPECT_NE(row.verdicts.find("\"inf\""), std::string::npos) << row.verdicts;
}

TEST_P(StoreTest, ToRecordAWindowTwiceChangesNothing) {
  record_day(0, Status::kBad);
  const Recorded again = record_day(0, Status::kGood);
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(events("window."), std::vector<std::string>{"window.judged"});
  EXPECT_EQ(
      (*pool_->read([](db::Tx& tx) { return find_monitor(tx, "bikes", "quality"); }))->next_ms,
      kDay);
}

TEST_P(StoreTest, AnIncidentIsOpenOnceAndReadsBack) {
  record_day(0, Status::kBad);
  const Recorded second = record_day(1, Status::kBad);
  EXPECT_EQ(second.step, Step::Kind::kOpen);
  const Recorded third = record_day(2, Status::kBad);
  EXPECT_EQ(third.step, Step::Kind::kUnresolved);
  EXPECT_EQ(third.incident, second.incident);
  const Incident incident = newest();
  EXPECT_TRUE(incident.open);
  EXPECT_EQ(incident.requirement, "demand");
  EXPECT_EQ(incident.columns, (std::vector<std::string>{"temp", "h\"um"}));
  EXPECT_EQ(incident.state.window_end_ms, 2 * kDay);
  const auto changes = *pool_->read([&](db::Tx& tx) { return changes_of(tx, incident.id); });
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].action, "opened");
  EXPECT_EQ(changes[0].evidence, R"(["bikes/quality/1/0","bikes/quality/1/86400000"])");
  EXPECT_EQ(changes[1].action, "unresolved");
}

TEST_P(StoreTest, AnIncidentFollowsItsRemedy) {
  record_day(0, Status::kBad);
  const std::string id = record_day(1, Status::kBad).incident;
  const auto tell = [&](const std::string& type, std::int64_t version, const std::string& where) {
    return hear(id, type, version, where);
  };
  EXPECT_FALSE(tell("rollout.requested", 3, "bikes")) << "nobody asked for that one";
  EXPECT_FALSE(tell("rollout.requested", 2, "elsewhere"));
  EXPECT_TRUE(tell("rollout.requested", 2, "bikes"));
  EXPECT_TRUE(newest().state.remedy_under_way);
  const auto on_its_way = [&] {
    const Incident incident = newest();
    return must([&](db::Tx& tx) { return remedy_on_its_way(tx, incident); });
  };
  EXPECT_EQ(on_its_way(), "2");
  EXPECT_TRUE(tell("rollout.promoted", 2, "bikes"));
  EXPECT_EQ(newest().state.remedy_version, "2");
  EXPECT_EQ(on_its_way(), "");
  EXPECT_EQ(newest().state.promoted_ms, kNow + 1);
  // A good window of the time before it was promoted shows nothing; windows here end in 1970.
  EXPECT_EQ(record_day(2, Status::kGood, "2").step, Step::Kind::kNone);
  const JudgedSpan later = [&] {
    JudgedSpan span = judged(3, {found("2", Status::kGood)}, "2");
    span.window.end_ms = kNow + kDay;
    return span;
  }();
  const Recorded closed = must([&](db::Tx& tx) { return record(tx, later, kNow + kDay); });
  EXPECT_EQ(closed.step, Step::Kind::kClose);
  EXPECT_EQ(newest().remedy, "promotion");
  const auto causes = *pool_->read([&](db::Tx& tx) {
    return graph::causes_of(tx, {kind::kIncident, id});
  });
  EXPECT_EQ(std::count_if(causes.begin(), causes.end(),
                          [](const graph::Edge& edge) {
                            return edge.relation == relation::kRemediedBy && edge.cause.id == "m/2";
                          }),
            1);
}

TEST_P(StoreTest, AnIncidentEndsWithItsRemedyThatIsLiveNoMore) {
  for (const bool is_restated : {false, true}) {
    const int day = is_restated ? 10 : 0;
    if (is_restated)
      must_do([](db::Tx& tx) { return move_monitor(tx, "bikes", "quality", 10 * kDay, kNow); });
    record_day(day, Status::kBad);
    const std::string id = record_day(day + 1, Status::kBad).incident;
    EXPECT_TRUE(hear(id, "rollout.promoted", 2));
    // Meanwhile somebody has made version 3 live, which this window says nothing of.
    const auto span = [&](Status status) {
      JudgedSpan one = judged(day + 2, {found("2", status)}, "3");
      one.window.end_ms = kNow + kDay;
      return one;
    };
    const JudgedSpan first = span(is_restated ? Status::kUndecided : Status::kGood);
    Recorded last = must([&](db::Tx& tx) { return record(tx, first, kNow + kDay); });
    if (is_restated) {
      EXPECT_EQ(last.step, Step::Kind::kNone);
      JudgedSpan labelled = span(Status::kGood);
      labelled.versions.front().facts.outcomes.labelled += 10;
      last = must([&](db::Tx& tx) { return restate(tx, labelled, kNow + kDay); });
    }
    EXPECT_EQ(last.step, Step::Kind::kClose) << is_restated;
    EXPECT_EQ(last.incident, id);
    EXPECT_EQ(newest().id, id);
    EXPECT_EQ(newest().remedy, "promotion");
    EXPECT_EQ(newest().reason, "version 2, which it asked for, had a good window");
  }
}

TEST_P(StoreTest, ARemedyThatIsUndecidedWaitsForAPersonAndIsNotUnderWay) {
  record_day(0, Status::kBad);
  const std::string id = record_day(1, Status::kBad).incident;
  const auto undecided = [&] {
    const Incident incident = newest();
    return must([&](db::Tx& tx) { return undecided_remedy(tx, incident); });
  };
  EXPECT_TRUE(hear(id, "rollout.requested", 2));
  EXPECT_FALSE(hear(id, "rollout.paused", 2)) << "by hand: whoever did knows of it";
  EXPECT_FALSE(hear(id, "rollout.resumed", 2)) << "it was under way all the while";
  EXPECT_EQ(record_day(2, Status::kBad).step, Step::Kind::kNone);
  EXPECT_TRUE(hear(id, "rollout.paused", 2, "bikes", /*is_undecided=*/true));
  EXPECT_FALSE(newest().state.remedy_under_way);
  EXPECT_EQ(undecided(), "2");
  EXPECT_EQ(record_day(3, Status::kBad).step, Step::Kind::kUnresolved);
  EXPECT_EQ(undecided(), "2") << "still";
  const auto changes = *pool_->read([&](db::Tx& tx) { return changes_of(tx, id); });
  EXPECT_EQ(changes.back().reason,
            "4 bad windows in a row of version 1; version 2, which it asked for, is undecided and "
            "paused: a person decides");
  for (const char* by_hand : {"rollout.resumed", "rollout.promotion_asked"}) {
    EXPECT_TRUE(hear(id, by_hand, 2)) << by_hand;
    EXPECT_TRUE(newest().state.remedy_under_way) << by_hand;
    EXPECT_EQ(undecided(), "");
    EXPECT_TRUE(hear(id, "rollout.paused", 2, "bikes", /*is_undecided=*/true));
  }
  // A newer one that it asked for takes its place.
  EXPECT_TRUE(hear(id, "rollout.requested", 4));
  EXPECT_TRUE(hear(id, "rollout.rolled_back", 2));
  EXPECT_TRUE(newest().state.remedy_under_way) << "version 4 is on its way";
  EXPECT_EQ(newest().state.failed_remedies, 1);
  EXPECT_TRUE(hear(id, "rollout.rolled_back", 4));
  EXPECT_FALSE(newest().state.remedy_under_way);
}

TEST_P(StoreTest, AnIncidentMayBeClosedByHandAndOpensAnew) {
  record_day(0, Status::kBad);
  const std::string id = record_day(1, Status::kBad).incident;
  must_do([&](db::Tx& tx) { return close_incident(tx, id, "ann", "a strike", kNow + 5); });
  EXPECT_EQ(newest().remedy, "person");
  EXPECT_EQ(record_day(2, Status::kBad).step, Step::Kind::kNone);
  EXPECT_EQ(record_day(3, Status::kBad).step, Step::Kind::kOpen);
  EXPECT_EQ(events("incident."),
            (std::vector<std::string>{"incident.opened", "incident.closed", "incident.opened"}));
}

TEST_P(StoreTest, OfASilenceOneWindowIsKept) {
  for (int day = 0; day < 3; ++day) {
    const JudgedSpan span = judged(day, {});
    (void)must([&](db::Tx& tx) { return record(tx, span, kNow); });
  }
  EXPECT_EQ(events("window."), std::vector<std::string>{"window.judged"});
  const auto state = *pool_->read([](db::Tx& tx) { return find_monitor(tx, "bikes", "quality"); });
  EXPECT_EQ(state->next_ms, 3 * kDay);
  EXPECT_EQ(state->windows, 3);
}

TEST_P(StoreTest, WindowsAreListedNewestFirst) {
  for (int day = 0; day < 4; ++day) record_day(day, Status::kGood);
  WindowQuery query;
  query.deployment = "bikes";
  query.monitor = "quality";
  query.version = "1";
  query.before_ms = 3 * kDay;
  query.limit = 2;
  const auto found = *pool_->read([&](db::Tx& tx) { return windows(tx, query); });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].start_ms, 2 * kDay);
  EXPECT_EQ(found[1].start_ms, kDay);
}

}  // namespace
}  // namespace slipway::monitor
