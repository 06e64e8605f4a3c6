#pragma once

#include <vector>

#include "app/loop/gate_judges.h"

namespace slipway::app {

/// How the training data of a version stood to the contracts that are declared now: by verdicts
/// that are known of that very data, else by checking it here, from the cache. `facts` gets what
/// was found out anew.
Result<std::vector<delivery::ContractFinding>> find_contracts(
    const GateWorld& world, const delivery::Rollout& rollout, UnixMs made_ms,
    const project::Declared& declared,
    std::vector<std::function<Result<>(db::Tx&, UnixMs)>>& facts);

}  // namespace slipway::app
