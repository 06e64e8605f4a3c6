#pragma once

#include <memory>

#include "app/app.h"

namespace slipway::app {

/// A started server. A state folder that is not there yet is made only once the address can be
/// had. Who has the folder or the address already is named: kConflict with tag "owned", after up to
/// ten seconds for an owner that has just started; kUnavailable with tag "taken".
Result<std::unique_ptr<App>> bring_up(AppOptions options);

}  // namespace slipway::app
