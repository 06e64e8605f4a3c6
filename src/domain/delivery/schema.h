#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "domain/delivery/store.h"

// The tables, and how their rows become values. For this folder only.
namespace slipway::delivery::rows {

Result<Deployment> get_deployment(db::Tx& tx, const std::string& name);
/// kMissing.
Result<Rollout> get_rollout(db::Tx& tx, const std::string& id);
/// That of a slot: "active" or "waiting".
Result<std::optional<Rollout>> in_slot(db::Tx& tx, const std::string& deployment,
                                       const std::string& slot);
Result<> insert_deployment(db::Tx& tx, const Deployment& deployment);
Result<> insert_rollout(db::Tx& tx, const Rollout& rollout);
/// Everything that may change, under the revision before: kConflict, tag "stale", when it is not
/// that one any more. `rollout.revision` is the new one.
Result<> update_rollout(db::Tx& tx, const Rollout& rollout);
/// All but name, model, salt and the time of its making.
Result<> update_deployment(db::Tx& tx, const Deployment& deployment);

}  // namespace slipway::delivery::rows
