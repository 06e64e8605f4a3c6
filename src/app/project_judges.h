#pragma once

#include <string>
#include <vector>

#include "domain/notify/notify.h"
#include "domain/project/plan.h"

namespace slipway::app {

/// What only the modules that will act on a declaration can tell: whether calendar rules and zones,
/// contracts, feature views and rollouts make sense. kInvalid with every fault, one a line, each
/// with its place. Pure, but for the system's time zones.
Result<> check_declared(const project::Declared& declared);

/// The same of as much as could be read, one fault each.
std::vector<std::string> judge_draft(const project::Draft& draft);
/// What is wrong with the reading and by that judgement, every fault at once, in the order of the
/// text; and if there is any, what a plan would refuse besides.
std::vector<std::string> faults_of(const project::Draft& draft,
                                   const project::Workspace& workspace);

/// What is no fault, and is hardly meant: contracts in which nothing can fail, or whose drift wants
/// more rows than a monitor waits for. Warnings.
project::Remarks remarks_on(const project::Declared& declared);

/// Variables that notifications take their addresses and secrets from, and that `variable` does not
/// find: warnings. `is_server`: it looks where the server runs that will send them.
project::Remarks unset_variables(const project::ProjectFile& file, notify::Variable variable,
                                 bool is_server);

}  // namespace slipway::app
