#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dialects/oip/infer_request.h"

// Whatever a request holds, the tensors that come out lie within it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t header_bytes =
      std::min<std::size_t>(size - 2, data[0] == 0xFF ? size : data[0] * 256u + data[1]);
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  auto request = slipway::oip::read_infer_request(body, header_bytes, "model");
  if (!request.ok()) return 0;
  for (const auto& input : request->inputs) {
    if (input.has_binary && input.binary.data() + input.binary.size() > body.data() + body.size())
      __builtin_trap();
    const bool numbers = input.has_data && input.datatype != slipway::oip::Datatype::kBytes;
    if (numbers && input.first + input.count > request->numbers.size()) __builtin_trap();
    if (input.has_data && input.count != input.elements) __builtin_trap();
  }
  return 0;
}
