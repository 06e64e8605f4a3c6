#pragma once

#include <string_view>

namespace slipway::app {

/// python/slipway/golden.py, which this program carries with it.
std::string_view golden_helper();

}  // namespace slipway::app
