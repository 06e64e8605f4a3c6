#pragma once

#include <vector>

#include "domain/checks/contract.h"
#include "domain/checks/yaml_reader.h"

namespace slipway::checks {

/// The checks that `engine: slipway` adds to ODCS, from the mapping under `implementation`: one for
/// each key. `common` has what holds for all of them.
void read_slipway_quality(const yaml::Node& node, YamlReader& read, const Quality& common,
                          std::vector<Quality>& all);

}  // namespace slipway::checks
