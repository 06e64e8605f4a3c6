#include "app/loop/alias.h"

#include <optional>

#include "app/loop/intake_part.h"
#include "dialects/mlflow/webhooks.h"
#include "domain/delivery/store.h"
#include "domain/registry/registry.h"

namespace slipway::app {
namespace {

/// Whom the alias means; without one, whom the model's bare name does.
Result<std::optional<std::int64_t>> holder_of(db::Tx& tx, const std::string& model,
                                              const std::string& alias) {
  if (alias != registry::kMeantAlias) return registry::aliased_version(tx, model, alias);
  auto meant = registry::meant_version(tx, model);
  if (!meant.ok() && meant.error().code == Code::kMissing) return std::optional<std::int64_t>();
  return meant;
}

/// Nobody tries it any more, and nobody has found anything against it.
Result<bool> was_superseded(db::Tx& tx, const std::string& deployment, std::int64_t version) {
  constexpr int kLookedAt = 100;
  for (const delivery::Rollout& rollout :
       TRY(delivery::rollouts_of(tx, deployment, kLookedAt)))
    if (rollout.version == version) return rollout.phase == delivery::Phase::kSuperseded;
  return false;
}

}  // namespace

std::string alias_of(const project::Applied* project, const std::string& deployment) {
  const project::DeploymentSpec* spec =
      project ? project->declared.file.find_deployment(deployment) : nullptr;
  return spec != nullptr ? spec->alias : std::string();
}

Result<bool> put_alias(db::Tx& tx, const std::string& model, const std::string& alias,
                       std::int64_t version, std::int64_t cause_seq, UnixMs now) {
  if (TRY(registry::aliased_version(tx, model, alias)) == version) return false;
  Result<> moved = registry::put_alias(tx, kLoopActor, model, alias, version, cause_seq, now);
  if (!moved.ok() && moved.error().code == Code::kMissing) return false;
  TRY(std::move(moved));
  TRY(mlflow::note_alias(tx, model, alias, version, now));
  return true;
}

Result<bool> give_alias_back(db::Tx& tx, const std::string& deployment, const std::string& model,
                             const std::string& alias, std::int64_t version,
                             std::int64_t cause_seq, UnixMs now) {
  if (alias.empty()) return false;
  const auto found = TRY(delivery::find_deployment(tx, deployment));
  if (!found || found->model != model || found->stable == 0) return false;
  const auto holder = TRY(holder_of(tx, model, alias));
  if (!holder) return false;
  if (*holder != version && !TRY(was_superseded(tx, deployment, *holder))) return false;
  return put_alias(tx, model, alias, found->stable, cause_seq, now);
}

}  // namespace slipway::app
