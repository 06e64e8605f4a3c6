#include "domain/checks/profile_text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"
#include "domain/checks/cell_text.h"

namespace slipway::checks {
namespace {

constexpr std::size_t kCells = 8;
using Line = std::array<std::string, kCells>;

constexpr std::size_t kCellMax = 28;  // code points; a longer cell is cut

std::string cut(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  if (count_code_points(text) <= kCellMax) return text;
  return std::string(take_code_points(text, kCellMax - 3)) + "...";
}

std::string rounded(double value, table::Type type) {
  if (type != table::Type::kReal && type != table::Type::kInteger) return number_text(value, type);
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

std::string percent(std::int64_t part, std::int64_t whole) {
  if (part == 0 || whole == 0) return "-";
  char text[32];
  const double share = 100 * static_cast<double>(part) / static_cast<double>(whole);
  std::snprintf(text, sizeof text, share < 0.1 ? "<0.1 %%" : "%.1f %%", share);
  return text;
}

std::string distinct_text(const ColumnProfile& column) {
  const std::optional<double> count = column.distinct_count();
  if (!count) return "-";
  const bool exact = (column.uniqueness && column.uniqueness->exact) ||
                     (column.frequent && column.frequent->exact());
  char text[32];
  std::snprintf(text, sizeof text, exact ? "%.0f" : "~%.0f", *count);
  return text;
}

/// "fair (61.2 %)", where values come again at all.
std::string most_frequent(const ColumnProfile& column) {
  if (!column.frequent || column.frequent->abandoned()) return "-";
  const std::vector<Frequent::Item> top = column.frequent->top(1);
  if (top.empty() || top.front().count < 2) return "-";
  const std::string share = " (" + percent(top.front().count, column.present()) + ")";
  return cut(top.front().text) + share;
}

Line line_of(const ColumnProfile& column) {
  Line line = {cut(column.name),
               table::to_string(column.type),
               percent(column.missing(), column.rows),
               distinct_text(column),
               "-",
               "-",
               "-",
               most_frequent(column)};
  if (column.numeric() && column.moments.n > 0) {
    line[4] = rounded(column.moments.min, column.type);
    const bool is_count = column.type == table::Type::kInteger || column.type == table::Type::kReal;
    if (is_count) line[5] = rounded(column.moments.mean, column.type);
    line[6] = rounded(column.moments.max, column.type);
  }
  if (column.lengths && column.lengths->n > 0) {
    line[4] = std::to_string(column.lengths->min) + " letters";
    line[6] = std::to_string(column.lengths->max) + " letters";
  }
  return line;
}

}  // namespace

std::string to_table(const Profile& profile) {
  std::vector<Line> lines = {
      {"column", "type", "missing", "distinct", "smallest", "mean", "largest", "most frequent"}};
  for (const ColumnProfile& column : profile.columns) lines.push_back(line_of(column));
  std::array<std::size_t, kCells> widths{};
  for (const Line& line : lines)
    for (std::size_t i = 0; i < kCells; ++i)
      widths[i] = std::max(widths[i], count_code_points(line[i]));
  std::string text = std::to_string(profile.rows) + (profile.rows == 1 ? " row, " : " rows, ") +
                     std::to_string(profile.columns.size()) +
                     (profile.columns.size() == 1 ? " column\n" : " columns\n");
  for (const Line& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < kCells; ++i)
      row += line[i] + std::string(widths[i] + 2 - count_code_points(line[i]), ' ');
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

}  // namespace slipway::checks
