#include "domain/tracking/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::tracking {

using wire::Json;

std::string actor_name(const Actor& actor) {
  if (!actor.attempt.empty()) return "attempt:" + actor.attempt;
  return actor.name.empty() ? "anonymous" : actor.name;
}

Result<> tell(db::Tx& tx, const char* kind, const std::string& id, const std::string& type,
              const Actor& actor, Json data, UnixMs now_ms) {
  graph::Event event{type, {kind, id}, actor_name(actor), /*cause_seq=*/0, std::move(data)};
  TRY(graph::append_event(tx, event, now_ms));
  return {};
}

Result<> tie_to_attempt(db::Tx& tx, const std::string& run_id, const std::string& attempt,
                        UnixMs now_ms) {
  graph::Edge edge{{graph::kind::kRun, run_id},
                   graph::relation::kProducedBy,
                   {graph::kind::kAttempt, attempt},
                   Json::Object{}};
  return graph::put_edge(tx, edge, now_ms);
}

Result<> put_run_facts(db::Tx& tx, const Run& run, const std::string& experiment,
                       const std::string& attempt, UnixMs now_ms) {
  Json attributes{Json::Object{}};
  attributes.set("experiment", experiment);
  attributes.set("name", run.info.name);
  attributes.set("start_ms", run.info.start_ms);
  TRY(graph::put_node(tx, {graph::kind::kRun, run.info.id}, attributes, now_ms));
  return attempt.empty() ? Result<>() : tie_to_attempt(tx, run.info.id, attempt, now_ms);
}

}  // namespace slipway::tracking
