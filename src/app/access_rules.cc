#include "app/gate.h"
#include "app/sync_api.h"
#include "app/tracked_runs.h"
#include "dialects/hooks/access_rules.h"
#include "dialects/mlflow/access_rules.h"
#include "dialects/oip/access_rules.h"

namespace slipway::app {
namespace {

using access::Rule;
using access::Thing;
using access::Things;
using enum access::Level;
using On = Rule::On;
using What = Thing::What;

Result<Things> deployment(const http::Request& request, access::Level level) {
  return Things{{What::kDeployment, request.capture("name"), level}};
}

Result<Things> model(const http::Request& request, access::Level level) {
  return Things{{What::kModel, request.capture("model"), level}};
}

/// The id of a prediction begins with its deployment's name.
Result<Things> prediction(const http::Request& request, access::Level level) {
  const std::string& id = request.capture("id");
  return Things{{What::kDeployment, id.substr(0, id.rfind('.')), level}};
}

/// Those whose runs are to be changed, by id or by name, as experiment_of() reads it.
Result<Things> experiments(const http::Request& request, access::Level level) {
  const auto body = TRY(wire::decode<ManyRequest>(request.body));
  Things things;
  for (const std::string& text : body.experiments) {
    const bool number = text.find_first_not_of("0123456789") == std::string::npos;
    things.push_back({number ? What::kExperiment : What::kExperimentName, text, level});
  }
  if (things.empty()) things.push_back({What::kEverything, "", level});
  return things;
}

struct Row {
  const char* route;
  On on;
  access::Level level;
  Result<Things> (*things)(const http::Request& request, access::Level level) = nullptr;
};

// What shows or changes the project as a whole asks for that right on everything in it.
constexpr Row kRows[] = {
    {"GET /", On::kNobody, kNone},
    {"GET /assets/{file}", On::kNobody, kNone},
    {"GET /ready", On::kNobody, kNone},
    {"GET /metrics", On::kSomebody, kRead},
    {"GET /api/slipway/v1/server", On::kNobody, kNone},
    {"POST /api/slipway/v1/login", On::kNobody, kNone},
    {"POST /api/slipway/v1/logout", On::kSomebody, kNone},
    {"GET /api/slipway/v1/me", On::kSomebody, kNone},
    {"POST /api/slipway/v1/people/{verb}", On::kSomebody, kManage},
    {"POST /api/slipway/v1/facts", On::kAdmin, kManage},
    {"POST /api/slipway/v1/checks", On::kAdmin, kManage},
    {"GET /api/slipway/v1/explain", On::kEverything, kRead},
    {"GET /api/slipway/v1/report", On::kEverything, kRead},
    {"GET /api/slipway/v1/clock", On::kSomebody, kRead},
    {"POST /api/slipway/v1/clock", On::kAdmin, kManage},
    {"GET /api/slipway/v1/project", On::kEverything, kRead},
    {"GET /api/slipway/v1/project/history", On::kEverything, kRead},
    {"POST /api/slipway/v1/project/plan", On::kEverything, kRead},
    {"POST /api/slipway/v1/project", On::kAdmin, kManage},
    {"GET /api/slipway/v1/features/views", On::kEverything, kRead},
    {"POST /api/slipway/v1/features/lookup", On::kEverything, kRead},
    {"POST /api/slipway/v1/features/materialize", On::kAdmin, kManage},
    {"POST /api/slipway/v1/features/training-sets", On::kAdmin, kManage},
    {"POST /api/slipway/v1/feedback", On::kAsk, kUse},
    {"GET /api/slipway/v1/predictions/{id*}", On::kThings, kRead, prediction},
    {"GET /api/slipway/v1/predictions", On::kEverything, kRead},
    {"GET /api/slipway/v1/answers", On::kEverything, kRead},
    {"GET /api/slipway/v1/models/{model}/score", On::kEverything, kRead},
    {"GET /api/slipway/v1/models/{model}/history", On::kThings, kRead, model},
    {"GET /api/slipway/v1/attempts/{id}/models", On::kEverything, kRead},
    {"GET /api/slipway/v1/deployments", On::kEverything, kRead},
    {"GET /api/slipway/v1/deployments/{name}", On::kThings, kRead, deployment},
    {"POST /api/slipway/v1/deployments/{name}/{action}", On::kThings, kManage, deployment},
    {"GET /api/slipway/v1/models/{model}/waivers", On::kThings, kRead, model},
    {"POST /api/slipway/v1/models/{model}/waivers", On::kThings, kManage, model},
    {"POST /api/slipway/v1/models/{model}/versions/{version}/release", On::kThings, kManage, model},
    {"POST /api/slipway/v1/models/{model}/versions/{version}/approve", On::kThings, kManage, model},
    {"POST /api/slipway/v1/models/{model}/versions/{version}/disapprove", On::kThings, kManage,
     model},
    {"POST /api/slipway/v1/waivers/{id}/revoke", On::kEverything, kManage},
    {"GET /api/slipway/v1/monitors", On::kEverything, kRead},
    {"GET /api/slipway/v1/windows", On::kEverything, kRead},
    {"GET /api/slipway/v1/incidents", On::kEverything, kRead},
    {"GET /api/slipway/v1/incidents/{id}", On::kEverything, kRead},
    {"POST /api/slipway/v1/incidents/{id}/close", On::kEverything, kEdit},
    {"GET /api/slipway/v1/runs", On::kEverything, kRead},
    {"GET /api/slipway/v1/runs/{id}", On::kEverything, kRead},
    {"GET /api/slipway/v1/runs/{id}/why", On::kEverything, kRead},
    {"GET /api/slipway/v1/runs/{id}/log", On::kEverything, kRead},
    // A pipeline's commands run on this machine, as this server.
    {"POST /api/slipway/v1/runs", On::kEverything, kEdit},
    {"POST /api/slipway/v1/runs/{id}/cancel", On::kEverything, kEdit},
    {"POST /api/slipway/v1/tracked-runs/best", On::kSearch, kRead},
    {"POST /api/slipway/v1/tracked-runs/record-best", On::kThings, kEdit, experiments},
    {"POST /api/slipway/v1/tracked-runs/show", On::kSearch, kRead},
    {"POST /api/slipway/v1/tracked-runs/columns", On::kSearch, kRead},
    {"POST /api/slipway/v1/tracked-runs/export", On::kSearch, kRead},
    {"POST /api/slipway/v1/tracked-runs/delete", On::kThings, kManage, experiments},
    {"POST /api/slipway/v1/tracked-runs/restore", On::kThings, kManage, experiments},
    {"POST /api/slipway/v1/sync/runs", On::kThings, kEdit, sync_run_things},
    {"POST /api/slipway/v1/sync/points", On::kThings, kEdit, sync_points_things},
    {"POST /api/slipway/v1/sync/logged-models", On::kThings, kEdit, sync_model_things},
    {"POST /api/slipway/v1/sync/files", On::kThings, kEdit, sync_files_things},
    {"POST /api/slipway/v1/tracked-runs/gc", On::kAdmin, kManage},
    {"POST /api/slipway/v1/tracked-runs/gc/work", On::kAdmin, kManage},
    {"GET /api/slipway/v1/events", On::kEverything, kRead},
    {"GET /api/slipway/v1/triggers", On::kEverything, kRead},
    {"GET /api/slipway/v1/triggers/decisions", On::kEverything, kRead},
    {"GET /api/slipway/v1/triggers/sources", On::kEverything, kRead},
    {"POST /api/slipway/v1/triggers/look", On::kEverything, kEdit},
};

void append(access::Rules& rules, access::Rules more) {
  for (Rule& rule : more) rules.push_back(std::move(rule));
}

}  // namespace

access::Rules all_access_rules() {
  access::Rules rules;
  for (const Row& row : kRows) rules.push_back({row.route, row.on, row.level, row.things});
  append(rules, mlflow::access_rules());
  append(rules, oip::access_rules());
  append(rules, hooks::access_rules());
  return rules;
}

}  // namespace slipway::app
