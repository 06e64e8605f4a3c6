#pragma once

#include <string>

#include "io/http/router.h"

namespace slipway::serving {
class Serving;
}

// MLflow's scoring protocol: what `mlflow models serve` answers, for every registered model.
namespace slipway::mlflow {

struct ScoringOptions {
  /// Which model answers the bare /invocations; empty: the only one there is.
  std::string default_deployment;
};

/// Adds POST /deployments/{name}/invocations, POST /invocations and GET /ping. `serving` must
/// outlive the server.
void mount_scoring(http::Router& router, serving::Serving& serving, ScoringOptions options);

}  // namespace slipway::mlflow
