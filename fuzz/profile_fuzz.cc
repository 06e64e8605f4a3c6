#include <cstddef>
#include <cstdint>
#include <string_view>

#include "domain/checks/infer.h"
#include "domain/checks/suite.h"

// Any bytes as a profile: an error, or a profile that can be merged, compared, inferred from,
// written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::checks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto profile = parse_profile(text);
  if (!profile.ok()) return 0;
  const std::string written = to_json(*profile);
  auto again = parse_profile(written);
  if (!again.ok() || to_json(*again) != written) __builtin_trap();
  static_cast<void>(merged(*profile, *again));
  for (const ColumnProfile& column : profile->columns) {
    for (Measure measure : {Measure::kJensenShannon, Measure::kPsi, Measure::kWasserstein,
                            Measure::kKolmogorovSmirnov, Measure::kChiSquareP})
      static_cast<void>(drift_of(measure, column, column));
  }
  static_cast<void>(infer_contract(*profile, {"", 0}));
  return 0;
}
