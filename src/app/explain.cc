#include "app/explain.h"

#include "domain/evidence/explain.h"
#include "domain/registry/registry.h"

namespace slipway::app {
namespace {

/// "models:/NAME@ALIAS" and its kin become "models:/NAME/VERSION"; anything else stays.
Result<std::string> resolve(db::Pool& pool, const std::string& subject) {
  if (!registry::is_reference(subject)) return subject;
  registry::Reference reference = TRY(registry::parse_reference(subject));
  if (!reference.logged_model_id.empty()) return "model:" + reference.logged_model_id;
  SystemClock clock;
  registry::Registry models(pool, clock);
  registry::Version version = TRY(models.resolve(reference));
  return "models:/" + version.model + "/" + std::to_string(version.number);
}

}  // namespace

Result<graph::Closure> explain(db::Pool& pool, const std::string& subject,
                               graph::Direction direction) {
  std::string resolved = TRY(resolve(pool, subject));
  graph::NodeRef ref = TRY(evidence::parse_subject(resolved));
  return pool.read([&](db::Tx& tx) { return evidence::explain(tx, ref, direction); });
}

}  // namespace slipway::app
