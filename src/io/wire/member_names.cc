#include "io/wire/member_names.h"

#include <algorithm>

namespace slipway::wire {

std::optional<std::string> unknown_member(const Json& object,
                                          const std::vector<std::string>& known) {
  for (const auto& [name, value] : object.as_object())
    if (std::find(known.begin(), known.end(), name) == known.end()) return name;
  return std::nullopt;
}

}  // namespace slipway::wire
