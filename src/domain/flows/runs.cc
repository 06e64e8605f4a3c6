#include "domain/flows/runs.h"

#include <algorithm>
#include <array>

namespace slipway::flows {
namespace {

using wire::Json;

constexpr std::array<const char*, 8> kStates = {"queued", "running",   "retry_wait", "succeeded",
                                                "failed", "cancelled", "timed_out",  "skipped"};

constexpr std::int64_t kPauseMs = 10'000, kPauseMaxMs = 300'000;

std::int64_t pause_after(int attempts) {
  std::int64_t pause = kPauseMs;
  for (int i = 1; i < attempts && pause < kPauseMaxMs; ++i) pause *= 2;
  return std::min(pause, kPauseMaxMs);
}

std::string text_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}
std::int64_t number_of(const Json& json, const char* key, std::int64_t fallback) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_integer() ? value->as_int64() : fallback;
}

Json json_of(const ParamInput& input) {
  Json json;
  json.set("file", input.file);
  json.set("key", input.key);
  json.set("value", input.value);
  return json;
}

Json json_of(const RunPlan::Data& data) {
  Json json;
  json.set("from", data.from);
  json.set("labelled", data.labelled);
  json.set("to", data.to);
  if (data.md5.empty()) return json;
  json.set("md5", data.md5);
  json.set("size", data.size);
  if (data.nfiles >= 0) json.set("nfiles", data.nfiles);
  return json;
}

RunPlan::Data data_from(const Json& json) {
  const Json* labelled = json.find("labelled");
  const bool only_labelled = labelled != nullptr && labelled->is_bool() && labelled->as_bool();
  return {text_of(json, "from"),      only_labelled,
          text_of(json, "to"),        text_of(json, "md5"),
          number_of(json, "size", 0), number_of(json, "nfiles", -1)};
}

/// The pause grows with the stage that failed most often.
RunStep retried(const PipelineRun& run, RunStep step, int tries, UnixMs now_ms) {
  if (!run.cancel_asked.empty()) {
    step.state = RunState::kCancelled;
    step.reason = "cancelled by " + run.cancel_asked;
    return step;
  }
  step.state = RunState::kRetryWait;
  step.due_ms = now_ms + pause_after(tries);
  return step;
}

RunStep after_failure(const PipelineRun& run, const RunOutcome& outcome, RunStep step,
                      UnixMs now_ms) {
  step.state = RunState::kFailed;
  if (outcome.permanent) return step;
  std::vector<std::string> failed = outcome.failed_stages;
  if (failed.empty()) failed.emplace_back();  // it could not begin: counted as a stage of its own
  int most = 0;
  for (const std::string& stage : failed) most = std::max(most, ++step.failures[stage]);
  if (most >= run.plan.attempts_max) return step;
  return retried(run, std::move(step), most, now_ms);
}

}  // namespace

bool is_due(const PipelineRun& run, UnixMs now_ms) {
  if (run.state == RunState::kQueued) return true;
  return run.due_ms <= now_ms || run.due_ms > now_ms + kPauseMaxMs;
}

const char* to_string(RunState state) {
  return kStates[static_cast<std::size_t>(state)];
}

Result<RunState> run_state_from(const std::string& text) {
  auto found = std::find(kStates.begin(), kStates.end(), text);
  if (found == kStates.end()) return internal("\"" + text + "\" is no state of a run");
  return static_cast<RunState>(found - kStates.begin());
}

bool has_its_data(const RunPlan& plan) {
  return std::none_of(plan.data.begin(), plan.data.end(),
                      [](const RunPlan::Data& data) { return data.md5.empty(); });
}

Json to_json(const RunPlan& plan) {
  Json json;
  json.set("pipeline", plan.pipeline);
  json.set("stages", Json(Json::Array(plan.stages.begin(), plan.stages.end())));
  json.set("register_model", plan.register_model);
  json.set("attempts_max", plan.attempts_max);
  json.set("timeout_ms", plan.timeout_ms);
  json.set("commit", plan.commit);
  json.set("branch", plan.branch);
  json.set("event_time", plan.event_time);
  Json::Array params;
  for (const ParamInput& input : plan.params) params.push_back(json_of(input));
  json.set("params", std::move(params));
  Json::Array data;
  for (const RunPlan::Data& one : plan.data) data.push_back(json_of(one));
  json.set("data", std::move(data));
  return json;
}

Result<RunPlan> run_plan_from(const Json& json) {
  RunPlan plan;
  plan.pipeline = text_of(json, "pipeline");
  if (plan.pipeline.empty()) return internal("a run's plan names no pipeline");
  plan.register_model = text_of(json, "register_model");
  plan.attempts_max = static_cast<int>(number_of(json, "attempts_max", 1));
  plan.timeout_ms = number_of(json, "timeout_ms", 0);
  plan.commit = text_of(json, "commit");
  plan.branch = text_of(json, "branch");
  plan.event_time = text_of(json, "event_time");
  if (const Json* stages = json.find("stages"); stages != nullptr && stages->is_array()) {
    for (const Json& stage : stages->as_array())
      if (stage.is_string()) plan.stages.push_back(stage.as_string());
  }
  if (const Json* params = json.find("params"); params != nullptr && params->is_array()) {
    for (const Json& input : params->as_array())
      plan.params.push_back(
          {text_of(input, "file"), text_of(input, "key"), text_of(input, "value")});
  }
  if (const Json* data = json.find("data"); data != nullptr && data->is_array()) {
    for (const Json& one : data->as_array()) plan.data.push_back(data_from(one));
  }
  return plan;
}

RunStep after_attempt(const PipelineRun& run, const RunOutcome& outcome, UnixMs now_ms) {
  RunStep step;
  step.failures = run.failures;
  step.lost = run.lost;
  step.reason = outcome.reason;
  switch (outcome.kind) {
    case RunOutcome::Kind::kDone:
      step.state = RunState::kSucceeded;
      return step;
    case RunOutcome::Kind::kNothingNew:
      step.state = RunState::kSkipped;
      step.reason = "no new information";
      return step;
    case RunOutcome::Kind::kCancelled:
      step.state = RunState::kCancelled;
      if (!run.cancel_asked.empty()) step.reason = "cancelled by " + run.cancel_asked;
      return step;
    case RunOutcome::Kind::kTimedOut:
      // Its time may run out while it ends because somebody asked it to.
      step.state = run.cancel_asked.empty() ? RunState::kTimedOut : RunState::kCancelled;
      if (!run.cancel_asked.empty()) step.reason = "cancelled by " + run.cancel_asked;
      return step;
    case RunOutcome::Kind::kFailed:
      return after_failure(run, outcome, std::move(step), now_ms);
    case RunOutcome::Kind::kLost:
      break;
  }
  step.reason = outcome.reason.empty() ? "the attempt vanished" : outcome.reason;
  if (++step.lost >= kLostMax) {
    step.state = RunState::kFailed;
    return step;
  }
  return retried(run, std::move(step), step.lost, now_ms);
}

}  // namespace slipway::flows
