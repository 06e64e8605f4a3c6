#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "domain/project/plan.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// What is done with a project file: shown, planned, applied. Over HTTP by whoever runs beside the
// owner of the state folder, or on a pool of one's own. Any thread; waits for the database.
namespace slipway::app {

/// A project file with what it names, as a command read it from a repository.
struct ProjectRequest {
  std::string text;
  std::map<std::string, std::string> documents;
  std::string commit;
  bool dirty = false;
  std::string actor;                            // who asks
  std::optional<project::Workspace> workspace;  // what lies beside the file
};
WIRE(ProjectRequest, text, documents, commit, dirty, actor, workspace)

/// What was measured of the deployments of a file.
using ProjectFacts = std::function<Result<project::Facts>(const project::ProjectFile&)>;

/// What applying would do; with the member "text" for people.
Result<wire::Json> plan_project(db::Pool& pool, const ProjectRequest& request,
                                const ProjectFacts& facts);
/// The same where nothing was applied and nothing measured.
Result<wire::Json> plan_first(const ProjectRequest& request);
/// The same, done: {"changed", "number", "digest", "event_seq", "plan"}. kConflict with tag
/// "refused", and the refusals as message, when the plan has any; nothing is written then.
Result<wire::Json> apply_project(db::Pool& pool, const Clock& clock, const ProjectRequest& request,
                                 const ProjectFacts& facts);
/// The applied project: its texts, objects and bindings. kMissing before the first apply.
Result<wire::Json> show_project(db::Pool& pool);

/// Under /api/slipway/v1: GET /project, GET /project/history?limit=, POST /project/plan and POST
/// /project, which takes only what a command sends that can read the state folder; `applied` is
/// called once it holds, before the answer.
void mount_project(http::Router& router, db::Pool& pool, const Clock& clock, ProjectFacts facts,
                   std::function<void()> applied);

}  // namespace slipway::app
