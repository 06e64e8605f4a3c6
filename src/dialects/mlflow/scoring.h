#pragma once

#include <string>

#include "io/http/router.h"

namespace slipway::serving {
class Deployments;
class Serving;
}  // namespace slipway::serving

// MLflow's scoring protocol: what `mlflow models serve` answers, for every deployment, and for
// every registered model that has none.
namespace slipway::mlflow {

struct ScoringOptions {
  /// Which deployment or model answers the bare /invocations; empty: the only one there is.
  std::string default_deployment;
};

/// Adds POST /deployments/{name}/invocations, POST /invocations and GET /ping. A name that a
/// deployment has, or a model that one serves, is answered by it; any other by `serving`. Both must
/// outlive the server.
void mount_scoring(http::Router& router, serving::Serving& serving,
                   serving::Deployments& deployments, ScoringOptions options);

}  // namespace slipway::mlflow
