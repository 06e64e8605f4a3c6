#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Golden rows: what a model answered where it was trained, kept with the version so that the engine
// that will serve it can be held to it. docs/formats/golden-rows.md.
namespace slipway::delivery {

/// Where it lies in the version's folder.
inline constexpr char kGoldenFile[] = "golden.jsonl";
/// Fewer prove nothing; nor do copies of a few: gaps and extremes may repeat, the half may not.
inline constexpr std::size_t kGoldenRowsMin = 256, kGoldenDifferentMin = 128;

struct GoldenRows {
  std::vector<std::string> columns;  // in the order of the cells; empty: the model has no names
  std::string made_by;               // "xgboost 3.2.0"
  std::size_t rows = 0, features = 0;
  std::size_t width = 0;             // values per row
  std::size_t margins = 0;           // per row; 0: the trained model has none
  std::vector<float> cells;          // rows x features; NaN: missing
  std::vector<float> values;         // rows x width
  std::vector<float> margin_values;  // rows x margins
  /// Rows, or empty: what came true, of rows that were held out; NaN of the others.
  std::vector<double> targets;
};

/// kInvalid with the number of the line. At most 100,000 rows, 4,096 cells a row, 16 Mi cells in
/// all, 1 MiB a line.
Result<GoldenRows> parse_golden(std::string_view text);
/// The rows that have a target: what quality is measured on.
GoldenRows held_out(const GoldenRows& golden);

enum class Alike { kInCells, kInCellsAndTarget };
/// How many rows there are when those that are alike count once. Missing cells are alike, and so
/// are both zeros.
std::size_t different_rows(const GoldenRows& golden, Alike alike);
/// What keeps the rows from proving anything about the engine, and what helps: too few, or too few
/// different ones. Empty when there are enough.
std::string too_few_golden(const GoldenRows& golden);
/// Precondition: the sizes fit.
std::string to_text(const GoldenRows& rows);

}  // namespace slipway::delivery
