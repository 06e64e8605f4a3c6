#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Where the files of a model version may lie, by MLflow's rules. Decides on texts only.
namespace slipway::mlflow {

/// What a request names as the maker of a source: a logged model, else a run.
struct SourceOwner {
  enum class Kind { kRun, kModel };
  Kind kind = Kind::kRun;
  std::string id;        // empty: the request names none
  std::string location;  // of the owner's files; empty: it has none, or is unknown
};

/// Whether `source` is a path of this machine: no scheme, or `file:`.
bool is_local_source(std::string_view source);
/// Whether it can only be judged with its owner's location: a local path, or this server's
/// artifacts.
bool needs_location(std::string_view source);

/// kInvalid, in MLflow's words, when a version must not be made from `source`: a URI that makes the
/// server connect to another host; a path that climbs, once unquoted as often as it can be, or
/// holds a NUL, a control character or a backslash; a local path or an artifact outside of its
/// owner's folder; a run or logged model that is not the owner. A version of a registered model
/// ("models:/NAME/...") passes: the registry resolves it.
Result<> check_source(std::string_view source, const SourceOwner& owner);

}  // namespace slipway::mlflow
