#include "app/loop/gate_golden.h"

#include "app/loop/gate_maker.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

constexpr char kNone[] = "there are no golden rows: ";

/// The stage whose attempt registered the version; "" when none did.
Result<std::string> stage_of(db::Tx& tx, const registry::Version& version) {
  const graph::NodeRef node{graph::kind::kModelVersion,
                            version.model + "/" + std::to_string(version.number)};
  for (const graph::Edge& made : TRY(graph::causes_of(tx, node))) {
    if (made.cause.kind != graph::kind::kRun) continue;
    for (const graph::Edge& run : TRY(graph::causes_of(tx, made.cause))) {
      if (run.cause.kind != graph::kind::kAttempt) continue;
      const auto attempt = TRY(graph::find_node(tx, run.cause));
      const wire::Json* stage = attempt ? attempt->attributes.find("stage") : nullptr;
      if (stage != nullptr && stage->is_string()) return stage->as_string();
    }
  }
  return std::string();
}

/// What the helper can be asked by, else a word for it.
std::string uri_of(const registry::Version& version) {
  const bool is_known =
      version.source.starts_with("models:/m-") || version.source.starts_with("runs:/");
  return is_known ? version.source : "MODEL";
}

}  // namespace

Result<std::string> no_golden_words(db::Tx& tx, const registry::Version& version) {
  const std::string number = std::to_string(version.number);
  const std::string stage = TRY(stage_of(tx, version));
  if (stage.empty()) {
    return kNone + ("no stage of dvc.yaml made this version; `python -m slipway.golden " +
                    uri_of(version) + " TABLE` makes some, and `slipway deploy --version " +
                    number + "` asks the gates again");
  }
  // Rows are made once the stage's command has ended well.
  const std::string fault = TRY(making_of(tx, version.model, version.number, 0, 0)).fault;
  if (!fault.empty()) return kNone + ("none are made when " + fault);
  return kNone + ("no table among what stage '" + stage +
                  "' depends on gave any (it printed why); name one there in dvc.yaml, meta: "
                  "{slipway: {golden: {table: PATH, target: COLUMN}}}, and run `slipway repro "
                  "--force " +
                  stage + "`");
}

}  // namespace slipway::app
