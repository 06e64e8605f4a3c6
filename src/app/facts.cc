#include "app/facts.h"

#include "io/http/client.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

constexpr std::size_t kWaitingMax = 1000;  // facts; more are written before anybody asks

Result<> write_facts(db::Tx& tx, const flows::GraphFacts& facts, UnixMs now_ms) {
  for (const auto& [ref, attributes] : facts.nodes)
    TRY(graph::put_node(tx, ref, attributes, now_ms));
  for (const graph::Edge& edge : facts.edges) TRY(graph::put_edge(tx, edge, now_ms));
  for (const graph::Event& event : facts.events) TRY(graph::append_event(tx, event, now_ms));
  return {};
}

}  // namespace

Result<> CatalogueFacts::keep(flows::GraphFacts facts) {
  waiting_.push_back(std::move(facts));
  return waiting_.size() < kWaitingMax ? Result<>() : flush();
}

Result<> CatalogueFacts::flush() {
  if (waiting_.empty()) return {};
  UnixMs now = clock_.now_ms();
  TRY(pool_.write([&](db::Tx& tx) -> Result<> {
    for (const flows::GraphFacts& facts : waiting_) TRY(write_facts(tx, facts, now));
    return {};
  }));
  waiting_.clear();
  return {};
}

Result<> RemoteFacts::keep(wire::Json fact) {
  waiting_.push_back(std::move(fact));
  return waiting_.size() < kWaitingMax ? Result<>() : flush();
}

Result<> RemoteFacts::flush() {
  if (waiting_.empty()) return {};
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = url_ + "/api/slipway/v1/facts";
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Authorization", "Bearer " + secret_);
  wire::Json body;
  body.set("facts", waiting_);
  request.body = wire::dump(body);
  http::Response response = TRY(http::fetch(request));
  if (response.status != 200) {
    return unavailable("the server at " + url_ + " did not take the facts of this run: status " +
                       std::to_string(response.status) + ": " + response.body.substr(0, 500));
  }
  waiting_.clear();
  return {};
}

}  // namespace slipway::app
