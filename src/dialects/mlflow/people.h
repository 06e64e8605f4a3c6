#pragma once

#include <string_view>

#include "base/result.h"
#include "domain/access/people.h"
#include "io/http/router.h"

namespace slipway::mlflow {

/// Users, roles and permissions as MLflow's clients of its basic-auth app ask for them: those
/// of 3.x (roles; grant, revoke and get of one user) and of 2.x (permissions of experiments and of
/// registered models). What they ask of their callers is in access_rules(). `people` must outlive
/// the router.
void mount_people(http::Router& router, access::People& people);

/// "experiment", "registered_model", "prompt" (a registered model too); kInvalid for the other
/// types of MLflow's, which this server has no things of.
Result<access::Kind> resource_kind(std::string_view word);

}  // namespace slipway::mlflow
