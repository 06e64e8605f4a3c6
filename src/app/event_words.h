#pragma once

#include <string>
#include <string_view>

#include "io/wire/json.h"

namespace slipway::app {

/// What an event says beside its type and subject, for people: the verdict of a gate or a window,
/// the way of a rollout, a reason. "" when that is nothing. `data`: of the event. Pure.
std::string words_of_event(std::string_view type, const wire::Json& data);

}  // namespace slipway::app
