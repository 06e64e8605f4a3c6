#pragma once

#include "io/wire/json.h"

namespace slipway::wire {

/// Of the members with one key keeps one, at the place of the first with the value of the last, as
/// Python's dict does. For the readers; n log n.
void keep_last_of_each_key(Json::Object& object);

}  // namespace slipway::wire
