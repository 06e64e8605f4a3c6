#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/cli/command.h"
#include "base/metrics.h"
#include "io/db/db.h"
#include "io/wire/json.h"

namespace slipway::app {

/// --state and --store, of commands that read the catalogue by themselves.
std::vector<Flag> catalogue_flags();

/// The catalogue of this project, or the one that the flags name, for reading: beside a server too.
/// kMissing says how to get one. `metrics` must outlive it.
Result<std::unique_ptr<db::Pool>> open_catalogue(const Arguments& arguments,
                                                 const Surroundings& surroundings,
                                                 Metrics& metrics);

/// What the server elsewhere that SLIPWAY_URL names answers to a GET of /api/slipway/v1`path`; where
/// none is named, `show` of the catalogue of open_catalogue().
Result<wire::Json> look(const Arguments& arguments, const Surroundings& surroundings,
                        const std::string& path,
                        const std::function<Result<wire::Json>(db::Tx&)>& show);

/// Prints what a server elsewhere answers to `path`, in its words or as its JSON; the exit status.
/// Nothing where none is named.
std::optional<int> print_from_elsewhere(const Surroundings& surroundings, const std::string& path);

/// "PATH?a=1&b=2" of the parameters that are not empty, encoded.
std::string with_query(std::string path,
                       const std::vector<std::pair<std::string, std::string>>& query);

}  // namespace slipway::app
