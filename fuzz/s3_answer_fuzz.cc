#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/blob/s3_place.h"
#include "io/blob/s3_xml.h"

// Answers of an S3 server and files of Amazon's tools, whatever is in them.

namespace {

using namespace slipway::blob;

void require(bool condition) {
  if (!condition) std::abort();
}

int depth_of(const s3::Element& element) {
  int deepest = 0;
  for (const s3::Element& child : element.children) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto root = s3::parse_xml(text); root.ok()) {
    require(depth_of(*root) <= 16 && !root->name.empty());
    // What was read can be written and read again.
    const std::string again = "<t>" + s3::escape_xml(root->text) + "</t>";
    if (root->text.find('\0') == std::string::npos) {
      const auto once_more = s3::parse_xml(again);
      require(once_more.ok() && once_more->text == root->text);
    }
  }
  if (const auto listing = s3::parse_listing(text); listing.ok()) {
    require(listing->objects.size() + listing->folders.size() <= 200'000);
  }
  if (const auto fault = s3::parse_fault(text)) {
    require(fault->code.size() <= 500 && fault->message.size() <= 500);
  }
  static_cast<void>(s3::parse_config(text));
  const auto nothing = [](const std::string&) { return std::optional<std::string>(); };
  if (const auto place = s3::place_of(text, nothing); place.ok()) {
    require(!place->bucket.empty() && place->host.find('/') == std::string::npos);
  }
  return 0;
}
