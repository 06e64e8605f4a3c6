#include "app/loop/gate_maker.h"

#include "domain/flows/runs.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

/// How long an attempt that is in no run of a pipeline may still be at it: nobody may ever tell of
/// its end. A run of a pipeline ends, whatever happens.
constexpr UnixMs kAloneMax = 6 * 3600 * 1000;

std::string text_of(const graph::Node& node, const char* attribute) {
  const wire::Json* value = node.attributes.find(attribute);
  return value != nullptr && value->is_string() ? value->as_string() : "";
}

std::string because(const std::string& reason) {
  return reason.empty() ? "" : ": " + reason;
}

/// "failed", "was lost".
std::string past_of(const std::string& state) {
  if (state == "timed_out") return "took too long";
  return (state == "failed" ? "" : "was ") + state;
}

/// Of an attempt.
Making of_stage(const graph::Node& attempt, UnixMs waited_ms) {
  const bool is_running =
      attempt.attributes.find("started_ms") && !attempt.attributes.find("ended_ms");
  if (is_running && waited_ms <= kAloneMax)
    return {false, "the stage '" + text_of(attempt, "stage") + "' that registered it", ""};
  if (is_running) return {};
  const std::string state = text_of(attempt, "state");
  if (state.empty() || state == "succeeded" || state == "restored") return {};
  return {true, "",
          "the stage '" + text_of(attempt, "stage") + "' that registered it " + past_of(state) +
              because(text_of(attempt, "message"))};
}

Making of_run(const graph::Node& run) {
  const Result<flows::RunState> state = flows::run_state_from(text_of(run, "state"));
  if (!state.ok()) return {};
  if (!is_over(*state))
    return {false, "the pipeline run " + run.ref.id + " that made it (" +
                       flows::to_string(*state) + ")", ""};
  if (*state == flows::RunState::kSucceeded || *state == flows::RunState::kSkipped) return {};
  return {true, "", "the pipeline run " + run.ref.id + " that made it " +
                        past_of(flows::to_string(*state)) + because(text_of(run, "reason"))};
}

/// What is going on decides, then what went wrong first.
void add(Making& all, Making one) {
  all.is_over = all.is_over && one.is_over;
  if (all.waits_for.empty()) all.waits_for = std::move(one.waits_for);
  if (all.fault.empty()) all.fault = std::move(one.fault);
}

Result<> add_attempt(db::Tx& tx, const graph::NodeRef& ref, UnixMs waited_ms, Making& making) {
  const auto attempt = TRY(graph::find_node(tx, ref));
  if (!attempt) return {};
  bool is_in_run = false;
  for (const graph::Edge& part : TRY(graph::causes_of(tx, ref))) {
    if (part.cause.kind != graph::kind::kPipelineRun) continue;
    is_in_run = true;
    if (const auto run = TRY(graph::find_node(tx, part.cause))) add(making, of_run(*run));
  }
  add(making, of_stage(*attempt, is_in_run ? 0 : waited_ms));
  return {};
}

}  // namespace

Result<Making> making_of(db::Tx& tx, const std::string& model, std::int64_t version,
                         UnixMs since_ms, UnixMs now_ms) {
  Making making;
  const graph::NodeRef node{graph::kind::kModelVersion, model + "/" + std::to_string(version)};
  for (const graph::Edge& made : TRY(graph::causes_of(tx, node))) {
    if (made.cause.kind != graph::kind::kRun) continue;
    for (const graph::Edge& run : TRY(graph::causes_of(tx, made.cause)))
      if (run.cause.kind == graph::kind::kAttempt)
        TRY(add_attempt(tx, run.cause, now_ms - since_ms, making));
  }
  return making;
}

}  // namespace slipway::app
