#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Where the files of a model version may lie. Decides on texts only.
namespace slipway::registry {

/// Whether `source` is a path of this machine: no scheme, or `file:`.
bool is_local_source(std::string_view source);

/// kInvalid when a version must not be made from `source`: a local path outside `artifact_folder`
/// (where the run or logged model that the request names keeps its files; empty when it names
/// none), or a URI whose path, unquoted as often as it can be, holds a NUL, a control character, a
/// backslash or a `..` segment, or is not normalised.
Result<> check_source(std::string_view source, std::string_view artifact_folder);

}  // namespace slipway::registry
