#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/flows/steps.h"

namespace slipway::flows {

/// What a model is to be asked after the stage that trained it, so that the engine that will serve
/// it can be held to the answers.
struct GoldenWish {
  /// Absolute: tables, folders of tables, and what may be neither. The first table, those of a
  /// folder in the order of their names, that has all columns counts.
  std::vector<std::filesystem::path> places;
  std::string target;  // the column with what came true, of rows that it was not trained on; or ""
  bool operator==(const GoldenWish&) const = default;
};

/// What the stage depends on but for programs and settings, or what `meta.slipway.golden` names
/// instead: a path, `{table: PATH, target: COLUMN}`, or false for none. Nothing when that leaves
/// nothing. kInvalid for another form. Pure.
Result<std::optional<GoldenWish>> golden_wish(const Step& step);

}  // namespace slipway::flows
