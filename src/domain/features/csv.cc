#include "domain/features/csv.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slipway::features {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view text, const std::string& name) : text_(text), name_(name) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text_.substr(0, 3) == kByteOrderMark) at_ = 3;
  }

  Result<CsvTable> read() {
    TRY(read_names());
    while (at_ < text_.size()) {
      table_.lines.push_back(line_);
      const std::size_t first = table_.fields.size();
      TRY(read_line());
      const std::size_t count = table_.fields.size() - first;
      if (count == table_.names.size()) continue;
      line_ = table_.lines.back();
      return error("found " + std::to_string(count) + " fields, expected " +
                   std::to_string(table_.names.size()));
    }
    return std::move(table_);
  }

 private:
  Error error(const std::string& message) const {
    return invalid(name_ + ":" + std::to_string(line_) + ": " + message);
  }

  Result<> read_names() {
    if (!is_valid_utf8(text_)) return error("found bytes that are no UTF-8");
    if (at_ == text_.size()) return error("found nothing, expected a line of column names");
    TRY(read_line());
    std::set<std::string_view> seen;
    line_ = 1;
    if (table_.fields.size() > kCsvColumnsMax) {
      return error("found more than " + std::to_string(kCsvColumnsMax) + " columns");
    }
    for (const CsvField& field : table_.fields) {
      if (field.text.empty()) return error("found an empty column name");
      if (!seen.insert(field.text).second) {
        return error("found two columns named '" + std::string(field.text) + "'");
      }
      table_.names.emplace_back(field.text);
    }
    table_.fields.clear();
    line_ = next_line_;
    return {};
  }

  /// Fields up to and with the end of the line.
  Result<> read_line() {
    next_line_ = line_;
    while (true) {
      table_.fields.push_back(TRY(read_field()));
      if (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        continue;
      }
      if (at_ < text_.size() && text_[at_] == '\r') ++at_;
      if (at_ < text_.size() && text_[at_] != '\n')
        return error("found text after a carriage return");
      if (at_ < text_.size()) ++at_;
      line_ = ++next_line_;
      return {};
    }
  }

  Result<CsvField> read_field() {
    if (at_ < text_.size() && text_[at_] == '"') return read_quoted();
    const std::size_t end = std::min(text_.find_first_of(",\r\n\"", at_), text_.size());
    if (end < text_.size() && text_[end] == '"') {
      return error("found a quote inside a field without quotes");
    }
    CsvField field{text_.substr(at_, end - at_), false};
    at_ = end;
    return field;
  }

  Result<CsvField> read_quoted() {
    const std::size_t begin = ++at_;
    bool doubled = false;
    while (true) {
      at_ = text_.find('"', at_);
      if (at_ == std::string_view::npos) return error("found no closing quote");
      if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        doubled = true;
        at_ += 2;
        continue;
      }
      break;
    }
    std::string_view inner = text_.substr(begin, at_ - begin);
    next_line_ += static_cast<std::size_t>(std::count(inner.begin(), inner.end(), '\n'));
    ++at_;
    if (at_ < text_.size() &&
        std::string_view(",\r\n").find(text_[at_]) == std::string_view::npos) {
      return error("found text after a closing quote");
    }
    if (doubled) {
      table_.unescaped.push_back(
          std::make_unique<std::string>(replace_all(std::string(inner), "\"\"", "\"")));
      inner = *table_.unescaped.back();
    }
    return CsvField{inner, true};
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::size_t line_ = 1, next_line_ = 1;
  CsvTable table_;
};

void append_field(std::string& out, std::string_view text, bool is_null) {
  if (is_null) return;
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

Result<CsvTable> parse_csv(std::string_view text, const std::string& name) {
  return CsvReader(text, name).read();
}

Result<Column> csv_column(const CsvTable& table, std::size_t column, Type type,
                          const std::string& name) {
  Column out(type);
  out.reserve(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const CsvField& field = table.at(row, column);
    if (field.is_null()) {
      out.push_null();
      continue;
    }
    std::optional<Value> value = parse_value(type, field.text);
    if (!value) {
      return invalid(name + ":" + std::to_string(table.lines[row]) + ": found " +
                     python_repr(take_code_points(field.text, 60)) + ", expected " +
                     to_string(type) + " in column '" + table.names[column] + "'");
    }
    out.push(*value);
  }
  return out;
}

void append_csv_line(std::string& out, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    append_field(out, names[i], false);
  }
  out += '\n';
}

std::string to_csv(const Table& table) {
  std::string out;
  append_csv_line(out, table.names);
  for (std::size_t row = 0; row < table.rows; ++row) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (i > 0) out += ',';
      const Column& column = table.columns[i];
      append_field(out, to_text(column.at(row)), column.valid[row] == 0);
    }
    out += '\n';
  }
  return out;
}

}  // namespace slipway::features
