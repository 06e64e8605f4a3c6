#include "app/cli/catalogue.h"

#include "app/app.h"
#include "app/catalogue.h"
#include "app/cli/common.h"

namespace slipway::app {

std::vector<Flag> catalogue_flags() {
  return {{"--state", "DIR", "the state folder (.slipway of this project)"},
          {"--store", "URI", "the catalogue, when it is not where this state had it last"}};
}

Result<std::unique_ptr<db::Pool>> open_catalogue(const Arguments& arguments,
                                                 const Surroundings& surroundings,
                                                 Metrics& metrics) {
  const std::filesystem::path folder = state_folder(arguments, surroundings);
  const std::string uri = TRY(catalogue_of(folder, flag(arguments, "store")));
  db::PoolOptions options;
  options.read_only = true;
  Result<std::unique_ptr<db::Pool>> pool = db::Pool::open(uri, all_migrations(), metrics, options);
  if (!pool.ok() && pool.error().code == Code::kMissing) {
    return missing("there is no catalogue at " + folder.string() +
                   " yet: run `slipway repro` or `slipway up` in this project first, or name the "
                   "folder with --state");
  }
  return pool;
}

}  // namespace slipway::app
