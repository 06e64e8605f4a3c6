#include "app/cli/catalogue.h"

#include "app/app.h"
#include "app/catalogue.h"
#include "app/cli/common.h"
#include "app/owner.h"
#include "io/http/message.h"

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
  if (!pool.ok() && pool.error().code == Code::kMissing && uri == catalogue_uri(folder)) {
    return missing("there is no catalogue at " + folder.string() +
                   " yet: run `slipway repro` or `slipway up` in this project first, or name the "
                   "folder with --state");
  }
  return pool;
}

Result<wire::Json> look(const Arguments& arguments, const Surroundings& surroundings,
                        const std::string& path,
                        const std::function<Result<wire::Json>(db::Tx&)>& show) {
  if (const std::optional<std::string> answer = TRY(ask_elsewhere(path)))
    return wire::parse(*answer);
  Metrics metrics;
  const auto pool = TRY(open_catalogue(arguments, surroundings, metrics));
  return pool->read([&](db::Tx& tx) { return show(tx); });
}

std::optional<int> print_from_elsewhere(const Surroundings& surroundings, const std::string& path) {
  const char joint = path.find('?') == std::string::npos ? '?' : '&';
  const Result<std::optional<std::string>> answer =
      ask_elsewhere(surroundings.json ? path : path + joint + "format=text");
  if (!answer.ok()) return report(answer.error(), surroundings);
  if (!*answer) return std::nullopt;
  surroundings.out << **answer << (surroundings.json ? "\n" : "");
  return kDone;
}

std::string with_query(std::string path,
                       const std::vector<std::pair<std::string, std::string>>& query) {
  char joint = '?';
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    path += joint + name + "=" + http::percent_encode(value);
    joint = '&';
  }
  return path;
}

}  // namespace slipway::app
