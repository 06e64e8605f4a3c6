#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/features/column.h"

// CSV as RFC 4180 has it, strictly: commas, double quotes, a line of names first, as many fields in
// every line, UTF-8. An empty field without quotes is null; "" is the empty text. Functions over
// texts. Any thread.
namespace slipway::features {

struct CsvField {
  std::string_view text;  // without quotes; may point into CsvTable::unescaped
  bool quoted = false;
  bool is_null() const { return text.empty() && !quoted; }
};

/// The fields of a text, which it points into.
struct CsvTable {
  std::vector<std::string> names;  // different, not empty
  std::vector<CsvField> fields;    // row after row, names.size() each
  std::vector<std::size_t> lines;  // of each row, from 1
  std::size_t rows() const { return lines.size(); }
  const CsvField& at(std::size_t row, std::size_t column) const {
    return fields[row * names.size() + column];
  }
  /// Texts that are not in the input as they are, because of doubled quotes.
  std::vector<std::unique_ptr<std::string>> unescaped;
};

inline constexpr std::size_t kCsvColumnsMax = 10'000;

/// `name` begins messages: "NAME:LINE: found ..., expected ...". kInvalid.
Result<CsvTable> parse_csv(std::string_view text, const std::string& name);

/// The column as values of `type`. kInvalid names line and column of the first cell that is none.
Result<Column> csv_column(const CsvTable& table, std::size_t column, Type type,
                          const std::string& name);

/// One line, with its newline. Quotes only where needed.
void append_csv_line(std::string& out, const std::vector<std::string>& names);
/// All of a table; reads back as the same values, for the same types.
std::string to_csv(const Table& table);

}  // namespace slipway::features
