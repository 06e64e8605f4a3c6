#pragma once

#include "app/app.h"

namespace slipway::app {

/// Whether a connection to this address of this machine is refused: false for an address of another
/// one, and where that can't be told. Any thread; waits a second at most for each address that a
/// name has.
bool nobody_listens(const Address& address);

}  // namespace slipway::app
