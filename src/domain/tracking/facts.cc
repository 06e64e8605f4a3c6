#include "domain/tracking/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::tracking {

using wire::Json;

namespace {

constexpr char kAnonymous[] = "anonymous";

/// "" for an attempt that is not known.
Result<std::string> state_of(db::Tx& tx, const std::string& attempt) {
  std::optional<graph::Node> node = TRY(graph::find_node(tx, {graph::kind::kAttempt, attempt}));
  const Json* state = node ? node->attributes.find("state") : nullptr;
  return state != nullptr && state->is_string() ? state->as_string() : std::string();
}

/// Whether a token of this attempt proves something. A token can't be made up, so one of an attempt
/// that nobody has told of yet is as good as one of an attempt that runs.
Result<bool> speaks_for_itself(db::Tx& tx, const std::string& attempt) {
  std::string state = TRY(state_of(tx, attempt));
  return state.empty() || state == "running";
}

Result<bool> has_attempt(db::Tx& tx, const std::string& run_id) {
  for (const graph::Edge& edge : TRY(graph::causes_of(tx, {graph::kind::kRun, run_id}))) {
    if (edge.cause.kind == graph::kind::kAttempt) return true;
  }
  return false;
}

Result<> tie_to_attempt(db::Tx& tx, const std::string& run_id, const std::string& attempt,
                        Json attributes, UnixMs now_ms) {
  graph::Edge edge{{graph::kind::kRun, run_id},
                   graph::relation::kProducedBy,
                   {graph::kind::kAttempt, attempt},
                   std::move(attributes)};
  return graph::put_edge(tx, edge, now_ms);
}

/// What the tag alone says: nothing of an attempt that does not run, or of a run whose attempt is
/// known.
Result<> claim_attempt(db::Tx& tx, const std::string& run_id, const std::string& attempt,
                       UnixMs now_ms) {
  constexpr std::size_t kIdBytesMax = 64;
  if (attempt.empty() || attempt.size() > kIdBytesMax) return {};
  if (TRY(state_of(tx, attempt)) != "running" || TRY(has_attempt(tx, run_id))) return {};
  Json claimed{Json::Object{}};
  claimed.set("claimed", true);
  return tie_to_attempt(tx, run_id, attempt, std::move(claimed), now_ms);
}

bool is_commit_id(const std::string& text) {
  bool has_length = text.size() == 40 || text.size() == 64;
  return has_length && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// An attempt knows its commit better than its client does.
Result<> tell_commit(db::Tx& tx, const std::string& run_id, const std::string& commit,
                     UnixMs now_ms) {
  if (!is_commit_id(commit) || TRY(has_attempt(tx, run_id))) return {};
  Json told{Json::Object{}};
  told.set("told_by", "client");
  graph::Edge edge{{graph::kind::kRun, run_id},
                   graph::relation::kUsed,
                   {graph::kind::kCommit, commit},
                   std::move(told)};
  return graph::put_edge(tx, edge, now_ms);
}

}  // namespace

Result<std::string> actor_name(db::Tx& tx, const Actor& actor) {
  if (actor.attempt.empty()) return actor.name.empty() ? std::string(kAnonymous) : actor.name;
  if (TRY(speaks_for_itself(tx, actor.attempt))) return "attempt:" + actor.attempt;
  return std::string(kAnonymous);
}

Result<> tell(db::Tx& tx, const char* kind, const std::string& id, const std::string& type,
              const Actor& actor, Json data, UnixMs now_ms) {
  std::string name = TRY(actor_name(tx, actor));
  graph::Event event{type, {kind, id}, std::move(name), /*cause_seq=*/0, std::move(data)};
  TRY(graph::append_event(tx, event, now_ms));
  return {};
}

namespace {

constexpr char kCompared[] = "run.compared";

}  // namespace

Result<std::int64_t> note_comparison(db::Tx& tx, const std::string& run_id, Json data,
                                     const Actor& actor, UnixMs now_ms) {
  (void)TRY(find_run(tx, run_id));
  graph::Event event{kCompared, {graph::kind::kRun, run_id}, TRY(actor_name(tx, actor)),
                     /*cause_seq=*/0, std::move(data)};
  return graph::append_event(tx, event, now_ms);
}

Result<std::vector<Comparison>> read_comparisons(db::Tx& tx, const std::string& run_id) {
  constexpr int kEventsMax = 200;  // of the run, of whatever kind
  std::vector<Comparison> found;
  for (graph::LoggedEvent& logged :
       TRY(graph::events_about(tx, {graph::kind::kRun, run_id}, kEventsMax))) {
    if (logged.event.type != kCompared) continue;
    found.push_back({logged.time_ms, std::move(logged.event.actor), std::move(logged.event.data)});
  }
  return found;
}

Result<> put_run_facts(db::Tx& tx, const RunInfo& run, const std::string& experiment,
                       const Actor& actor, UnixMs now_ms) {
  Json attributes{Json::Object{}};
  attributes.set("experiment", experiment);
  attributes.set("name", run.name);
  attributes.set("start_ms", run.start_ms);
  TRY(graph::put_node(tx, {graph::kind::kRun, run.id}, attributes, now_ms));
  bool is_proven = !actor.attempt.empty() && TRY(speaks_for_itself(tx, actor.attempt));
  if (!is_proven) return {};
  return tie_to_attempt(tx, run.id, actor.attempt, Json::Object{}, now_ms);
}

Result<> put_tag_facts(db::Tx& tx, const std::string& run_id, std::span<const Tag> tags,
                       UnixMs now_ms) {
  for (const Tag& tag : tags) {
    if (tag.key == kAttemptTag) TRY(claim_attempt(tx, run_id, tag.value, now_ms));
  }
  for (const Tag& tag : tags) {
    if (tag.key == kCommitTag) TRY(tell_commit(tx, run_id, tag.value, now_ms));
  }
  return {};
}

}  // namespace slipway::tracking
