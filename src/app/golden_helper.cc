#include "app/golden_helper.h"

// golden_helper_text.S
extern "C" const char slipway_golden_helper[];
extern "C" const char slipway_golden_helper_end[];

namespace slipway::app {

std::string_view golden_helper() {
  return {slipway_golden_helper, slipway_golden_helper_end};
}

}  // namespace slipway::app
