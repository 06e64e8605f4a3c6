#include <cstdint>
#include <cstdlib>
#include <string>

#include "io/wire/codec.h"
#include "io/wire/json.h"

// What parses must dump to a text that parses to the same dump, and simdjson's path must agree with
// the strict one.

namespace {

struct Inner {
  std::string key;
  double value = 0;
  std::optional<std::int64_t> step;
};
WIRE(Inner, key, value, step)

struct Outer {
  slipway::wire::Json any;
  std::vector<Inner> metrics;
  std::map<std::string, bool> flags;
};
WIRE(Outer, any, metrics, flags)

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::wire;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  slipway::Result<Json> json = parse(text);
  slipway::Result<Outer> typed = decode<Outer>(text);
  if (!json.ok()) {
    require(!typed.ok());
    return 0;
  }

  std::string dumped = dump(*json);
  slipway::Result<Json> again = parse(dumped);
  require(again.ok() && dump(*again) == dumped);
  require(parse(dump(*json, {.ascii = true, .spaces = true, .indent = 1})).ok());

  slipway::Result<Outer> from_json = decode<Outer>(*json);
  require(typed.ok() == from_json.ok());
  if (!typed.ok()) {
    require(typed.error().message == from_json.error().message);
    return 0;
  }
  std::string encoded = encode(*typed);
  require(encoded == encode(*from_json));
  slipway::Result<Outer> reread = decode<Outer>(encoded);
  require(reread.ok());
  return 0;
}
