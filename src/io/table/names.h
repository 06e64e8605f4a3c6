#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the names of a table's columns, and the lines of a CSV file before anybody has read it, say
// of it. Pure functions.
namespace slipway::table {

inline constexpr char kSeparators[] = ",;\t|";

/// How many columns a line of names has, at most: by the separator that it has most of, out of
/// quotes.
std::size_t columns_of_line(std::string_view line);

/// Whether DuckDB, for which case does not tell names apart, may have given one of these names
/// itself: 'a_1' beside 'a'.
bool may_be_renamed(const std::vector<std::string>& names);

/// Two names that are one, in words: "columns 1 and 3 are both named 'a'". `names` as in the file.
std::optional<std::string> collision_of(const std::vector<std::string>& names);

/// Whether half of the lines after the first one, or more, have a separator.
bool mostly_have(std::string_view text, char separator);

/// The columns of a line of names as texts, for DuckDB: "'c0': 'VARCHAR', ...".
std::string texts_of(std::size_t columns);

/// DuckDB's "CSV Error on Line: 500 ... Expected Number of Columns: 5 Found: 4", in a sentence.
std::string ragged_line(const std::string& message, char separator);

}  // namespace slipway::table
