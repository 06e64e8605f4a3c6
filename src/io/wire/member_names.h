#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/wire/codec.h"

// For whoever reads what must not be misspelt: codec.h ignores the members that it does not know.
// Pure; any thread.
namespace slipway::wire {

/// The members of a WIRE struct, in their order.
template <class T>
std::vector<std::string> member_names() {
  std::vector<std::string> names;
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto descriptor) { names.emplace_back(descriptor.name); });
  return names;
}

/// The first member of an object that is none of those; nothing when there is none.
std::optional<std::string> unknown_member(const Json& object,
                                          const std::vector<std::string>& known);

}  // namespace slipway::wire
