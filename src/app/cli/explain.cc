#include "domain/evidence/explain.h"

#include "app/app.h"
#include "app/cli/verbs.h"
#include "app/explain.h"
#include "app/project.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

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

}  // namespace

std::vector<Flag> explain_flags() {
  return {{"--effects", "", "what came from it, instead of what it comes from"},
          {"--state", "DIR", "the state folder (.slipway of this project)"},
          {"--store", "URI", "the catalogue, when it is not in the state folder"}};
}

int run_explain(const Arguments& arguments, const Surroundings& surroundings) {
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  auto direction =
      arguments.on("effects") ? graph::Direction::kToEffects : graph::Direction::kToCauses;
  Result<graph::Closure> closure = explain(**pool, arguments.positional.front(), direction);
  if (!closure.ok()) return report(closure.error(), surroundings);
  if (surroundings.json) {
    surroundings.out << wire::dump(evidence::to_json(*closure)) << "\n";
  } else {
    surroundings.out << evidence::to_tree(*closure, direction);
  }
  return kDone;
}

}  // namespace slipway::app
