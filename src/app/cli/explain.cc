#include "domain/evidence/explain.h"

#include "app/app.h"
#include "app/cli/verbs.h"
#include "app/project.h"
#include "domain/registry/registry.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

/// "models:/NAME@ALIAS" and its kin become "models:/NAME/VERSION"; anything else stays.
Result<std::string> resolve(db::Pool& pool, const std::string& subject) {
  if (!registry::is_reference(subject)) return subject;
  registry::Reference reference = TRY(registry::parse_reference(subject));
  if (!reference.logged_model_id.empty()) return "model:" + reference.logged_model_id;
  SystemClock clock;
  registry::Registry models(pool, clock);
  registry::Version version = TRY(models.resolve(reference));
  return "models:/" + version.model + "/" + std::to_string(version.number);
}

Result<graph::Closure> look(db::Pool& pool, const std::string& subject,
                            graph::Direction direction) {
  std::string resolved = TRY(resolve(pool, subject));
  graph::NodeRef ref = TRY(evidence::parse_subject(resolved));
  return pool.read([&](db::Tx& tx) { return evidence::explain(tx, ref, direction); });
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
  Result<graph::Closure> closure = look(**pool, arguments.positional.front(), direction);
  if (!closure.ok()) return report(closure.error(), surroundings);
  if (surroundings.json) {
    surroundings.out << wire::dump(evidence::to_json(*closure)) << "\n";
  } else {
    surroundings.out << evidence::to_tree(*closure, direction);
  }
  return kDone;
}

}  // namespace slipway::app
