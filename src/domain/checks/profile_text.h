#pragma once

#include <string>

#include "domain/checks/profile.h"

namespace slipway::checks {

/// A profile as people read it, a line a column; ends with a newline.
std::string to_table(const Profile& profile);

}  // namespace slipway::checks
