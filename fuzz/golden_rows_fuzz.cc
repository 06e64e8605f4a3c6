#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/delivery/gates.h"

// Whatever bytes come as golden rows, reading ends with an error, or with rows that read back, fit
// their sizes and can be judged.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::delivery;  // NOLINT(google-build-using-namespace)
  auto golden = parse_golden({reinterpret_cast<const char*>(data), size});
  if (!golden.ok()) return 0;
  if (golden->cells.size() != golden->rows * golden->features) std::abort();
  if (golden->values.size() != golden->rows * golden->width) std::abort();
  if (golden->margin_values.size() != golden->rows * golden->margins) std::abort();
  const std::string text = to_text(*golden);
  auto again = parse_golden(text);
  if (!again.ok() || to_text(*again) != text) std::abort();
  Replay same;
  same.values = golden->values;
  same.margins = golden->margin_values;
  (void)judge_parity(*golden, same);
  return 0;
}
