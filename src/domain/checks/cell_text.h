#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/table/table.h"

// Cells as people write them, and texts that read as values.
namespace slipway::checks {

/// "3", "0.5", "true", "2011-01-01", "2011-01-01T12:00:00Z"; dates and times from microseconds.
std::string number_text(double value, table::Type type);

/// A cell that is not null, cut to Frequent::kTextMax bytes.
std::string cell_text(const table::ColumnView& view, std::size_t row);

/// Whether a text is written like a value of `type`.
bool reads_as(std::string_view text, table::Type type);

/// "2011-01-01", with or without "T12:30:05.25" (or a blank for the T) and "Z" or an offset, in
/// microseconds since 1970.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace slipway::checks
