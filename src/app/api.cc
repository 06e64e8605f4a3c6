#include "app/api.h"

#include <unistd.h>

#include "app/explain.h"
#include "app/facts.h"
#include "domain/evidence/explain.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

struct FactsRequest {
  std::string outbox;  // empty: the facts are taken as often as they come
  std::int64_t first = 0;
  std::vector<wire::Json> facts;
};
WIRE(FactsRequest, outbox, first, facts)

Result<http::Response> answer_facts(const http::Request& request, db::Pool& pool,
                                    const Clock& clock) {
  if (request.principal.name != kOwnerName) {
    return denied("facts are taken only from a command that can read this server's state folder");
  }
  FactsRequest body = TRY(wire::decode<FactsRequest>(request.body));
  constexpr std::size_t kNameMax = 64;
  if (body.outbox.size() > kNameMax || body.first < 0) return invalid("these facts name no outbox");
  TakenFacts taken = TRY(take_facts(pool, clock, body.outbox, body.first, body.facts));
  wire::Json::Array refused;
  for (const RefusedFact& one : taken.refused) {
    wire::Json item;
    item.set("index", one.index);
    item.set("why", one.why);
    refused.push_back(std::move(item));
  }
  wire::Json answer;
  answer.set("refused", std::move(refused));
  return http::Response::json(wire::dump(answer));
}

Result<http::Response> answer_explain(const http::Request& request, db::Pool& pool,
                                      const std::filesystem::path& state, const FlushLog& flush) {
  std::string subject = request.query_value("subject").value_or("");
  std::string direction = request.query_value("direction").value_or("causes");
  if (direction != "causes" && direction != "effects") {
    return invalid("direction must be 'causes' or 'effects', got '" + direction + "'");
  }
  auto way = direction == "causes" ? graph::Direction::kToCauses : graph::Direction::kToEffects;
  const bool words = TRY(wants_words(request));
  const Explained explained = TRY(explain(pool, state, subject, way, flush));
  if (words) return http::Response::text(to_text(explained, way));
  return http::Response::json(
      wire::dump(evidence::to_json(explained.closure), {.non_finite_as_string = true}));
}

/// Who answers here: for a program that finds the port taken.
http::Response answer_server(bool acts) {
  wire::Json answer;
  answer.set("name", "slipway");
  answer.set("version", SLIPWAY_VERSION);
  answer.set("pid", std::int64_t{getpid()});
  answer.set("acts", acts);
  return http::Response::json(wire::dump(answer));
}

}  // namespace

Result<bool> wants_words(const http::Request& request) {
  const std::string format = request.query_value("format").value_or("json");
  if (format != "json" && format != "text")
    return invalid("format must be json or text, got '" + format.substr(0, 80) + "'");
  return format == "text";
}

std::string actor_of(const http::Request& request, const std::string& said) {
  const std::string& known = request.principal.name;
  if (known.empty() || known == kOwnerName) return said.empty() ? known : said;
  return known;
}

void mount_metrics(http::Router& router, Metrics& metrics) {
  router.group("", http::render_plain_error)
      .add({http::Method::kGet, "/metrics", http::reads("server"), http::Place::kBlocking},
           [&metrics](http::Request&) -> Result<http::Response> {
             http::Response response = http::Response::text(metrics.expose());
             response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
             return response;
           });
}

void mount_api(http::Router& router, db::Pool& pool, const Clock& clock,
               const std::filesystem::path& state, FlushLog flush, std::function<bool()> acts) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kPost, "/facts", http::manages("graph"), http::Place::kBlocking},
            [&pool, &clock](http::Request& request) { return answer_facts(request, pool, clock); });
  group.add({http::Method::kGet, "/server", http::kPublic, http::Place::kInline},
            [acts = std::move(acts)](http::Request&) -> Result<http::Response> {
              return answer_server(acts());
            });
  group.add({http::Method::kGet, "/explain", http::reads("graph"), http::Place::kBlocking},
            [&pool, state, flush = std::move(flush)](http::Request& request) {
              return answer_explain(request, pool, state, flush);
            });
}

}  // namespace slipway::app
