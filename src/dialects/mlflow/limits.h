#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/result.h"

// What MLflow takes for a name, a value, a location; the bounds are in characters, not bytes. Pure.
// Errors are kInvalid in MLflow's words; `path` says where the value stood in the call ("key",
// "metrics[3].name").
namespace slipway::mlflow {

inline constexpr std::size_t kKeyMax = 250;
inline constexpr std::size_t kParamValueMax = 6000;  // longer ones are cut
inline constexpr std::size_t kTagValueMax = 8000;    // set on a run; longer ones are cut
inline constexpr std::size_t kExperimentTagValueMax = 20'000;
inline constexpr std::size_t kExperimentNameMax = 500;
inline constexpr std::size_t kArtifactLocationMax = 2048;
inline constexpr std::size_t kMetricsMax = 1000;  // of one batch
inline constexpr std::size_t kParamsMax = 100;
inline constexpr std::size_t kTagsMax = 100;
inline constexpr std::size_t kEntitiesMax = 1000;  // of the three together

/// Letters and digits of any script, and /_.-: and blanks; as a path it must not lead anywhere
/// else.
Result<> check_name(std::string_view name, std::string_view path);
/// "'NAME' exceeds the maximum length of N characters".
Result<> check_length(std::string_view value, std::size_t max, std::string_view name);
/// Cuts what is too long, between two characters.
void truncate(std::string& value, std::size_t max);
/// kInvalid when a key comes twice among `what`: none of its values is the right one.
template <class Pairs>
Result<> check_distinct_keys(const Pairs& pairs, std::string_view what) {
  std::unordered_set<std::string_view> seen;
  for (const auto& pair : pairs) {
    if (seen.insert(pair.key).second) continue;
    return Error{Code::kInvalid,
                 "The " + std::string(what) + " have the key '" + pair.key.substr(0, 250) +
                     "' more than once.",
                 "bad_request"};
  }
  return {};
}
/// "A batch logging request can contain at most N WHAT..."
Result<> check_batch_size(std::size_t count, std::size_t max, std::string_view what);

Result<> check_run_id(std::string_view run_id);
/// A decimal number.
Result<std::int64_t> to_experiment_id(std::string_view text);
/// No scheme that makes this server connect to the host that the location names.
Result<> check_names_no_host(std::string_view location, std::string_view parameter);
/// No fragment, no parameters, no way up, no scheme that makes this server connect to a host.
Result<> check_artifact_location(std::string_view location);

/// As Python's posixpath.normpath: "a//b/../c" is "a/c".
std::string normal_path(std::string_view path);

}  // namespace slipway::mlflow
