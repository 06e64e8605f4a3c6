#include "domain/evidence/explain.h"

#include "app/cli/catalogue.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/explain.h"
#include "app/project.h"
#include "domain/data/repository.h"
#include "domain/flows/steps.h"
#include "domain/flows/tracked.h"
#include "graph/kinds.h"
#include "io/git/git.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

/// What the project's .dvc files and dvc.lock say of the data that `subject` names by path or
/// digest.
Result<std::optional<flows::TrackedData>> tracked_data(const std::filesystem::path& folder,
                                                       const std::string& subject) {
  constexpr std::string_view kByDigest = "data:";
  bool is_path = subject.find(':') == std::string::npos;
  if (!is_path && !subject.starts_with(kByDigest)) return std::optional<flows::TrackedData>();
  Result<data::Repository> project = data::Repository::open(folder);
  if (!project.ok()) return std::optional<flows::TrackedData>();
  flows::Steps steps = TRY(flows::Steps::load(*project, folder));
  return is_path ? flows::tracked_at(steps, project->root(), folder / subject)
                 : flows::tracked_as(steps, project->root(), subject.substr(kByDigest.size()));
}

/// The commit that has `file` as it is; "" when there is none.
std::string commit_of(const std::filesystem::path& root, const std::string& file) {
  Result<git::Outcome> changed =
      git::run(root, {"--literal-pathspecs", "status", "--porcelain", "--", file});
  Result<git::Outcome> log =
      git::run(root, {"--literal-pathspecs", "log", "-1", "--format=%H", "--", file});
  bool is_kept = changed.ok() && changed->status == 0 && changed->out.empty() && log.ok() &&
                 log->status == 0 && log->out.size() > 12;
  return is_kept ? log->out.substr(0, 12) : "";
}

/// Data that nobody is known to have made come from where they are recorded.
void tell_record(graph::Node& data, const flows::TrackedData& record,
                 const std::filesystem::path& folder) {
  if (!data.attributes.is_object()) data.attributes = wire::Json(wire::Json::Object());
  if (record.version.size) data.attributes.set("size", *record.version.size);
  if (record.version.nfiles) data.attributes.set("nfiles", *record.version.nfiles);
  data.attributes.set("tracked_by", record.by);
  std::string commit = commit_of(project_root(folder), record.by);
  if (!commit.empty()) data.attributes.set("tracked_in", commit);
}

/// Of a piece of data that the project in `folder` may track.
Result<Explained> explain_here(db::Pool& pool, const std::filesystem::path& state,
                               const std::string& subject, graph::Direction direction,
                               const std::filesystem::path& folder) {
  std::optional<flows::TrackedData> record;
  if (!is_prediction_id(subject)) record = TRY(tracked_data(folder, subject));
  if (!record) return explain(pool, state, subject, direction);
  const graph::NodeRef ref{graph::kind::kData, record->version.md5};
  Result<Explained> found = explain(pool, state, "data:" + ref.id, direction);
  if (!found.ok() && found.error().code != Code::kMissing) return found;
  graph::Closure closure = found.ok() ? std::move(found->closure) : graph::Closure();
  if (closure.nodes.empty()) closure.nodes.push_back({ref, wire::Json(wire::Json::Object()), 0});
  if (closure.edges.empty() && direction == graph::Direction::kToCauses)
    tell_record(closure.nodes.front(), *record, folder);
  return Explained{std::move(closure), {}};
}

/// What the project here tracks is known elsewhere by its digest.
std::optional<int> explain_elsewhere(const Arguments& arguments, const Surroundings& surroundings) {
  std::string subject = arguments.positional.front();
  if (!is_prediction_id(subject)) {
    const auto record = tracked_data(surroundings.folder, subject);
    if (record.ok() && *record) subject = "data:" + (*record)->version.md5;
  }
  const char* direction = arguments.on("effects") ? "effects" : "causes";
  return print_from_elsewhere(
      surroundings, with_query("/explain", {{"subject", subject}, {"direction", direction}}));
}

}  // namespace

std::vector<Flag> explain_flags() {
  std::vector<Flag> flags = catalogue_flags();
  flags.insert(flags.begin(),
               {"--effects", "", "what came from it, instead of what it comes from"});
  return flags;
}

int run_explain(const Arguments& arguments, const Surroundings& surroundings) {
  const std::optional<int> elsewhere = explain_elsewhere(arguments, surroundings);
  if (elsewhere) return *elsewhere;
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  auto direction =
      arguments.on("effects") ? graph::Direction::kToEffects : graph::Direction::kToCauses;
  Result<Explained> explained =
      explain_here(**pool, state_folder(arguments, surroundings), arguments.positional.front(),
                   direction, surroundings.folder);
  if (!explained.ok()) return report(explained.error(), surroundings);
  if (surroundings.json) {
    surroundings.out << wire::dump(evidence::to_json(explained->closure),
                                   {.non_finite_as_string = true})
                     << "\n";
  } else {
    surroundings.out << to_text(*explained, direction);
  }
  return kDone;
}

}  // namespace slipway::app
