#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>

#include "base/text.h"
#include "domain/delivery/gates.h"

namespace slipway::delivery {
namespace {

using wire::Json;

/// Floats in their order as integers, so that neighbours differ by one; both zeros are 0.
std::int64_t ordered(float value) {
  const auto bits = static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(value));
  constexpr std::int64_t kSign = std::int64_t{1} << 31;
  return bits & kSign ? kSign - bits : bits;
}

struct Difference {
  std::int64_t rows = 0;  // with any difference beyond what is allowed
  std::int64_t largest_ulps = 0;
  std::size_t first_row = 0, first_column = 0;  // of `rows`
  float expected = 0, found = 0;
};

/// Compares rows of `width`. Expected values are finite.
Difference compare(const std::vector<float>& expected, const std::vector<float>& found,
                   std::size_t width, std::int64_t ulps_max) {
  Difference d;
  bool row_counted = false;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i % width == 0) row_counted = false;
    const std::int64_t ulps = std::isfinite(found[i])
                                  ? std::abs(ordered(expected[i]) - ordered(found[i]))
                                  : std::int64_t{1} << 32;
    d.largest_ulps = std::max(d.largest_ulps, ulps);
    if (ulps <= ulps_max || row_counted) continue;
    row_counted = true;
    if (d.rows++ > 0) continue;
    d.first_row = i / width;
    d.first_column = i % width;
    d.expected = expected[i];
    d.found = found[i];
  }
  return d;
}

GateVerdict parity(GateStatus status, std::string words, Json evidence) {
  return {kParity, status, std::move(words), std::move(evidence)};
}

Json number(float value) {
  return std::isfinite(value) ? Json(static_cast<double>(value)) : Json(python_repr(value));
}

void add(Json& evidence, const std::string& what, const Difference& d) {
  evidence.set(what + "_rows_different", d.rows);
  evidence.set(what + "_largest_ulps", d.largest_ulps);
  if (d.rows == 0) return;
  evidence.set(what + "_first",
               Json(Json::Object{{"row", static_cast<std::int64_t>(d.first_row)},
                                 {"column", static_cast<std::int64_t>(d.first_column)},
                                 {"expected", number(d.expected)},
                                 {"found", number(d.found)}}));
}

std::string in_words(const char* what, const Difference& d, std::size_t rows) {
  return std::to_string(d.rows) + " of " + std::to_string(rows) + " rows have another " + what +
         " here than where it was trained: row " + std::to_string(d.first_row + 1) + " gives " +
         python_repr(d.found) + " instead of " + python_repr(d.expected);
}

std::size_t first_not_finite(const std::vector<float>& values) {
  const auto found =
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  return static_cast<std::size_t>(found - values.begin());
}

/// The order of the golden cells for the model; empty: as they are. Nothing when they don't fit.
std::optional<std::vector<std::size_t>> order_for(const engine::Model& model,
                                                  const GoldenRows& golden) {
  const std::vector<std::string>& names = model.traits().feature_names;
  if (golden.features != model.traits().features) return std::nullopt;
  if (names.empty() || golden.columns.empty() || names == golden.columns)
    return std::vector<std::size_t>{};
  std::vector<std::size_t> order;
  for (const std::string& name : names) {
    const auto found = std::find(golden.columns.begin(), golden.columns.end(), name);
    if (found == golden.columns.end()) return std::nullopt;
    order.push_back(static_cast<std::size_t>(found - golden.columns.begin()));
  }
  return order;
}

std::vector<float> reordered(const GoldenRows& golden, const std::vector<std::size_t>& order) {
  if (order.empty()) return golden.cells;
  std::vector<float> cells(golden.cells.size());
  for (std::size_t row = 0; row < golden.rows; ++row)
    for (std::size_t i = 0; i < golden.features; ++i)
      cells[row * golden.features + i] = golden.cells[row * golden.features + order[i]];
  return cells;
}

}  // namespace

GateVerdict judge_parity(const GoldenRows& golden, const Replay& replay) {
  Json evidence(
      Json::Object{{"rows", static_cast<std::int64_t>(golden.rows)}, {"made_by", golden.made_by}});
  evidence.set("different_rows",
               static_cast<std::int64_t>(different_rows(golden, Alike::kInCells)));
  if (std::string few = too_few_golden(golden); !few.empty())
    return parity(GateStatus::kNoData, std::move(few), std::move(evidence));
  if (!replay.fault.empty()) return parity(GateStatus::kFail, replay.fault, std::move(evidence));
  if (replay.values.size() != golden.values.size() ||
      replay.margins.size() != golden.margin_values.size())
    return parity(GateStatus::kFail,
                  "it answers another number of values than where it was trained",
                  std::move(evidence));
  for (const auto& [values, width] : {std::pair(&golden.values, golden.width),
                                      std::pair(&golden.margin_values, golden.margins)}) {
    const std::size_t at = first_not_finite(*values);
    if (at < values->size())
      return parity(GateStatus::kFail,
                    "golden row " + std::to_string(at / width + 1) + " has an answer of " +
                        python_repr((*values)[at]) + " where it was trained",
                    std::move(evidence));
  }
  const Difference margins = golden.margins == 0
                                 ? Difference{}
                                 : compare(golden.margin_values, replay.margins, golden.margins, 0);
  const Difference values = compare(golden.values, replay.values, golden.width, 1);
  if (golden.margins > 0) add(evidence, "margin", margins);
  add(evidence, "value", values);
  if (margins.rows > 0)
    return parity(GateStatus::kFail, in_words("margin", margins, golden.rows), std::move(evidence));
  if (values.rows > 0)
    return parity(GateStatus::kFail, in_words("value", values, golden.rows), std::move(evidence));
  return parity(GateStatus::kPass,
                std::to_string(golden.rows) + " golden rows are answered as where it was trained",
                std::move(evidence));
}

Replay replay(const engine::Model& model, const GoldenRows& golden) {
  Replay result;
  const auto order = order_for(model, golden);
  if (!order) {
    result.fault = "the golden rows have " + std::to_string(golden.features) +
                   " cells of other names or number than the model's " +
                   std::to_string(model.traits().features) + " features";
    return result;
  }
  const std::vector<float> cells = reordered(golden, *order);
  result.values.resize(golden.rows * model.traits().width);
  model.values(cells, golden.rows, result.values);
  if (golden.margins == 0 || model.traits().margins == 0) return result;
  result.margins.resize(golden.rows * model.traits().margins);
  model.margins(cells, golden.rows, result.margins);
  return result;
}

std::vector<std::int64_t> time_rows(const engine::Model& model, const GoldenRows& golden,
                                    int repetitions, const std::function<std::int64_t()>& now_ns) {
  std::vector<std::int64_t> times;
  const auto order = order_for(model, golden);
  if (!order || golden.rows == 0) return times;
  const std::vector<float> cells = reordered(golden, *order);
  std::vector<float> out(model.traits().width);
  const int warm_up = repetitions / 10;
  for (int i = -warm_up; i < repetitions; ++i) {
    const auto row = static_cast<std::size_t>(i + warm_up) % golden.rows;
    const std::span<const float> one =
        std::span(cells).subspan(row * golden.features, golden.features);
    const std::int64_t began = now_ns();
    model.values(one, 1, out);
    const std::int64_t took = now_ns() - began;
    if (i >= 0) times.push_back(took);
  }
  return times;
}

}  // namespace slipway::delivery
