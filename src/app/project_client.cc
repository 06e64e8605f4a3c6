#include "app/project_client.h"

#include <pwd.h>
#include <unistd.h>

#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"
#include "app/project_facts.h"
#include "app/project_judges.h"
#include "app/state.h"
#include "app/workspace.h"
#include "base/text.h"
#include "domain/project/declared.h"
#include "io/git/git.h"

namespace slipway::app {
namespace {

std::string user_name() {
  const passwd* entry = getpwuid(geteuid());
  return entry != nullptr ? entry->pw_name : std::to_string(geteuid());
}

/// The state folder's log is there without a server too.
ProjectFacts facts_of(const ProjectPlace& place) {
  return [state = place.state](const project::ProjectFile& file) {
    return measured_facts(state, file, SystemClock().now_ms());
  };
}

Result<wire::Json> post(const std::string& url, const std::string& secret,
                        const ProjectRequest& body) {
  http::Response response = TRY(post_to_owner(url, secret, wire::encode(body)));
  constexpr int kOk = 200, kBad = 400, kRefused = 409;
  if (response.status == kOk) return wire::parse(response.body);
  std::string message = message_of(response);
  if (response.status == kBad) return invalid(message);
  if (response.status == kRefused) return with_tag(conflict(message), "refused");
  return unavailable("the server at " + url + " did not take the project: status " +
                     std::to_string(response.status) + ": " + message);
}

Result<wire::Json> plan_here(const ProjectPlace& place, const ProjectRequest& request) {
  Metrics metrics;
  db::PoolOptions options;
  options.read_only = true;
  Result<std::unique_ptr<db::Pool>> pool =
      db::Pool::open(TRY(catalogue_of(place.state, place.store)), all_migrations(), metrics, options);
  if (!pool.ok() && pool.error().code == Code::kMissing) return plan_first(request);
  if (!pool.ok()) return pool.error();
  return plan_project(**pool, request, facts_of(place));
}

Result<wire::Json> apply_here(const ProjectPlace& place, const ProjectRequest& request) {
  Metrics metrics;
  SystemClock clock;
  std::unique_ptr<db::Pool> pool = TRY(db::Pool::open(TRY(catalogue_of(place.state, place.store)), all_migrations(), metrics));
  return apply_project(*pool, clock, request, facts_of(place));
}

/// Says that a new state began: the folder may have been meant to be another one.
wire::Json with_beginning(wire::Json answer, const std::filesystem::path& state) {
  const wire::Json* text = answer.find("text");
  answer.set("text", "a new state begins in " + state.string() + "\n" +
                         (text != nullptr && text->is_string() ? text->as_string() : ""));
  answer.set("began", state.string());
  return answer;
}

}  // namespace

Result<ProjectRequest> gather_project(const std::filesystem::path& root) {
  project::Draft draft = TRY(project::read_draft(root));
  const project::Declared& declared = draft.declared;
  project::Workspace workspace = read_workspace(root, declared.file);
  const std::vector<std::string> faults = faults_of(draft, workspace);
  if (!faults.empty()) return invalid(join(faults, "\n"));
  ProjectRequest request;
  request.text = declared.text;
  request.documents = declared.documents;
  request.actor = user_name();
  request.workspace = std::move(workspace);
  std::optional<git::WorkTree> tree = git::WorkTree::find(root);
  if (!tree) return request;
  request.commit = TRY(tree->head()).value_or("");
  std::vector<std::string> status = {"status", "--porcelain", "--", project::kProjectFile};
  for (const auto& [path, text] : declared.documents) status.push_back(path);
  git::Outcome outcome = TRY(git::run(root, status));
  request.dirty = outcome.status != 0 || !outcome.out.empty();
  return request;
}

Result<wire::Json> plan_at(const ProjectPlace& place, const ProjectRequest& request) {
  if (has_state(place.state)) {
    // Without an owner, and beside one that is stopped, the catalogue can be read.
    if (const std::optional<Peer> peer = TRY(owner_to_ask(place.state))) {
      Result<wire::Json> answer =
          post(peer->url + "/api/slipway/v1/project/plan", peer->secret, request);
      if (answer.ok() || !has_ended(*peer, answer.error())) return answer;
    }
  }
  return plan_here(place, request);
}

Result<wire::Json> apply_at(const ProjectPlace& place, const ProjectRequest& request) {
  const bool begins = !has_state(place.state);
  wire::Json answer = TRY(at_owner(
      place.state, [&] { return apply_here(place, request); },
      [&](const std::string& url, const std::string& secret) -> Result<wire::Json> {
        wire::Json done = TRY(post(url + "/api/slipway/v1/project", secret, request));
        done.set("served", true);
        return done;
      }));
  return begins ? with_beginning(std::move(answer), place.state) : answer;
}

}  // namespace slipway::app
