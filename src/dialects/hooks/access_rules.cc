#include "dialects/hooks/access_rules.h"

namespace slipway::hooks {

access::Rules access_rules() {
  using On = access::Rule::On;
  return {
      // A message may start a pipeline, whose commands run on this machine.
      {"POST /events", On::kEverything, access::Level::kEdit},
      {"OPTIONS /events", On::kNobody, access::Level::kNone},
      {"POST /hooks/alertmanager", On::kEverything, access::Level::kEdit},
      // Proven by a signature of its body.
      {"POST /hooks/git", On::kNobody, access::Level::kNone},
  };
}

}  // namespace slipway::hooks
