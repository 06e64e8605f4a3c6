#pragma once

#include "domain/access/rule.h"

namespace slipway::mlflow {

/// What the routes of this face ask of their callers.
access::Rules access_rules();

}  // namespace slipway::mlflow
