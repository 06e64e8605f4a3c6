#include "domain/access/password.h"

#include <array>
#include <bit>
#include <optional>

#include "base/base64.h"
#include "base/check.h"
#include "base/ids.h"
#include "base/text.h"

namespace slipway::access {
namespace {

constexpr std::size_t kSaltBytes = 16, kKeyBytes = 32;

struct Stored {
  ScryptCost cost;
  std::string salt, key;
};

std::optional<Stored> parse(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '$');
  if (parts.size() != 6 || parts[0] != "scrypt") return std::nullopt;
  const auto work = to_int64(parts[1]), block = to_int64(parts[2]), lanes = to_int64(parts[3]);
  const auto salt = base64_decode(parts[4]), key = base64_decode(parts[5]);
  constexpr std::int64_t kWorkMax = 20, kOthersMax = 64;
  if (!work || !block || !lanes || !salt || !key) return std::nullopt;
  if (*work < 1 || *work > kWorkMax || *block < 1 || *block > kOthersMax || *lanes < 1 ||
      *lanes > kOthersMax || key->size() != kKeyBytes) {
    return std::nullopt;
  }
  return Stored{
      {1ull << *work, static_cast<std::uint64_t>(*block), static_cast<std::uint64_t>(*lanes)},
      *salt,
      *key};
}

}  // namespace

std::string hash_password(std::string_view password, const ScryptCost& cost) {
  CHECK(std::has_single_bit(cost.work));
  std::array<std::byte, kSaltBytes> random;
  random_bytes(random);
  const std::string_view salt(reinterpret_cast<const char*>(random.data()), random.size());
  const std::optional<std::string> key = scrypt(password, salt, cost, kKeyBytes);
  CHECK(key);
  return "scrypt$" + std::to_string(std::countr_zero(cost.work)) + "$" +
         std::to_string(cost.block) + "$" + std::to_string(cost.lanes) + "$" + base64_encode(salt) +
         "$" + base64_encode(*key);
}

bool is_password(std::string_view password, std::string_view stored) {
  const std::optional<Stored> known = parse(stored);
  if (!known) return false;
  const std::optional<std::string> key = scrypt(password, known->salt, known->cost, kKeyBytes);
  return key && equal_secrets(*key, known->key);
}

}  // namespace slipway::access
