#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/http/range.h"

// Whatever Range, If-Range, If-Match and If-None-Match hold: a part that lies in the content, and
// an answer that says so.

namespace {

using namespace slipway;

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (size < 9) return 0;
  http::Representation content;
  for (int i = 0; i < 8; ++i) content.bytes = content.bytes << 8 | data[i];
  content.bytes >>= data[8] % 64;
  content.etag = "\"e\"";
  text.remove_prefix(9);
  http::Headers headers;
  constexpr const char* kNames[] = {"Range", "If-None-Match", "If-Match", "If-Range"};
  for (std::size_t i = 0; i < 8 && !text.empty(); ++i) {
    const std::size_t end = text.find('\n');
    if (end > 0) headers.add(kNames[i % 4], std::string(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  for (const http::Method method : {http::Method::kGet, http::Method::kHead}) {
    const http::Wanted wanted = http::wanted_of(method, headers, content);
    const http::Response response = http::respond(wanted, content);
    require(response.status == wanted.status);
    switch (wanted.status) {
      case 200:
        require(wanted.from == 0 && wanted.length == content.bytes);
        break;
      case 206:
        require(method == http::Method::kGet && wanted.length > 0);
        require(wanted.from < content.bytes && wanted.length <= content.bytes - wanted.from);
        break;
      default:
        require(wanted.status == 304 || wanted.status == 412 || wanted.status == 416);
        require(!response.body_length);
    }
  }
  return 0;
}
