#include "app/cli/catalogue.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/report_api.h"
#include "app/score_api.h"
#include "io/http/message.h"

namespace slipway::app {
namespace {

int run_report(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string since = flag(arguments, "since"), observe = flag(arguments, "observe");
  const Result<ReportSpan> span = report_span(since, observe);
  if (!span.ok()) return report(span.error(), surroundings);
  const auto elsewhere = print_from_elsewhere(
      surroundings, with_query("/report", {{"since", since}, {"observe", observe}}));
  if (elsewhere) return *elsewhere;
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  const auto made = (*pool)->read([&](db::Tx& tx) { return delivery_report(tx, *span); });
  if (!made.ok()) return report(made.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(evidence::to_json(*made)) + "\n"
                                         : evidence::to_text(*made));
  return kDone;
}

int run_score(const Arguments& arguments, const Surroundings& surroundings) {
  const auto elsewhere = print_from_elsewhere(
      surroundings, "/models/" + http::percent_encode(arguments.positional.front()) + "/score");
  if (elsewhere) return *elsewhere;
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  const auto score =
      (*pool)->read([&](db::Tx& tx) { return test_score(tx, arguments.positional.front()); });
  if (!score.ok()) return report(score.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(evidence::to_json(*score)) + "\n"
                                         : evidence::to_text(*score));
  return kDone;
}

}  // namespace

std::vector<Command> report_commands() {
  std::vector<Flag> flags = catalogue_flags();
  flags.insert(flags.begin(),
               {{"--since", "SPAN",
                 "from so long before the newest event (90d), or from a date "
                 "on; the whole log without it"},
                {"--observe", "SPAN", "how long after its promotion a version may fail [28d]"}});
  return {{.name = "report",
           .summary = "deployment frequency, lead time, time to restore, change failure rate, and "
                      "the automation level of each model",
           .flags = std::move(flags),
           .examples = {"slipway report", "slipway report --since 90d", "slipway --json report"},
           .run = run_report},
          {.name = "score",
           .summary = "the ML Test Score of a model, from evidence: 28 tests with their links",
           .positional = "MODEL",
           .positional_min = 1,
           .positional_max = 1,
           .positional_help = "a registered model",
           .flags = catalogue_flags(),
           .examples = {"slipway score bikes", "slipway --json score bikes"},
           .run = run_score}};
}

}  // namespace slipway::app
