#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/features/lookup.h"
#include "domain/serving/prediction_record.h"
#include "domain/serving/serving.h"

// Requests that carry only the keys of an entity: the cells are filled up with what the online
// store knows of it. Any thread.
namespace slipway::serving {

/// A column as the caller sent it, a text for each row as features::parse_value reads it; "" is
/// null.
struct SentColumn {
  std::string name;
  std::vector<std::string> texts;
};

/// Whether those names ask for a look-up: they have every key of the view, and not every column of
/// the version.
bool asks_for_features(const features::View& view, const LoadedVersion& version,
                       std::span<const std::string_view> sent);

struct Enriched {
  std::vector<float> cells;     // row by row, as the version's columns
  std::vector<bool> looked_up;  // by column
  std::shared_ptr<const LookedUp> entity;
};
/// As of `at_ms`. Entities that nothing is known of, and nulls, are missing cells. kInvalid, tag
/// "bad_request", for keys that are none, columns that are neither sent nor looked up, that are
/// both, or that nobody asked for; kInternal for a feature that is no number.
Result<Enriched> enrich(const features::Lookup& lookup, const LoadedVersion& version,
                        std::span<const SentColumn> sent, std::size_t rows, UnixMs at_ms);

}  // namespace slipway::serving
