#include "app/score_api.h"

#include <map>

#include "app/api.h"
#include "domain/project/applied.h"

namespace slipway::app {
namespace {

/// The metric of each declared requirement; none before the first apply.
Result<std::map<std::string, std::string>> metrics_of(db::Tx& tx) {
  std::map<std::string, std::string> metrics;
  const std::optional<project::Applied> applied = TRY(project::current(tx));
  if (!applied) return metrics;
  for (const auto& one : applied->declared.file.use_case.requirements) {
    metrics[one.id] = one.metric;
  }
  return metrics;
}

}  // namespace

Result<evidence::TestScore> test_score(db::Tx& tx, const std::string& model) {
  return evidence::score_of(TRY(evidence::score_facts(tx, model, TRY(metrics_of(tx)))));
}

void mount_score(http::Router& router, db::Pool& pool) {
  router.group("/api/slipway/v1", http::render_plain_error)
      .add({http::Method::kGet, "/models/{model}/score", http::reads("graph"),
            http::Place::kBlocking},
           [&pool](http::Request& request) -> Result<http::Response> {
             const bool words = TRY(wants_words(request));
             const evidence::TestScore score = TRY(
                 pool.read([&](db::Tx& tx) { return test_score(tx, request.capture("model")); }));
             if (words) return http::Response::text(evidence::to_text(score));
             return http::Response::json(wire::dump(evidence::to_json(score)));
           });
}

}  // namespace slipway::app
