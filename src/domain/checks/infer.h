#pragma once

#include <string>

#include "domain/checks/profile.h"

namespace slipway::checks {

struct InferOptions {
  std::string id;     // of the contract; "" takes the table's name
  UnixMs now_ms = 0;  // when the data was looked at: tells whether freshness means anything
};

/// A contract that `profile`, which has to be a full one, keeps: types, nullability, domain,
/// ranges, uniqueness, order, freshness. A proposal for a person to edit: comments say what was
/// seen. What no other table of its kind would break fails: rows, columns, types, nulls where there
/// were none. What was concluded from the values only warns until somebody makes it fail. ODCS v3.1
/// YAML.
std::string infer_contract(const Profile& profile, const InferOptions& options);

}  // namespace slipway::checks
