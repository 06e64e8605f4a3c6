#pragma once

#include <string>
#include <string_view>

#include "base/scrypt.h"

// Passwords as they are stored: "scrypt$15$8$3$SALT$KEY" (log2 of the work, block, lanes; salt and
// key in base64). A stored one says what it cost, so that a dearer default keeps old ones good.
namespace slipway::access {

/// With a fresh salt.
std::string hash_password(std::string_view password, const ScryptCost& cost = {});
/// Takes as long as hash_password() did. False for a text that is no stored password.
bool is_password(std::string_view password, std::string_view stored);

}  // namespace slipway::access
