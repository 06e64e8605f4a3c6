#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dialects/mlflow_store/store.h"

// What a thing was at its source when it came, part by part: kept beside it, so that a later
// reading tells what was changed there since. Of what is read, before anything is left out. Pure.
namespace slipway::mlflow_store {

/// Digests by the part's name, as people read it: "its params".
class Print {
 public:
  void set(std::string_view part, std::string digest) {
    parts_[std::string(part)] = std::move(digest);
  }
  /// As a catalogue keeps it; never empty.
  std::string text() const;
  /// Nothing that is known for a text that is no print.
  static Print of_text(std::string_view text);
  /// Names of the parts that differ.
  std::vector<std::string> changes_since(const Print& before) const;

 private:
  std::map<std::string, std::string> parts_;
};

Print print_of(const tracking::Experiment& experiment);
/// Without its points.
Print print_of(const tracking::AdoptedRun& run);
Print print_of(const registry::LoggedModel& model);
Print print_of(const Store::RegisteredModel& model);

/// Of points, in whatever order they come.
class PointsPrint {
 public:
  void add(std::string_view key, const tracking::Metric& point);
  std::string text() const;  // "12 points, 0123456789abcdef"

 private:
  std::string key_;
  std::uint64_t of_key_ = 0;
  std::uint64_t sum_ = 0;
  std::int64_t points_ = 0;
};
inline constexpr std::string_view kPointsPart = "points of its metrics";

}  // namespace slipway::mlflow_store
