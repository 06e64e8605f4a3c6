#include "domain/flows/trigger_store.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "domain/flows/runs_store.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::flows {
namespace {

using project::Span;
using project::TriggerSpec;

constexpr UnixMs kStart = 1'700'000'000'000;
constexpr std::int64_t kHour = 3'600'000, kDay = 24 * kHour;

const std::vector<db::Migration>& all_migrations() {
  static const std::vector<db::Migration> kAll = db::joined({graph::migrations(), migrations()});
  return kAll;
}

Occasion message(int number) {
  Occasion occasion;
  occasion.id = std::to_string(number);
  occasion.source = "/labels";
  occasion.type = "org.example.ready";
  occasion.cause = {graph::kind::kMessage, "/labels/" + occasion.id};
  occasion.key = "message//labels/" + occasion.id;
  occasion.time_ms = kStart - 5;
  occasion.data = wire::Json(wire::Json::Object());
  return occasion;
}

Occasion incident(const std::string& id, std::int64_t cause) {
  Occasion occasion;
  occasion.id = id;
  occasion.type = "incident.opened";
  occasion.cause = {graph::kind::kIncident, id};
  occasion.key = "log/" + std::to_string(cause);
  occasion.cause_seq = cause;
  occasion.time_ms = kStart;
  occasion.data = *wire::parse(R"({"deployment": "bikes", "monitor": "quality"})");
  return occasion;
}

class TriggerStore : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(all_migrations());
    file_.pipelines.push_back({});
    file_.pipelines[0].name = "train";
    file_.pipelines[0].attempts_max = 2;
    TriggerSpec trigger;
    trigger.name = "labels";
    trigger.pipeline = "train";
    trigger.source = project::MessageSource{"org.example.ready", "", ""};
    file_.triggers = {trigger};
  }
  TriggerSpec& trigger() { return file_.triggers[0]; }

  template <class F>
  auto in(F f) {
    auto result = pool_->write(f);
    if (!result.ok()) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  Noticed tell(const Occasion& occasion) {
    return in([&](db::Tx& tx) { return notice(tx, file_, occasion, now_); });
  }
  std::vector<Decided> due() {
    return in([&](db::Tx& tx) { return decide_due(tx, file_, now_); });
  }
  std::vector<TriggerDecision> decided() {
    return in([&](db::Tx& tx) { return decisions(tx, "", 100); });
  }
  std::vector<PipelineRun> open() {
    return in([](db::Tx& tx) { return open_runs(tx); });
  }
  using OnEachEngine::open;
  std::vector<graph::LoggedEvent> log() {
    return in([](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
  }
  std::vector<std::string> log_types() {
    std::vector<std::string> types;
    for (const auto& event : log()) types.push_back(event.event.type);
    return types;
  }
  void end_run(RunOutcome::Kind kind = RunOutcome::Kind::kDone) {
    for (const PipelineRun& run : open()) {
      in([&](db::Tx& tx) -> Result<PipelineRun> {
        PipelineRun begun = TRY(begin_attempt(tx, run, now_));
        RunOutcome outcome;
        outcome.kind = kind;
        return end_attempt(tx, begun, outcome, now_);
      });
    }
  }

  UnixMs now_ = kStart;
  project::ProjectFile file_;
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TriggerStore, db::every_engine(), db::engine_name);

using Types = std::vector<std::string>;

TEST_P(TriggerStore, AMessageStartsARunWithItsWholeChain) {
  const Noticed noticed = tell(message(1));
  ASSERT_EQ(noticed.decided.size(), 1u);
  EXPECT_EQ(noticed.decided[0].decision.act, Act::kFire);
  EXPECT_EQ(log_types(), (Types{"message.received", "trigger.fired", "pipeline_run.requested"}));
  const auto events = log();
  EXPECT_EQ(events[1].event.cause_seq, events[0].seq);
  EXPECT_EQ(events[2].event.cause_seq, events[1].seq);
  const auto runs = open();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].id, noticed.decided[0].run);
  EXPECT_EQ(runs[0].plan.attempts_max, 2);
  const auto causes = in([&](db::Tx& tx) {
    return graph::closure(tx, {graph::kind::kPipelineRun, runs[0].id}, graph::Direction::kToCauses);
  });
  ASSERT_EQ(causes.nodes.size(), 3u);
  EXPECT_EQ(causes.nodes[1].ref.kind, graph::kind::kFiring);
  EXPECT_EQ(causes.nodes[2].ref, (graph::NodeRef{graph::kind::kMessage, "/labels/1"}));
}

TEST_P(TriggerStore, AMessageThatSeveralHearIsTheRootOfAllThatTheyFire) {
  file_.triggers.push_back(trigger());
  file_.triggers[1].name = "at once too";
  file_.triggers.push_back(trigger());
  file_.triggers[2].name = "later";
  file_.triggers[2].debounce = Span(kHour);
  tell(message(1));
  now_ += kHour;
  EXPECT_EQ(due().size(), 1u);
  const Types types = log_types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "trigger.fired"), 3);
  EXPECT_EQ(std::count(types.begin(), types.end(), "message.received"), 1);
  const auto events = log();
  for (const auto& event : events)
    if (event.event.type == "trigger.fired") {
      EXPECT_EQ(event.event.cause_seq, events[0].seq);
      EXPECT_EQ(event.event.data.find("event")->find("id")->as_string(), "/labels/1");
    }
  EXPECT_EQ(open().size(), 3u);
}

TEST_P(TriggerStore, TheSameMessageTwiceIsOneRun) {
  EXPECT_TRUE(tell(message(1)).is_new);
  const auto before = log().size();
  const Noticed again = tell(message(1));
  EXPECT_FALSE(again.is_new);
  EXPECT_TRUE(again.decided.empty());
  EXPECT_EQ(log().size(), before);
  EXPECT_EQ(open().size(), 1u);
}

TEST_P(TriggerStore, WhatNobodyListensToIsNotKept) {
  Occasion other = message(1);
  other.type = "org.example.other";
  EXPECT_EQ(tell(other).listeners, 0);
  EXPECT_TRUE(log().empty());
}

TEST_P(TriggerStore, AStormIsCountedNotWritten) {
  trigger().cooldown = Span(kDay);
  constexpr int kStorm = 10'000;
  const UnixMs began_ms = now_;
  for (int begin = 0; begin < kStorm; begin += 1000) {
    in([&](db::Tx& tx) -> Result<int> {
      for (int i = begin; i < begin + 1000; ++i) TRY(notice(tx, file_, message(i), now_));
      return 0;
    });
    now_ += 1000;
  }
  EXPECT_EQ(open().size(), 1u);
  EXPECT_EQ(in([&](db::Tx& tx) { return last_fired(tx, trigger().name); }), began_ms);
  auto kept = decided();
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].act, "ignored");
  EXPECT_EQ(kept[0].rule, "cooldown");
  EXPECT_EQ(kept[0].decided, kStorm - 1);
  EXPECT_EQ(kept[1].act, "fired");
  EXPECT_EQ(log_types(), (Types{"message.received", "trigger.fired", "pipeline_run.requested",
                                "trigger.ignored"}));
  now_ += 2 * kStormMs;
  due();
  due();
  ASSERT_EQ(log_types().size(), 5u);
  const auto counted = log().back();
  EXPECT_EQ(counted.event.type, "trigger.counted");
  EXPECT_EQ(counted.event.data.find("times")->as_int64(), kStorm - 1);
}

TEST_P(TriggerStore, DecisionsFarApartAreEachAnEvent) {
  trigger().cooldown = Span(kDay);
  tell(message(1));
  for (int i = 2; i < 5; ++i) {
    now_ += kHour;
    tell(message(i));
  }
  const auto types = log_types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "trigger.ignored"), 3);
}

TEST_P(TriggerStore, ADebouncedBurstIsOneRunOfTheNewest) {
  trigger().debounce = Span(kHour);
  trigger().params = {{"note", "${event.id}", {}}};
  for (int i = 1; i <= 3; ++i) {
    tell(message(i));
    now_ += kHour / 2;
  }
  EXPECT_TRUE(due().empty());
  EXPECT_TRUE(open().empty());
  now_ += kHour / 2;
  EXPECT_EQ(due().size(), 1u);
  ASSERT_EQ(open().size(), 1u);
  EXPECT_EQ(open()[0].plan.params[0].value, "3");
  EXPECT_TRUE(due().empty());
}

TEST_P(TriggerStore, AWaitEndsWhenTheClockIsPutBack) {
  trigger().debounce = Span(kHour);
  tell(message(1));
  now_ -= 24 * kHour;
  EXPECT_EQ(due().size(), 1u);
  EXPECT_EQ(open().size(), 1u);
}

TEST_P(TriggerStore, OneIsBufferedWhileARunGoesOn) {
  trigger().overlap = "buffer_one";
  tell(message(1));
  tell(message(2));
  tell(message(3));
  EXPECT_TRUE(due().empty());
  end_run();
  ASSERT_EQ(due().size(), 1u);
  EXPECT_EQ(open().size(), 1u);
  end_run();
  EXPECT_TRUE(due().empty());
  EXPECT_TRUE(open().empty());
}

TEST_P(TriggerStore, OneThatCouldStartNothingTakesNoPlaceOfOneThatWaits) {
  trigger().params = {{"note", "${event.data.note}", {}}};
  const auto noted = [](int i) {
    Occasion one = message(i);
    one.data.set("note", "n" + std::to_string(i));
    return one;
  };
  trigger().debounce = Span(kHour);
  tell(noted(1));
  tell(message(2));
  EXPECT_EQ(decided()[0].rule, "mapping");
  now_ += kHour;
  EXPECT_EQ(due().size(), 1u);
  ASSERT_EQ(open().size(), 1u);
  EXPECT_EQ(open()[0].plan.params[0].value, "n1");
  trigger().debounce = Span(0);
  trigger().overlap = "buffer_one";
  tell(noted(3));
  tell(message(4));
  end_run();
  EXPECT_EQ(due().size(), 1u);
  ASSERT_EQ(open().size(), 1u);
  EXPECT_EQ(open()[0].plan.params[0].value, "n3");
}

TEST_P(TriggerStore, AnIncidentThatIsNotResolvedFiresAgainAfterTheCooldown) {
  trigger().source = project::IncidentSource{};
  trigger().cooldown = Span(21 * kDay);
  tell(incident("a", 1));
  end_run();
  now_ += kDay;
  tell(incident("a", 2));
  EXPECT_TRUE(open().empty());
  now_ = kStart + 21 * kDay;
  tell(incident("a", 3));
  EXPECT_EQ(open().size(), 1u);
}

TEST_P(TriggerStore, AnIncidentThatIsClosedIsNotWaitedFor) {
  trigger().source = project::IncidentSource{};
  trigger().debounce = Span(kDay);
  tell(incident("b", 2));
  in([&](db::Tx& tx) -> Result<int> {
    TRY(note_closed(tx, "b", now_));
    return 0;
  });
  now_ += 30 * kDay;
  EXPECT_TRUE(due().empty());
  EXPECT_EQ(decided()[0].rule, "closed");
}

TEST_P(TriggerStore, WhatTheEventDoesNotHaveIsADecision) {
  trigger().params = {{"day", "${event.data.day}", {}}};
  tell(message(1));
  EXPECT_TRUE(open().empty());
  ASSERT_EQ(decided().size(), 1u);
  EXPECT_EQ(decided()[0].rule, "mapping");
}

TEST_P(TriggerStore, AWaitEndsWithItsTrigger) {
  trigger().debounce = Span(kHour);
  tell(message(1));
  file_.triggers.clear();
  now_ += kHour;
  EXPECT_EQ(due().size(), 1u);
  EXPECT_EQ(decided()[0].rule, "removed");
  EXPECT_TRUE(due().empty());
}

TEST_P(TriggerStore, MissedTicksAreOneDecision) {
  in([&](db::Tx& tx) -> Result<int> {
    TRY(note_missed(tx, "labels", 7, now_));
    return 0;
  });
  ASSERT_EQ(decided().size(), 1u);
  EXPECT_EQ(decided()[0].decided, 7);
  EXPECT_EQ(decided()[0].rule, "missed");
}

TEST_P(TriggerStore, OldEventsAreForgottenUnlessTheyAreWaitedFor) {
  trigger().debounce = Span(300 * kDay);
  tell(message(1));
  tell(message(2));
  now_ += 100 * kDay;
  EXPECT_EQ(in([&](db::Tx& tx) { return forget_events(tx, now_ - kEventsKeptMs); }), 1);
  EXPECT_TRUE(tell(message(1)).is_new);
  now_ += 300 * kDay;
  EXPECT_EQ(due().size(), 1u);
}

TEST_P(TriggerStore, WhatASourceSawIsKept) {
  in([&](db::Tx& tx) -> Result<int> {
    EXPECT_EQ(TRY(watched(tx, "labels")), "");
    TRY(set_watched(tx, "labels", "abc"));
    EXPECT_EQ(TRY(watched(tx, "labels")), "abc");
    return 0;
  });
}

TEST_P(TriggerStore, APersonsRunHasNoTrigger) {
  const std::string run = in([&](db::Tx& tx) {
    return ask_run(tx, file_, {"train", "ann", "abc", {{"params.yaml", "seed", "8"}}}, now_);
  });
  ASSERT_EQ(open().size(), 1u);
  EXPECT_EQ(open()[0].id, run);
  EXPECT_EQ(open()[0].plan.commit, "abc");
  EXPECT_EQ(log_types(), (Types{"person.received", "pipeline_run.requested"}));
  EXPECT_EQ(in([&](db::Tx& tx) { return last_fired(tx, trigger().name); }), 0);
}

TEST_P(TriggerStore, APipelineThatIsNotThereIsRefusedWithTheNearest) {
  for (const auto& [name, said] : std::vector<std::pair<std::string, std::string>>{
           {"trian", "there is no pipeline \"trian\"; did you mean \"train\"?"},
           {"nothing", "there is no pipeline \"nothing\"; there is train"}}) {
    auto unknown = pool_->write([&, name = name](db::Tx& tx) {
      return ask_run(tx, file_, {name, "", "", {}}, 1);
    });
    EXPECT_EQ(unknown.error().code, Code::kMissing);
    EXPECT_EQ(unknown.error().message, said);
  }
}

// --- runs ---

TEST_P(TriggerStore, ARunIsRetriedAndItsChainGoesOn) {
  tell(message(1));
  end_run(RunOutcome::Kind::kFailed);
  ASSERT_EQ(open().size(), 1u);
  EXPECT_EQ(open()[0].state, RunState::kRetryWait);
  end_run(RunOutcome::Kind::kDone);
  EXPECT_TRUE(open().empty());
  const auto events = log();
  for (std::size_t i = 2; i < events.size(); ++i)
    EXPECT_EQ(events[i].event.cause_seq, events[i - 1].seq) << events[i].event.type;
  EXPECT_EQ(log_types().back(), "pipeline_run.succeeded");
}

TEST_P(TriggerStore, WhatWasDrawnIsTheRunsAndComesFromItsDeployment) {
  trigger().data = project::DataMapping{"deployments/bikes", true, "data/live.csv", {}};
  tell(message(1));
  const PipelineRun before = open()[0];
  ASSERT_FALSE(has_its_data(before.plan));
  const std::string md5 = "900150983cd24fb0d6963f7d28e17f72";
  auto keep = [&] {
    return pool_->write([&](db::Tx& tx) {
      return keep_drawn(tx, before, {{"data/live.csv", md5, 7}}, now_);
    });
  };
  ASSERT_TRUE(keep().ok());
  const PipelineRun after = open()[0];
  EXPECT_TRUE(has_its_data(after.plan));
  EXPECT_EQ(after.plan.data[0].md5, md5);
  EXPECT_EQ(after.plan.data[0].size, 7);
  EXPECT_EQ(after.state, RunState::kQueued);
  const graph::NodeRef run{graph::kind::kPipelineRun, after.id}, data{graph::kind::kData, md5};
  const auto used = in([&](db::Tx& tx) { return graph::effects_of(tx, data); });
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used[0].effect, run);
  EXPECT_EQ(used[0].relation, graph::relation::kUsed);
  EXPECT_EQ(used[0].attributes.find("path")->as_string(), "data/live.csv");
  const auto from = in([&](db::Tx& tx) { return graph::causes_of(tx, data); });
  ASSERT_EQ(from.size(), 1u);
  EXPECT_EQ(from[0].relation, graph::relation::kDrawnFrom);
  EXPECT_EQ(from[0].cause, (graph::NodeRef{graph::kind::kDeployment, "bikes"}));
  // A second time it is refused, and says nothing twice.
  EXPECT_EQ(keep().error().tag, "stale");
  end_run(RunOutcome::Kind::kDone);
  const auto events = log();
  const Types types = log_types();
  EXPECT_EQ(std::count(types.begin(), types.end(), "data.drawn"), 1);
  for (std::size_t i = 2; i < events.size(); ++i)
    EXPECT_EQ(events[i].event.cause_seq, events[i - 1].seq) << events[i].event.type;
}

TEST_P(TriggerStore, ASkippedRunStartsNoCoolDown) {
  trigger().cooldown = Span(kDay);
  trigger().at_most = project::Rate{2, Span(30 * kDay)};
  tell(message(1));
  end_run(RunOutcome::Kind::kNothingNew);
  EXPECT_EQ(in([&](db::Tx& tx) { return last_fired(tx, trigger().name); }), 0);
  EXPECT_EQ(in([&](db::Tx& tx) { return last_firing(tx, trigger().name); }), now_);
  now_ += kHour;
  EXPECT_EQ(tell(message(2)).decided.at(0).decision.act, Act::kFire);
  EXPECT_EQ(in([&](db::Tx& tx) { return last_firing(tx, trigger().name); }), now_);
  end_run(RunOutcome::Kind::kDone);
  now_ += 2 * kDay;
  EXPECT_EQ(tell(message(3)).decided.at(0).decision.act, Act::kFire);
  end_run(RunOutcome::Kind::kNothingNew);
  now_ += kHour;
  EXPECT_EQ(tell(message(4)).decided.at(0).decision.act, Act::kFire)
      << "the second one that counts";
  end_run(RunOutcome::Kind::kFailed);
  end_run(RunOutcome::Kind::kFailed);
  now_ += kHour;
  EXPECT_EQ(tell(message(5)).decided.at(0).decision.rule, "cooldown") << "it was no skipped one";
}

TEST_P(TriggerStore, ASkippedRunLeavesTheCoolDownOfTheOneBefore) {
  trigger().cooldown = Span(kDay);
  tell(message(1));
  end_run();
  now_ += kDay;
  tell(message(2));
  end_run(RunOutcome::Kind::kNothingNew);
  trigger().cooldown = Span(2 * kDay);
  const Decision held = tell(message(3)).decided.at(0).decision;
  EXPECT_EQ(held.rule, "cooldown");
  EXPECT_EQ(held.until_ms, kStart + 2 * kDay);
}

TEST_P(TriggerStore, AChangeUnderAnOldRevisionIsRefused) {
  tell(message(1));
  const PipelineRun before = open()[0];
  auto begun = pool_->write([&](db::Tx& tx) { return begin_attempt(tx, before, now_); });
  ASSERT_TRUE(begun.ok());
  auto again = pool_->write([&](db::Tx& tx) { return begin_attempt(tx, before, now_); });
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().tag, "stale");
  const auto attempts = in([&](db::Tx& tx) { return attempts_of(tx, before.id); });
  EXPECT_EQ(attempts.size(), 1u);
}

TEST_P(TriggerStore, CancellingEndsWhatDoesNotRun) {
  tell(message(1));
  const std::string id = open()[0].id;
  auto cancelled = in([&](db::Tx& tx) { return cancel_run(tx, id, "ann", now_); });
  EXPECT_EQ(cancelled.state, RunState::kCancelled);
  auto again = pool_->write([&](db::Tx& tx) { return cancel_run(tx, id, "ann", now_); });
  EXPECT_EQ(again.error().tag, "over");
}

TEST_P(TriggerStore, CancellingAsksWhatRuns) {
  tell(message(1));
  const PipelineRun run = open()[0];
  in([&](db::Tx& tx) { return begin_attempt(tx, run, now_); });
  auto asked = in([&](db::Tx& tx) { return cancel_run(tx, run.id, "ann", now_); });
  EXPECT_EQ(asked.state, RunState::kRunning);
  EXPECT_EQ(asked.cancel_asked, "ann");
  RunOutcome outcome;
  outcome.kind = RunOutcome::Kind::kCancelled;
  auto ended = in([&](db::Tx& tx) { return end_attempt(tx, asked, outcome, now_); });
  EXPECT_EQ(ended.reason, "cancelled by ann");
}

TEST_P(TriggerStore, ARunIsFoundByTheBeginningOfItsId) {
  tell(message(1));
  const std::string id = open()[0].id;
  auto find = [&](const std::string& prefix) {
    return pool_->write([&](db::Tx& tx) { return run_by_prefix(tx, prefix); });
  };
  EXPECT_EQ(find(id.substr(0, 8))->id, id);
  EXPECT_EQ(find("zz").error().code, Code::kMissing);
  EXPECT_EQ(find("").error().code, Code::kInvalid);
}

}  // namespace
}  // namespace slipway::flows
