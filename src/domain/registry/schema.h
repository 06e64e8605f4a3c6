#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/db/db.h"

// The tables of the registry, and the statements that differ between the engines.
namespace slipway::registry {

std::vector<db::Migration> migrations();

namespace schema {

/// `column in (a list of numbers or texts in one value)`; the value is made by list_value.
std::string in_list(db::Engine engine, const char* column, bool texts);
db::Value list_value(const std::vector<std::int64_t>& numbers);
db::Value list_value(const std::vector<std::string>& texts);

}  // namespace schema
}  // namespace slipway::registry
