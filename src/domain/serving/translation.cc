#include "domain/serving/translation.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace slipway::serving {

std::vector<std::string> column_names_of(const LoadedVersion& version) {
  const auto& traits = version.engine->traits();
  if (!traits.feature_names.empty()) return traits.feature_names;
  std::vector<std::string> names;
  const auto& schema = version.mlmodel.inputs;
  if (!schema || !schema->named() || schema->columns.size() != traits.features) return names;
  for (const engine::Column& column : schema->columns) names.push_back(column.name);
  return names;
}

Translation::Translation(const LoadedVersion& from, const LoadedVersion& to)
    : width_(from.engine->traits().features) {
  const std::vector<std::string> names = column_names_of(from), wanted = column_names_of(to);
  const bool are_as_many = width_ == to.engine->traits().features;
  is_same_ = are_as_many && (names.empty() || wanted.empty() || names == wanted);
  is_possible_ = is_same_;
  if (is_same_ || names.empty() || wanted.empty()) return;
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t i = 0; i < names.size(); ++i) place.emplace(names[i], i);
  for (const std::string& name : wanted) {
    const auto found = place.find(name);
    if (found == place.end()) return;
    places_.push_back(found->second);
  }
  is_possible_ = true;
}

std::vector<float> Translation::cells(std::span<const float> cells, std::size_t rows) const {
  if (is_same_) return {cells.begin(), cells.end()};
  std::vector<float> translated;
  translated.reserve(rows * places_.size());
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t place : places_) translated.push_back(cells[row * width_ + place]);
  return translated;
}

std::vector<bool> Translation::flags(const std::vector<bool>& flags) const {
  if (is_same_ || flags.size() != width_) return flags;
  std::vector<bool> translated;
  for (std::size_t place : places_) translated.push_back(flags[place]);
  return translated;
}

}  // namespace slipway::serving
