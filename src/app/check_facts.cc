#include "app/check_facts.h"

#include <map>

#include "app/api.h"
#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"
#include "base/ids.h"
#include "domain/checks/facts.h"
#include "domain/checks/suite.h"
#include "domain/data/version.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr std::uint64_t kBodyBytesMax = std::uint64_t{256} << 20;  // profiles of wide tables

struct Judged {
  checks::Contract contract;
  checks::Profile profile;
  checks::Judgement judgement;
};

Result<Judged> judge(const CheckFact& fact) {
  Judged judged;
  const auto environment = checks::parse_environment(fact.environment);
  if (!environment) return invalid("'" + fact.environment + "' is no environment of a check");
  if (!data::is_digest(fact.md5)) return invalid("'" + fact.md5 + "' is no digest of data");
  judged.contract = TRY(checks::parse_contract(fact.contract, fact.contract_file));
  judged.profile = TRY(checks::parse_profile(fact.profile));
  judged.profile.table = fact.path;
  judged.profile.data = fact.md5;
  std::map<std::string, checks::Profile> owned;
  for (const CheckReference& reference : fact.references)
    owned[reference.name] = TRY(checks::parse_profile(reference.profile));
  checks::Circumstances circumstances;
  circumstances.environment = *environment;
  circumstances.now_ms = fact.as_of_ms;
  for (const auto& [name, profile] : owned) circumstances.references[name] = &profile;
  const checks::Suite suite = checks::compile(judged.contract, circumstances.references);
  judged.judgement.about = {graph::kind::kData, fact.md5};
  judged.judgement.environment = *environment;
  judged.judgement.verdicts = checks::evaluate(suite, judged.profile, circumstances);
  return judged;
}

Result<http::Response> take_check(const http::Request& request, db::Pool& pool,
                                  const Clock& clock) {
  if (request.principal.name != kOwnerName)
    return denied("checks are taken only from a command that can read this server's state folder");
  const CheckFact fact = TRY(wire::decode<CheckFact>(request.body));
  return http::Response::json(wire::dump(TRY(put_check(pool, fact, clock.now_ms()))));
}

}  // namespace

Result<Json> put_check(db::Pool& pool, const CheckFact& fact, UnixMs now_ms) {
  Judged judged = TRY(judge(fact));
  judged.judgement.id = uuid7(now_ms);
  judged.judgement.time_ms = now_ms;
  judged.profile.made_ms = now_ms;
  const std::int64_t seq = TRY(pool.write([&](db::Tx& tx) -> Result<std::int64_t> {
    checks::Judgement judgement = judged.judgement;
    judgement.contract = TRY(checks::put_contract(tx, judged.contract, fact.contract, now_ms));
    judgement.profile = TRY(checks::put_profile(tx, judged.profile, judgement.about, now_ms));
    return checks::put_judgement(tx, judgement, fact.actor);
  }));
  return Json(Json::Object{{"judgement", judged.judgement.id}, {"event_seq", seq}});
}

Result<Json> record_check(const std::filesystem::path& state, const CheckFact& fact) {
  const auto here = [&]() -> Result<Json> {
    Metrics metrics;
    const auto pool = TRY(db::Pool::open(TRY(catalogue_of(state)), all_migrations(), metrics));
    return put_check(*pool, fact, SystemClock().now_ms());
  };
  const auto there = [&](const std::string& url, const std::string& secret) -> Result<Json> {
    const http::Response response =
        TRY(post_to_owner(url + "/api/slipway/v1/checks", secret, wire::encode(fact)));
    constexpr int kOk = 200;
    if (response.status == kOk) return wire::parse(response.body);
    return unavailable("the server at " + url + " did not take it: " + message_of(response));
  };
  return at_owner(state, here, there);
}

void mount_checks(http::Router& router, db::Pool& pool, const Clock& clock) {
  router.group("/api/slipway/v1", http::render_plain_error)
      .add({http::Method::kPost, "/checks", http::manages("graph"), http::Place::kBlocking,
            kBodyBytesMax},
           [&pool, &clock](http::Request& request) { return take_check(request, pool, clock); });
}

}  // namespace slipway::app
