#pragma once

#include "domain/access/rule.h"

namespace slipway::hooks {

/// What the routes of this face ask of their callers.
access::Rules access_rules();

}  // namespace slipway::hooks
