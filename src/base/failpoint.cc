#include "base/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"

namespace slipway {
namespace {

struct Chosen {
  std::string name;
  std::int64_t passings = 1;
};

Chosen chosen_now() {
  const char* value = std::getenv("SLIPWAY_FAILPOINT");
  Chosen chosen;
  if (value == nullptr) return chosen;
  const std::string_view text(value);
  const std::size_t colon = text.rfind(':');
  chosen.name = std::string(text.substr(0, colon));
  if (colon != std::string_view::npos)
    chosen.passings = to_int64(text.substr(colon + 1)).value_or(1);
  return chosen;
}

}  // namespace

void failpoint(const char* name) {
  static const Chosen chosen = chosen_now();
  static std::atomic<std::int64_t> passed{0};
  if (chosen.name != name) return;
  if (++passed == chosen.passings) kill(getpid(), SIGKILL);
}

}  // namespace slipway
