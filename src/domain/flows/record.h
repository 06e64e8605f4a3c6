#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/data/lock_file.h"
#include "domain/data/repository.h"
#include "domain/flows/changes.h"
#include "domain/flows/facts.h"
#include "domain/flows/steps.h"

// What a step is now, in the form that dvc.lock has.
namespace slipway::flows {

/// Command, present dependencies and parameters; outs by path alone. Normalized. kMissing when one
/// is not there: "dependency 'x' does not exist".
Result<data::LockedStage> inputs_now(data::Repository& repository, const Step& step,
                                     ParamsFiles& params, const std::filesystem::path& from);

struct SaveOptions {
  bool store = true;  // outputs go into the cache (false: --no-commit)
  bool relink = true;
  bool remember = true;  // uncached outputs are kept too, so that the run can be restored
  bool missing_allowed = false;
};
/// `locked` with its outs filled in from the workspace, which go into the cache as `options` say.
/// kMissing: "output 'x' does not exist".
Result<> save_outs(data::Repository& repository, const Step& step, data::LockedStage& locked,
                   const SaveOptions& options, const std::filesystem::path& from);

/// The parameters as {file: {key: value}}; null without any, or when one has no form in JSON.
wire::Json params_json(const data::LockedStage& locked);
std::vector<DataFact> data_facts(const Step& step, const std::vector<data::Record>& records,
                                 const std::filesystem::path& root);

}  // namespace slipway::flows
