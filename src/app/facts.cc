#include "app/facts.h"

#include "base/failpoint.h"
#include "domain/tracking/tracking.h"
#include "graph/kinds.h"
#include "io/http/client.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

using graph::NodeRef;
using wire::Json;

std::string text_member(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

/// "" for an attempt that nobody knows.
Result<std::string> state_of(db::Tx& tx, const NodeRef& attempt) {
  std::optional<graph::Node> node = TRY(graph::find_node(tx, attempt));
  return node ? text_member(node->attributes, "state") : std::string();
}

/// Facts as they come out of deliver(), into the transaction.
class Writer final : public flows::FactSink {
 public:
  Writer(db::Tx& tx, UnixMs now_ms) : tx_(tx), now_ms_(now_ms) {}

  Result<> started(const flows::AttemptStarted& fact) override;
  Result<> ended(const flows::AttemptEnded& fact) override;
  Result<> restored(const flows::StageRestored& fact) override;
  Result<> flush() override { return {}; }

 private:
  Result<> write(const flows::GraphFacts& facts);
  Result<bool> is_made(const flows::DataFact& data);
  Result<> end_runs(const flows::AttemptEnded& fact);
  Result<bool> another_runs(const std::string& run, const NodeRef& ended);

  db::Tx& tx_;
  UnixMs now_ms_;
};

Result<> Writer::write(const flows::GraphFacts& facts) {
  for (const auto& [ref, attributes] : facts.nodes)
    TRY(graph::put_node(tx_, ref, attributes, now_ms_));
  for (const graph::Edge& edge : facts.edges) TRY(graph::put_edge(tx_, edge, now_ms_));
  for (const graph::Event& event : facts.events) TRY(graph::append_event(tx_, event, now_ms_));
  return {};
}

/// Should its end have come before its beginning, it is over all the same.
Result<> Writer::started(const flows::AttemptStarted& fact) {
  std::string state = TRY(state_of(tx_, {graph::kind::kAttempt, fact.id}));
  flows::GraphFacts facts = flows::to_graph(fact);
  if (!state.empty()) facts.nodes.front().second.set("state", state);
  return write(facts);
}

/// What is known of an end stays: a later run only sees that something was left over.
Result<> Writer::ended(const flows::AttemptEnded& fact) {
  std::string state = TRY(state_of(tx_, {graph::kind::kAttempt, fact.id}));
  bool is_known = !state.empty() && state != "running" && state != "lost";
  if (is_known) return {};
  TRY(write(flows::to_graph(fact)));
  return end_runs(fact);
}

Result<> Writer::restored(const flows::StageRestored& fact) {
  for (const flows::DataFact& data : fact.outputs) {
    if (!TRY(is_made(data))) return write(flows::restored_attempt(fact));
  }
  return write(flows::to_graph(fact));
}

Result<bool> Writer::is_made(const flows::DataFact& data) {
  for (const graph::Edge& edge : TRY(graph::causes_of(tx_, {graph::kind::kData, data.md5}))) {
    if (edge.relation == graph::relation::kProducedBy) return true;
  }
  return false;
}

Result<> Writer::end_runs(const flows::AttemptEnded& fact) {
  NodeRef attempt{graph::kind::kAttempt, fact.id};
  bool cancelled = fact.state == flows::AttemptEnded::State::kCancelled;
  tracking::RunStatus status =
      cancelled ? tracking::RunStatus::kKilled : tracking::RunStatus::kFailed;
  for (const graph::Edge& edge : TRY(graph::effects_of(tx_, attempt))) {
    if (edge.effect.kind != graph::kind::kRun || TRY(another_runs(edge.effect.id, attempt)))
      continue;
    TRY(tracking::end_left_run(tx_, edge.effect.id, status, fact.ended_ms, now_ms_));
  }
  return {};
}

/// A run may be taken up again by a later attempt.
Result<bool> Writer::another_runs(const std::string& run, const NodeRef& ended) {
  for (const graph::Edge& edge : TRY(graph::causes_of(tx_, {graph::kind::kRun, run}))) {
    if (edge.cause.kind != graph::kind::kAttempt || edge.cause == ended) continue;
    std::string state = TRY(state_of(tx_, edge.cause));
    if (state.empty() || state == "running") return true;
  }
  return false;
}

/// One that passes is no reason to give a fact up.
bool passes(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kBusy;
}

std::string cursor_of(const std::string& outbox) {
  return "outbox/" + outbox;
}

Result<> write_from(db::Tx& tx, const std::string& outbox, std::int64_t first,
                    const Json::Array& facts, UnixMs now_ms) {
  std::int64_t next = outbox.empty() ? first : TRY(graph::read_cursor(tx, cursor_of(outbox)));
  Writer writer(tx, now_ms);
  auto end = first + static_cast<std::int64_t>(facts.size());
  for (std::int64_t i = std::max(first, next); i < end; ++i)
    TRY(flows::deliver(facts[static_cast<std::size_t>(i - first)], writer));
  if (outbox.empty() || end <= next) return {};
  return graph::move_cursor(tx, cursor_of(outbox), end);
}

// --- the HTTP face ---

struct Refused {
  std::int64_t index = 0;
  std::string why;
};
WIRE(Refused, index, why)
struct Answer {
  std::vector<Refused> refused;
};
WIRE(Answer, refused)

Result<http::Response> post(const FactsReceiver& receiver, const std::string& outbox,
                            std::int64_t first, const Json::Array& facts) {
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = receiver.url + "/api/slipway/v1/facts";
  request.timeout = receiver.timeout;
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Authorization", "Bearer " + receiver.secret);
  Json body;
  body.set("outbox", outbox);
  body.set("first", first);
  body.set("facts", facts);
  request.body = wire::dump(body);
  return http::fetch(request);
}

}  // namespace

Result<TakenFacts> take_facts(db::Pool& pool, const Clock& clock, const std::string& outbox,
                              std::int64_t first, const Json::Array& facts) {
  UnixMs now = clock.now_ms();
  TakenFacts taken{first + static_cast<std::int64_t>(facts.size()), {}};
  Result<> all = pool.write([&](db::Tx& tx) { return write_from(tx, outbox, first, facts, now); });
  if (all.ok()) {
    failpoint("facts.taken");
    return taken;
  }
  if (passes(all.error())) return all.error();
  for (std::size_t i = 0; i < facts.size(); ++i) {
    std::int64_t index = first + static_cast<std::int64_t>(i);
    Json::Array one = {facts[i]};
    Result<> put = pool.write([&](db::Tx& tx) { return write_from(tx, outbox, index, one, now); });
    if (put.ok()) continue;
    if (passes(put.error())) return put.error();
    taken.refused.push_back({index, put.error().message});
    if (outbox.empty()) continue;
    TRY(pool.write([&](db::Tx& tx) -> Result<> {
      return graph::move_cursor(tx, cursor_of(outbox), index + 1);
    }));
  }
  return taken;
}

Result<TakenFacts> send_facts(const FactsReceiver& receiver, const std::string& outbox,
                              std::int64_t first, const Json::Array& facts) {
  http::Response response = TRY(post(receiver, outbox, first, facts));
  TakenFacts taken{first + static_cast<std::int64_t>(facts.size()), {}};
  if (response.status == 200) {
    Answer answer = TRY(wire::decode<Answer>(response.body));
    for (Refused& one : answer.refused) taken.refused.push_back({one.index, std::move(one.why)});
    return taken;
  }
  std::string why = "the server at " + receiver.url +
                    " did not take the facts of this run: status " +
                    std::to_string(response.status) + ": " + response.body.substr(0, 500);
  bool is_their_fault = response.status == 400 || response.status == 413;
  if (!is_their_fault) return unavailable(why);
  if (facts.size() == 1) {
    taken.refused.push_back({first, why});
    return taken;
  }
  for (std::size_t i = 0; i < facts.size(); ++i) {
    TakenFacts one =
        TRY(send_facts(receiver, outbox, first + static_cast<std::int64_t>(i), {facts[i]}));
    taken.refused.insert(taken.refused.end(), one.refused.begin(), one.refused.end());
  }
  return taken;
}

}  // namespace slipway::app
