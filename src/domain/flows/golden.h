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
  std::vector<std::filesystem::path> tables;  // absolute; the first that has all columns counts
  std::string target;  // the column with what came true, of rows that it was not trained on; or ""
  bool operator==(const GoldenWish&) const = default;
};

/// The tables among what the stage depends on, or what `meta.slipway.golden` names instead: a path,
/// `{table: PATH, target: COLUMN}`, or false for none. Nothing when there is no table. kInvalid for
/// another form. Pure.
Result<std::optional<GoldenWish>> golden_wish(const Step& step);

}  // namespace slipway::flows
