#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/text.h"
#include "io/http/authorization.h"

// Whatever Authorization and Cookie hold: what is read of them is what a client can have said, and
// says it again.

namespace {

using namespace slipway;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_header(std::string_view header) {
  const http::Credentials read = http::parse_authorization(header);
  using Scheme = http::Credentials::Scheme;
  if (read.scheme == Scheme::kBasic) {
    require(read.user.find(':') == std::string::npos);
    require(is_valid_utf8(read.user) && is_valid_utf8(read.secret));
    for (const char c : read.user + read.secret) require(static_cast<unsigned char>(c) >= 0x20);
    const http::Credentials again =
        http::parse_authorization("Basic " + base64_encode(read.user + ":" + read.secret));
    require(again.scheme == read.scheme && again.user == read.user && again.secret == read.secret);
  } else {
    require(read.user.empty());
  }
  if (read.scheme == Scheme::kBearer) {
    require(!read.secret.empty() && header.find(read.secret) != std::string_view::npos);
  }
  if (read.scheme == Scheme::kNone || read.scheme == Scheme::kUnknown) require(read.secret.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  check_header(text.substr(0, line));
  const std::string_view cookies =
      line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
  if (const auto value = http::cookie_value(cookies, "slipway_session")) {
    require(cookies.find("slipway_session=" + std::string(*value)) != std::string_view::npos);
    require(value->find(';') == std::string_view::npos);
  }
  return 0;
}
