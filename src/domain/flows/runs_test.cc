#include "domain/flows/runs.h"

#include <gtest/gtest.h>

namespace slipway::flows {
namespace {

using Kind = RunOutcome::Kind;

constexpr UnixMs kNow = 1'700'000'000'000;

PipelineRun running(int attempts_max) {
  PipelineRun run;
  run.id = "r";
  run.plan.pipeline = "train";
  run.plan.attempts_max = attempts_max;
  run.state = RunState::kRunning;
  run.attempts = 1;
  return run;
}
RunOutcome outcome(Kind kind, std::vector<std::string> stages = {}) {
  RunOutcome outcome;
  outcome.kind = kind;
  outcome.failed_stages = std::move(stages);
  outcome.reason = "because";
  return outcome;
}

TEST(AfterAttempt, DoneIsSucceeded) {
  EXPECT_EQ(after_attempt(running(1), outcome(Kind::kDone), kNow).state, RunState::kSucceeded);
}

TEST(AfterAttempt, NothingExecutedIsNoNewInformation) {
  const RunStep step = after_attempt(running(1), outcome(Kind::kNothingNew), kNow);
  EXPECT_EQ(step.state, RunState::kSkipped);
  EXPECT_EQ(step.reason, "no new information");
}

TEST(AfterAttempt, AStageIsTriedAsOftenAsItMay) {
  PipelineRun run = running(3);
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 2; ++i) {
    const RunStep step = after_attempt(run, outcome(Kind::kFailed, {"train"}), kNow);
    ASSERT_EQ(step.state, RunState::kRetryWait);
    pauses.push_back(step.due_ms - kNow);
    run.failures = step.failures;
  }
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{10'000, 20'000}));
  // Another stage has tries of its own.
  EXPECT_EQ(after_attempt(run, outcome(Kind::kFailed, {"evaluate"}), kNow).state,
            RunState::kRetryWait);
  EXPECT_EQ(after_attempt(run, outcome(Kind::kFailed, {"train"}), kNow).state, RunState::kFailed);
}

TEST(AfterAttempt, ThePauseHasALimit) {
  PipelineRun run = running(1000);
  run.failures["train"] = 500;
  EXPECT_EQ(after_attempt(run, outcome(Kind::kFailed, {"train"}), kNow).due_ms, kNow + 300'000);
}

TEST(AfterAttempt, WhatCannotBeginCountsToo) {
  EXPECT_EQ(after_attempt(running(2), outcome(Kind::kFailed), kNow).state, RunState::kRetryWait);
  EXPECT_EQ(after_attempt(running(1), outcome(Kind::kFailed), kNow).state, RunState::kFailed);
}

TEST(AfterAttempt, WhatIsNoUseIsNotTriedAgain) {
  RunOutcome bad = outcome(Kind::kFailed);
  bad.permanent = true;
  EXPECT_EQ(after_attempt(running(5), bad, kNow).state, RunState::kFailed);
}

TEST(AfterAttempt, LostAttemptsCountApart) {
  PipelineRun run = running(1);
  for (int i = 1; i < kLostMax; ++i) {
    const RunStep step = after_attempt(run, outcome(Kind::kLost), kNow);
    ASSERT_EQ(step.state, RunState::kRetryWait) << i;
    EXPECT_TRUE(step.failures.empty());
    run.lost = step.lost;
  }
  EXPECT_EQ(after_attempt(run, outcome(Kind::kLost), kNow).state, RunState::kFailed);
}

TEST(AfterAttempt, ACancelledRunIsNotTriedAgain) {
  PipelineRun run = running(5);
  run.cancel_asked = "ann";
  for (Kind kind : {Kind::kFailed, Kind::kLost, Kind::kCancelled, Kind::kTimedOut}) {
    const RunStep step = after_attempt(run, outcome(kind, {"train"}), kNow);
    EXPECT_EQ(step.state, RunState::kCancelled);
    EXPECT_EQ(step.reason, "cancelled by ann");
  }
  // It was faster.
  EXPECT_EQ(after_attempt(run, outcome(Kind::kDone), kNow).state, RunState::kSucceeded);
}

TEST(AfterAttempt, ATimeOutIsTheEnd) {
  EXPECT_EQ(after_attempt(running(5), outcome(Kind::kTimedOut), kNow).state, RunState::kTimedOut);
}

TEST(IsDue, AClockThatIsPutBackLengthensNoPause) {
  PipelineRun run = running(3);
  run.state = RunState::kQueued;
  run.created_ms = kNow;
  EXPECT_TRUE(is_due(run, kNow - 1));
  run.state = RunState::kRetryWait;
  run.due_ms = kNow + 10'000;
  EXPECT_FALSE(is_due(run, kNow));
  EXPECT_TRUE(is_due(run, kNow + 10'000));
  EXPECT_TRUE(is_due(run, kNow - 24 * 3'600'000));
}

TEST(Plan, SurvivesItsText) {
  RunPlan plan;
  plan.pipeline = "train";
  plan.stages = {"a", "b"};
  plan.register_model = "bikes";
  plan.attempts_max = 3;
  plan.timeout_ms = 5000;
  plan.branch = "main";
  plan.params = {{"params.yaml", "as_of", "2011-10-24"}};
  plan.data = {{"deployments/bikes", true, "data/live.parquet"}, {kFromProject, false, "x.dvc"}};
  EXPECT_FALSE(has_its_data(plan));
  plan.data[0].md5 = "900150983cd24fb0d6963f7d28e17f72";
  plan.data[0].size = 7;
  EXPECT_FALSE(has_its_data(plan));
  plan.data[1].md5 = "900150983cd24fb0d6963f7d28e17f72.dir";
  plan.data[1].nfiles = 2;
  EXPECT_TRUE(has_its_data(plan));
  plan.event_time = "2011-10-24T00:00:00.000Z";
  Result<RunPlan> read = run_plan_from(*wire::parse(wire::dump(to_json(plan))));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(to_json(*read), to_json(plan));
  EXPECT_EQ(read->params, plan.params);
  EXPECT_FALSE(run_plan_from(*wire::parse("{}")).ok());
}

TEST(State, EveryOneHasAName) {
  for (int i = 0; i <= static_cast<int>(RunState::kSkipped); ++i) {
    const auto state = static_cast<RunState>(i);
    Result<RunState> read = run_state_from(to_string(state));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, state);
    EXPECT_EQ(is_over(state), i >= 3);
  }
  EXPECT_FALSE(run_state_from("asleep").ok());
}

}  // namespace
}  // namespace slipway::flows
