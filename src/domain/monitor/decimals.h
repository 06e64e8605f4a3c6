#pragma once

#include <cstddef>

// The number that a person would write for a logged cell: cells are single precision, tables and
// contracts speak of 0.1 and mean it. It is the decimal with the fewest digits that reads back as
// the cell, as std::to_chars gives it; whole numbers are themselves.
namespace slipway::monitor {

double as_written(float cell);

/// The same of `n` cells at once, many times as fast; `decimals` has room for them.
void as_written(const float* cells, std::size_t n, double* decimals);

}  // namespace slipway::monitor
