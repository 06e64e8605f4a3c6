#include <algorithm>

#include "domain/evidence/delivery_report.h"
#include "domain/evidence/makers.h"
#include "domain/evidence/test_score.h"
#include "graph/kinds.h"

// The facts of the test score, read from the graph and from events.
namespace slipway::evidence {
namespace {

using graph::NodeRef;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr int kPipelineRunsMax = 10'000;

std::string link_of(const NodeRef& ref) {
  return ref.kind + ":" + ref.id;
}

/// The live version, else the newest that there is; 0 for none.
Result<std::int64_t> newest_version(db::Tx& tx, const std::string& model) {
  std::int64_t newest = 0;
  for (const NodeRef& ref :
       TRY(graph::find_by_prefix(tx, {kind::kModelVersion, model + "/"}, kPipelineRunsMax))) {
    newest = std::max<std::int64_t>(newest, std::atoll(ref.id.c_str() + model.size() + 1));
  }
  return newest;
}

Result<> read_releases(db::Tx& tx, ScoreFacts& facts) {
  const DeliveryFacts delivery = TRY(delivery_facts(tx));
  for (const Release& one : delivery.releases) {
    if (one.model != facts.model) continue;
    if (one.end == "live" && one.failed_ms == 0) {
      facts.version = one.version;
      facts.is_live = true;
    }
    const std::string link =
        link_of({kind::kModelVersion, one.model + "/" + std::to_string(one.version)});
    if (one.end == "rolled_back") facts.rollbacks.push_back({link, one.ended_ms});
    if (one.failed_ms != 0) facts.rollbacks.push_back({link, one.failed_ms});
  }
  std::stable_sort(facts.rollbacks.begin(), facts.rollbacks.end(),
                   [](const auto& a, const auto& b) { return a.time_ms < b.time_ms; });
  return {};
}

/// ROLLOUT/GATE, about the version.
Result<> read_gate(db::Tx& tx, const NodeRef& verdict, ScoreFacts& facts) {
  const auto node = TRY(graph::find_node(tx, verdict));
  if (!node) return {};
  const std::string name = verdict.id.substr(verdict.id.find('/') + 1);
  if (name.find('/') != std::string::npos) return {};  // that of a guard
  facts.gates.push_back({name, text_of(node->attributes, "status"), link_of(verdict)});
  return {};
}

Result<> read_window(db::Tx& tx, const NodeRef& ref,
                     const std::map<std::string, std::string>& metrics, ScoreFacts& facts) {
  const auto node = TRY(graph::find_node(tx, ref));
  if (!node) return {};
  ScoreFacts::Window window;
  window.link = link_of(ref);
  window.status = text_of(node->attributes, "status");
  window.start_ms = integer_of(node->attributes, "start_ms");
  window.end_ms = integer_of(node->attributes, "end_ms");
  window.requests = integer_of(node->attributes, "requests");
  window.labelled = integer_of(node->attributes, "labelled");
  int profiles = 0;
  for (const graph::Edge& edge : TRY(graph::causes_of(tx, {kind::kVerdict, ref.id}))) {
    window.has_contract |= edge.cause.kind == kind::kContractVersion;
    profiles += edge.cause.kind == kind::kProfile;
    if (edge.cause.kind != kind::kRequirement) continue;
    const auto metric = metrics.find(edge.cause.id);
    if (metric != metrics.end()) window.metric = metric->second;
  }
  window.has_reference = profiles > 1;  // its own, and what that is compared with
  facts.windows.push_back(std::move(window));
  return {};
}

Result<> read_step(db::Tx& tx, const NodeRef& ref, ScoreFacts& facts) {
  const auto node = TRY(graph::find_node(tx, ref));
  if (!node) return {};
  const std::string phase = text_of(node->attributes, "phase");
  if (phase == "shadowing" || phase == "canarying") facts.canary_steps.push_back(link_of(ref));
  return {};
}

Result<> read_version(db::Tx& tx, const std::map<std::string, std::string>& metrics,
                      ScoreFacts& facts) {
  const NodeRef version{kind::kModelVersion, facts.model + "/" + std::to_string(facts.version)};
  for (const graph::Edge& edge : TRY(graph::effects_of(tx, version))) {
    const NodeRef& effect = edge.effect;
    if (effect.kind == kind::kVerdict) TRY(read_gate(tx, effect, facts));
    if (effect.kind == kind::kWindow) TRY(read_window(tx, effect, metrics, facts));
    if (effect.kind == kind::kRolloutStep) TRY(read_step(tx, effect, facts));
  }
  std::stable_sort(facts.windows.begin(), facts.windows.end(),
                   [](const auto& a, const auto& b) { return a.end_ms < b.end_ms; });
  return {};
}

Result<> read_pipeline_runs(db::Tx& tx, ScoreFacts& facts) {
  for (const NodeRef& ref : TRY(graph::all_of_kind(tx, kind::kPipelineRun, kPipelineRunsMax))) {
    const auto node = TRY(graph::find_node(tx, ref));
    if (!node || text_of(node->attributes, "state") != "succeeded") continue;
    facts.pipeline_runs.push_back({link_of(ref), integer_of(node->attributes, "ended_ms")});
  }
  std::stable_sort(facts.pipeline_runs.begin(), facts.pipeline_runs.end(),
                   [](const auto& a, const auto& b) { return a.time_ms < b.time_ms; });
  return {};
}

/// Verdicts that a person's `slipway check` left about data that the version was trained on.
Result<> read_checks(db::Tx& tx, ScoreFacts& facts) {
  const NodeRef version{kind::kModelVersion, facts.model + "/" + std::to_string(facts.version)};
  for (const graph::Edge& run : TRY(graph::causes_of(tx, version))) {
    if (run.relation != relation::kProducedBy || run.cause.kind != kind::kRun) continue;
    for (const graph::Edge& attempt : TRY(graph::causes_of(tx, run.cause))) {
      if (attempt.relation != relation::kProducedBy) continue;
      for (const graph::Edge& used : TRY(graph::causes_of(tx, attempt.cause))) {
        if (used.relation != relation::kUsed || used.cause.kind != kind::kData) continue;
        for (const graph::Edge& about : TRY(graph::effects_of(tx, used.cause))) {
          if (about.relation != relation::kAbout || about.effect.kind != kind::kVerdict) continue;
          facts.checks_by_hand.push_back(link_of(about.effect));
        }
      }
    }
  }
  return {};
}

}  // namespace

Result<ScoreFacts> score_facts(db::Tx& tx, const std::string& model, const Declared& declared) {
  ScoreFacts facts;
  facts.model = model;
  facts.watchers = declared.watchers;
  const std::int64_t newest = TRY(graph::newest_seq(tx));
  for (const auto& event : TRY(graph::events_after(tx, newest - 1, 1))) {
    facts.now_ms = event.time_ms;
  }
  TRY(read_releases(tx, facts));
  if (facts.version == 0) facts.version = TRY(newest_version(tx, model));
  if (facts.version == 0) {
    return missing("there is no version of a model '" + model + "' to score");
  }
  TRY(read_version(tx, declared.metrics, facts));
  TRY(read_pipeline_runs(tx, facts));
  TRY(read_checks(tx, facts));
  return facts;
}

}  // namespace slipway::evidence
