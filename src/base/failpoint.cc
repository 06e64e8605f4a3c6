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

const Chosen& chosen() {
  static const Chosen now = chosen_now();
  return now;
}

void pass() {
  static std::atomic<std::int64_t> passed{0};
  if (++passed == chosen().passings) kill(getpid(), SIGKILL);
}

}  // namespace

void failpoint(std::string_view name) {
  if (chosen().name == name) pass();
}

void failpoint(std::string_view group, std::string_view name) {
  const std::string& wanted = chosen().name;
  if (wanted.size() == group.size() + 1 + name.size() && wanted.starts_with(group) &&
      wanted[group.size()] == '.' && wanted.ends_with(name))
    pass();
}

}  // namespace slipway
