#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/features/plan.h"

// Any text as a feature view: faults with places, or a view that compiles and has a version.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<features::View> view = features::parse_view(text, "v");
  if (!view.ok()) {
    if (view.error().code != Code::kInvalid || !view.error().message.starts_with("v:")) std::abort();
    return 0;
  }
  if (!features::Plan::make(*view).ok()) std::abort();
  return 0;
}
