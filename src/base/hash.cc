#include "base/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <xxhash.h>

#include <array>

#include "base/check.h"
#include "base/ids.h"

namespace slipway {

struct Hasher::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(Kind kind) : state_(std::make_unique<State>()) {
  CHECK(EVP_DigestInit_ex(state_->context, kind == Kind::kMd5 ? EVP_md5() : EVP_sha256(),
                          nullptr) == 1);
}
Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(std::string_view data) {
  CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

std::string Hasher::finish_hex() {
  std::array<std::byte, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  CHECK(EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(digest.data()),
                           &length) == 1);
  return to_hex(std::span(digest).first(length));
}

namespace {
std::string digest_of(Hasher::Kind kind, std::string_view data) {
  Hasher hasher(kind);
  hasher.update(data);
  return hasher.finish_hex();
}
}  // namespace

std::string md5_hex(std::string_view data) {
  return digest_of(Hasher::Kind::kMd5, data);
}
std::string sha256_hex(std::string_view data) {
  return digest_of(Hasher::Kind::kSha256, data);
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(data.data()), data.size(),
             reinterpret_cast<unsigned char*>(digest.data()), &length) != nullptr);
  digest.resize(length);
  return digest;
}
std::string hmac_sha256_hex(std::string_view key, std::string_view data) {
  const std::string digest = hmac_sha256(key, data);
  return to_hex(std::as_bytes(std::span(digest)));
}

std::uint64_t fast_hash(std::string_view data) {
  return XXH3_64bits(data.data(), data.size());
}

}  // namespace slipway
