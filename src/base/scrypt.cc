#include "base/scrypt.h"

#include <openssl/evp.h>

namespace slipway {

std::optional<std::string> scrypt(std::string_view password, std::string_view salt,
                                  const ScryptCost& cost, std::size_t bytes) {
  constexpr std::uint64_t kMemoryMax = 129u << 20;
  std::string key(bytes, '\0');
  const int made = EVP_PBE_scrypt(password.data(), password.size(),
                                  reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                                  cost.work, cost.block, cost.lanes, kMemoryMax,
                                  reinterpret_cast<unsigned char*>(key.data()), key.size());
  if (made != 1) return std::nullopt;
  return key;
}

}  // namespace slipway
