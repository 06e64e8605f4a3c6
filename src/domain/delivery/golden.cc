#include "domain/delivery/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::delivery {
namespace {

using wire::Json;

constexpr std::size_t kRowsMax = 100'000, kWidthMax = 4096, kCellsMax = 16u << 20;
constexpr std::size_t kLineMax = 1u << 20;

Error broken(std::size_t line, const std::string& what) {
  return invalid("golden rows, line " + std::to_string(line) + ": " + what);
}

/// null and "NaN" are missing; "Infinity" and "-Infinity" too may come as texts.
bool read_number(const Json& json, double& out) {
  if (json.is_number()) {
    out = json.as_double();
    return true;
  }
  const std::string word = json.is_null() ? "NaN" : json.is_string() ? json.as_string() : "";
  const bool infinite = word == "Infinity" || word == "-Infinity";
  if (word != "NaN" && !infinite) return false;
  const double size =
      infinite ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  out = word.front() == '-' ? -size : size;
  return true;
}

/// Appends the list `key` of a row; its length is the same in every row.
bool append_floats(const Json& row, const char* key, std::size_t wanted, std::vector<float>& out) {
  const Json* list = row.find(key);
  if (!list || !list->is_array() || list->as_array().size() != wanted) return false;
  for (const Json& item : list->as_array()) {
    double value = 0;
    if (!read_number(item, value)) return false;
    out.push_back(static_cast<float>(value));
  }
  return true;
}

Result<std::size_t> read_size(const Json& header, const char* key, std::size_t max) {
  const Json* value = header.find(key);
  if (!value || !value->is_integer() || value->as_int64() < 0 ||
      static_cast<std::uint64_t>(value->as_int64()) > max)
    return broken(1, std::string(key) + " is a number from 0 to " + std::to_string(max));
  return static_cast<std::size_t>(value->as_int64());
}

Result<GoldenRows> read_header(const Json& header) {
  const Json* version = header.find("golden");
  if (!version || !version->is_integer() || version->as_int64() != 1)
    return broken(1, "expected {\"golden\": 1, ...}");
  GoldenRows golden;
  golden.rows = TRY(read_size(header, "rows", kRowsMax));
  golden.features = TRY(read_size(header, "features", kWidthMax));
  golden.width = TRY(read_size(header, "width", kWidthMax));
  golden.margins = TRY(read_size(header, "margins", kWidthMax));
  if (golden.features == 0 || golden.width == 0) return broken(1, "rows without cells or values");
  if (golden.rows * (golden.features + golden.width + golden.margins) > kCellsMax)
    return broken(1, "more than " + std::to_string(kCellsMax) + " cells");
  if (const Json* made_by = header.find("made_by"); made_by && made_by->is_string())
    golden.made_by = made_by->as_string();
  const Json* columns = header.find("columns");
  if (!columns || columns->is_null()) return golden;
  if (!columns->is_array() || columns->as_array().size() != golden.features)
    return broken(1, "columns names each of the " + std::to_string(golden.features) + " features");
  for (const Json& column : columns->as_array()) {
    if (!column.is_string()) return broken(1, "a column's name is a text");
    golden.columns.push_back(column.as_string());
  }
  return golden;
}

Result<> read_row(const Json& row, std::size_t line, GoldenRows& golden) {
  if (!append_floats(row, "in", golden.features, golden.cells))
    return broken(line, "in is a list of " + std::to_string(golden.features) + " numbers");
  if (!append_floats(row, "out", golden.width, golden.values))
    return broken(line, "out is a list of " + std::to_string(golden.width) + " numbers");
  if (golden.margins > 0 && !append_floats(row, "margin", golden.margins, golden.margin_values))
    return broken(line, "margin is a list of " + std::to_string(golden.margins) + " numbers");
  const Json* target = row.find("target");
  if (!target) return {};
  double value = std::nan("");
  if (!target->is_null() && !read_number(*target, value)) return broken(line, "target is a number");
  golden.targets.push_back(value);
  return {};
}

/// One representation of what is the same.
template <class T>
T plain(T value) {
  if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
  return value == 0 ? T{0} : value;
}

Json numbers(std::span<const float> values) {
  Json::Array list;
  for (const float v : values) {
    if (std::isnan(v))
      list.emplace_back(nullptr);
    else if (std::isinf(v))
      list.emplace_back(v > 0 ? "Infinity" : "-Infinity");
    else
      list.emplace_back(static_cast<double>(v));
  }
  return Json(std::move(list));
}

}  // namespace

Result<GoldenRows> parse_golden(std::string_view text) {
  std::optional<GoldenRows> golden;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty()) continue;
    if (line.size() > kLineMax) return broken(number, "longer than 1 MiB");
    auto json = wire::parse(line);
    if (!json.ok()) return broken(number, json.error().message);
    if (!golden) {
      golden = TRY(read_header(*json));
      continue;
    }
    if (golden->cells.size() == golden->rows * golden->features)
      return broken(number, "more rows than the " + std::to_string(golden->rows) + " announced");
    TRY(read_row(*json, number, *golden));
  }
  if (!golden) return invalid("golden rows: an empty file");
  const std::size_t found = golden->cells.size() / golden->features;
  if (found != golden->rows)
    return invalid("golden rows: " + std::to_string(found) + " rows, " +
                   std::to_string(golden->rows) + " announced: the file was cut off");
  if (!golden->targets.empty() && golden->targets.size() != golden->rows)
    return invalid("golden rows: a target in some rows only");
  return std::move(*golden);
}

GoldenRows held_out(const GoldenRows& golden) {
  GoldenRows held;
  held.columns = golden.columns;
  held.made_by = golden.made_by;
  held.features = golden.features;
  held.width = golden.width;
  held.margins = golden.margins;
  const auto add = [](std::vector<float>& to, const std::vector<float>& from, std::size_t row,
                      std::size_t width) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(row * width);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  };
  for (std::size_t row = 0; row < golden.targets.size(); ++row) {
    if (std::isnan(golden.targets[row])) continue;
    ++held.rows;
    add(held.cells, golden.cells, row, golden.features);
    add(held.values, golden.values, row, golden.width);
    add(held.margin_values, golden.margin_values, row, golden.margins);
    held.targets.push_back(golden.targets[row]);
  }
  return held;
}

std::size_t different_rows(const GoldenRows& golden, Alike alike) {
  const bool with_target = alike == Alike::kInCellsAndTarget && !golden.targets.empty();
  const std::size_t cells = golden.features * sizeof(float);
  const std::size_t width = cells + (with_target ? sizeof(double) : 0);
  std::string bytes(golden.rows * width, '\0');
  std::unordered_set<std::string_view> seen;
  for (std::size_t row = 0; row < golden.rows; ++row) {
    char* at = bytes.data() + row * width;
    for (std::size_t i = 0; i < golden.features; ++i) {
      const float cell = plain(golden.cells[row * golden.features + i]);
      std::memcpy(at + i * sizeof cell, &cell, sizeof cell);
    }
    if (with_target) {
      const double target = plain(golden.targets[row]);
      std::memcpy(at + cells, &target, sizeof target);
    }
    seen.emplace(at, width);
  }
  return seen.size();
}

std::string too_few_golden(const GoldenRows& golden) {
  if (golden.rows == 0) return "there are no golden rows";
  const std::string found = std::to_string(golden.rows) + " golden rows";
  if (golden.rows < kGoldenRowsMin)
    return found + ", at least " + std::to_string(kGoldenRowsMin) + " are needed";
  const std::size_t different = different_rows(golden, Alike::kInCells);
  if (different >= kGoldenDifferentMin) return {};
  return found + ", but only " + std::to_string(different) + " different " +
         (different == 1 ? "one" : "ones") + ", at least " + std::to_string(kGoldenDifferentMin) +
         " are needed: log golden.jsonl anew with more rows of the data that the model is for "
         "(python -m slipway.golden makes it from a table)";
}

std::string to_text(const GoldenRows& golden) {
  const auto count = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  Json header(Json::Object{{"golden", 1},
                           {"rows", count(golden.rows)},
                           {"features", count(golden.features)},
                           {"width", count(golden.width)},
                           {"margins", count(golden.margins)},
                           {"made_by", golden.made_by}});
  if (!golden.columns.empty())
    header.set("columns", Json(Json::Array(golden.columns.begin(), golden.columns.end())));
  std::string text = wire::dump(header) + "\n";
  const auto part = [](const std::vector<float>& all, std::size_t row, std::size_t width) {
    return numbers(std::span(all).subspan(row * width, width));
  };
  for (std::size_t row = 0; row < golden.rows; ++row) {
    Json line(Json::Object{{"in", part(golden.cells, row, golden.features)},
                           {"out", part(golden.values, row, golden.width)}});
    if (golden.margins > 0) line.set("margin", part(golden.margin_values, row, golden.margins));
    if (!golden.targets.empty()) {
      const double target = golden.targets[row];
      line.set("target", std::isnan(target) ? Json() : Json(target));
    }
    text += wire::dump(line) + "\n";
  }
  return text;
}

}  // namespace slipway::delivery
