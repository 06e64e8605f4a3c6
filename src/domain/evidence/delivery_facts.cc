#include <algorithm>
#include <set>

#include "domain/evidence/delivery_report.h"
#include "domain/evidence/makers.h"
#include "graph/kinds.h"

// The facts of the delivery report, read from events about deployments and from the graph.
namespace slipway::evidence {
namespace {

using graph::NodeRef;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr int kDeploymentsMax = 1000, kIncidentsMax = 10'000, kEventsMax = 100'000;

/// The causes of `effect` by one relation.
Result<std::vector<NodeRef>> causes_by(db::Tx& tx, const NodeRef& effect, const char* by) {
  std::vector<NodeRef> causes;
  for (const graph::Edge& edge : TRY(graph::causes_of(tx, effect))) {
    if (edge.relation == by) causes.push_back(edge.cause);
  }
  return causes;
}

Origin origin_of_kind(const std::string& cause) {
  if (cause == kind::kIncident) return Origin::kIncident;
  if (cause == kind::kMessage || cause == kind::kAlert) return Origin::kMessage;
  if (cause == kind::kTick) return Origin::kCalendar;
  if (cause == kind::kCommit) return Origin::kCode;
  if (cause == kind::kData) return Origin::kData;
  return Origin::kPerson;
}

/// version -> run -> attempt -> pipeline run, the newest of several.
Result<std::optional<NodeRef>> pipeline_run_of(db::Tx& tx, const NodeRef& version) {
  std::optional<NodeRef> newest;
  for (const NodeRef& run : TRY(causes_by(tx, version, relation::kProducedBy))) {
    if (run.kind != kind::kRun) continue;
    for (const NodeRef& attempt : TRY(causes_by(tx, run, relation::kProducedBy))) {
      for (const NodeRef& pipeline : TRY(causes_by(tx, attempt, relation::kPartOf))) {
        if (!newest || newest->id < pipeline.id) newest = pipeline;  // ids go by time
      }
    }
  }
  return newest;
}

/// Of a version that no pipeline run made: when the run or the attempt began that did.
Result<> find_start(db::Tx& tx, const NodeRef& version, Release& release) {
  const auto note = [&](const NodeRef& maker) -> Result<> {
    const auto node = TRY(graph::find_node(tx, maker));
    if (!node || node->created_ms == 0) return {};
    const bool is_first = release.caused_ms == 0 || node->created_ms < release.caused_ms;
    if (is_first) release.caused_ms = node->created_ms;
    return {};
  };
  for (const NodeRef& run : TRY(causes_by(tx, version, relation::kProducedBy))) {
    if (run.kind != kind::kRun) continue;
    TRY(note(run));
    for (const NodeRef& attempt : TRY(causes_by(tx, run, relation::kProducedBy)))
      TRY(note(attempt));
  }
  return {};
}

Result<> find_origin(db::Tx& tx, Release& release) {
  const NodeRef version{kind::kModelVersion, release.model + "/" + std::to_string(release.version)};
  if (const auto node = TRY(graph::find_node(tx, version))) {
    release.made_ms = integer_of(node->attributes, "created_ms");
    if (release.made_ms == 0) release.made_ms = node->created_ms;
  }
  const auto run = TRY(pipeline_run_of(tx, version));
  if (!run) return find_start(tx, version, release);
  release.origin = Origin::kPerson;
  if (const auto node = TRY(graph::find_node(tx, *run))) release.caused_ms = node->created_ms;
  for (const NodeRef& firing : TRY(causes_by(tx, *run, relation::kStartedBy))) {
    for (const NodeRef& cause : TRY(causes_by(tx, firing, relation::kCausedBy))) {
      release.origin = origin_of_kind(cause.kind);
      const auto node = TRY(graph::find_node(tx, cause));
      if (!node || cause.kind == kind::kPerson) continue;
      // An incident says when it was opened; a commit may be much older than the news of it.
      const UnixMs opened = integer_of(node->attributes, "opened_ms");
      release.caused_ms = opened != 0 ? opened : std::max(release.caused_ms, node->created_ms);
    }
  }
  return {};
}

class Reader {
 public:
  explicit Reader(std::string deployment) : deployment_(std::move(deployment)) {}

  void take(const graph::LoggedEvent& event) {
    const std::string& type = event.event.type;
    if (type == "deployment.rolled_back") return take_back(event);
    if (!type.starts_with("rollout.")) return;
    const std::string id = text_of(event.event.data, "rollout");
    if (id.empty()) return;
    Release& release = of(id, event);
    if (type == "rollout.requested") release.requested_ms = event.time_ms;
    if (type == "rollout.advanced" && release.traffic_ms == 0) release.traffic_ms = event.time_ms;
    if (type == "rollout.promotion_asked") release.by_hand = true;
    if (type == "rollout.promoted") {
      release.live_ms = event.time_ms;
      end(release, event, "live");
    }
    if (type == "rollout.stopped") end(release, event, "stopped");
    if (type == "rollout.rolled_back") {
      // Promoted, but it could not answer: it was never live.
      release.live_ms = 0;
      end(release, event, "rolled_back");
    }
    if (type == "rollout.superseded") end(release, event, "superseded");
  }

  std::vector<Release> releases;

 private:
  Release& of(const std::string& id, const graph::LoggedEvent& event) {
    for (Release& one : releases) {
      if (one.rollout == id) return one;
    }
    Release& release = releases.emplace_back();
    release.rollout = id;
    release.deployment = deployment_;
    release.model = text_of(event.event.data, "model");
    release.version = integer_of(event.event.data, "version");
    release.requested_ms = event.time_ms;
    return release;
  }
  void end(Release& release, const graph::LoggedEvent& event, const char* how) {
    release.ended_ms = event.time_ms;
    release.end = how;
    release.reason = text_of(event.event.data, "reason");
    release.replaces = integer_of(event.event.data, "replaces");
  }
  /// The version that was live until then.
  void take_back(const graph::LoggedEvent& event) {
    Release* last = nullptr;
    for (Release& one : releases) {
      if (one.end == "live" && one.failed_ms == 0) last = &one;
    }
    if (last == nullptr) return;
    last->failed_ms = event.time_ms;
    last->failure = text_of(event.event.data, "reason");
  }

  const std::string deployment_;
};

Result<std::vector<Repair>> repairs(db::Tx& tx) {
  std::vector<Repair> found;
  for (const NodeRef& ref : TRY(graph::all_of_kind(tx, kind::kIncident, kIncidentsMax))) {
    const auto node = TRY(graph::find_node(tx, ref));
    if (!node) continue;
    Repair repair;
    repair.incident = ref.id;
    repair.deployment = text_of(node->attributes, "deployment");
    repair.model = text_of(node->attributes, "model");
    repair.version = text_of(node->attributes, "version");
    repair.opened_ms = integer_of(node->attributes, "opened_ms");
    repair.closed_ms = integer_of(node->attributes, "closed_ms");
    repair.remedy = text_of(node->attributes, "remedy");
    found.push_back(std::move(repair));
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Repair& a, const Repair& b) { return a.opened_ms < b.opened_ms; });
  return found;
}

/// The gates of a rollout have verdicts called ROLLOUT/GATE.
Result<std::set<std::string>> gates_of(db::Tx& tx, const std::string& rollout) {
  std::set<std::string> gates;
  for (const NodeRef& ref :
       TRY(graph::find_by_prefix(tx, {kind::kVerdict, rollout + "/"}, kDeploymentsMax))) {
    const std::string rest = ref.id.substr(rollout.size() + 1);
    if (rest.find('/') == std::string::npos) gates.insert(rest);
  }
  return gates;
}

}  // namespace

Result<DeliveryFacts> delivery_facts(db::Tx& tx) {
  DeliveryFacts facts;
  std::map<std::string, std::set<std::string>> gates;
  for (const NodeRef& deployment :
       TRY(graph::all_of_kind(tx, kind::kDeployment, kDeploymentsMax))) {
    Reader reader(deployment.id);
    for (const graph::LoggedEvent& event : TRY(graph::events_about(tx, deployment, kEventsMax))) {
      reader.take(event);
    }
    for (Release& release : reader.releases) {
      TRY(find_origin(tx, release));
      gates[release.model].merge(TRY(gates_of(tx, release.rollout)));
      facts.releases.push_back(std::move(release));
    }
  }
  std::stable_sort(
      facts.releases.begin(), facts.releases.end(),
      [](const Release& a, const Release& b) { return a.requested_ms < b.requested_ms; });
  facts.repairs = TRY(repairs(tx));
  for (auto& [model, names] : gates) facts.gates[model].assign(names.begin(), names.end());
  return facts;
}

}  // namespace slipway::evidence
