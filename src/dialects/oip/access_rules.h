#pragma once

#include "domain/access/rule.h"

namespace slipway::oip {

/// What the routes of this face ask of their callers.
access::Rules access_rules();

}  // namespace slipway::oip
