#include <cstddef>
#include <cstdint>
#include <string_view>

#include "domain/checks/suite.h"

// Any bytes as a contract: an error with its place, or a contract that compiles and judges an empty
// profile without a pass by accident.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::checks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto contract = parse_contract(text, "fuzz");
  if (!contract.ok()) {
    if (contract.error().message.empty()) __builtin_trap();
    return 0;
  }
  const Suite suite = compile(*contract);
  const auto verdicts = evaluate(suite, Profile(), {});
  if (verdicts.size() < suite.checks.size()) __builtin_trap();
  static_cast<void>(to_junit(verdicts, "fuzz"));
  return 0;
}
