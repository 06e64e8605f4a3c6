#include "app/cli/catalogue.h"

#include "app/app.h"
#include "app/project.h"

namespace slipway::app {

std::vector<Flag> catalogue_flags() {
  return {{"--state", "DIR", "the state folder (.slipway of this project)"},
          {"--store", "URI", "the catalogue, when it is not in the state folder"}};
}

Result<std::unique_ptr<db::Pool>> open_catalogue(const Arguments& arguments,
                                                 const Surroundings& surroundings,
                                                 Metrics& metrics) {
  auto state = arguments.flags.find("state");
  auto store = arguments.flags.find("store");
  std::filesystem::path folder = state == arguments.flags.end()
                                     ? default_state(surroundings.folder)
                                     : surroundings.folder / state->second;
  std::string uri = store == arguments.flags.end() ? catalogue_uri(folder) : store->second;
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
