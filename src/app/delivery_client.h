#pragma once

#include <functional>
#include <optional>
#include <string>

#include "app/delivery_api.h"
#include "app/project_client.h"

namespace slipway::app {

/// What the owner of the state folder answers at /api/slipway/v1/`path`, to a POST of `body` or a
/// GET without; where nobody owns it, what `here` does on the catalogue itself. A GET makes and
/// changes nothing. kMissing where no state began. Waits.
Result<wire::Json> delivery_at(const ProjectPlace& place, const std::string& path,
                               const std::optional<std::string>& body,
                               const std::function<Result<wire::Json>(const DeliveryWorld&)>& here);

}  // namespace slipway::app
