#include "app/project_client.h"

#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "app/app.h"
#include "app/project_facts.h"
#include "app/state.h"
#include "domain/project/declared.h"
#include "io/git/git.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

// An owner that has just started holds the lock a moment before it can say where it answers.
constexpr int kAnnounceTries = 200;
constexpr std::chrono::milliseconds kAnnouncePause{50};

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

/// The message of an error body; the whole body of anything else.
std::string message_of(const std::string& body) {
  Result<wire::Json> json = wire::parse(body);
  const wire::Json* error = json.ok() ? json->find("error") : nullptr;
  return error != nullptr && error->is_string() ? error->as_string() : body.substr(0, 500);
}

Result<wire::Json> post(const std::string& url, const std::string& secret,
                        const ProjectRequest& body) {
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = url;
  request.headers.add("Content-Type", "application/json");
  request.headers.add("Authorization", "Bearer " + secret);
  request.body = wire::encode(body);
  http::Response response = TRY(http::fetch(request));
  constexpr int kOk = 200, kBad = 400, kRefused = 409;
  if (response.status == kOk) return wire::parse(response.body);
  std::string message = message_of(response.body);
  if (response.status == kBad) return invalid(message);
  if (response.status == kRefused) return with_tag(conflict(message), "refused");
  return unavailable("the server at " + url + " did not take the project: status " +
                     std::to_string(response.status) + ": " + message);
}

std::string store_of(const ProjectPlace& place) {
  return place.store.empty() ? catalogue_uri(place.state) : place.store;
}

Result<wire::Json> plan_here(const ProjectPlace& place, const ProjectRequest& request) {
  Metrics metrics;
  db::PoolOptions options;
  options.read_only = true;
  Result<std::unique_ptr<db::Pool>> pool =
      db::Pool::open(store_of(place), all_migrations(), metrics, options);
  if (!pool.ok() && pool.error().code == Code::kMissing) return plan_first(request);
  if (!pool.ok()) return pool.error();
  return plan_project(**pool, request, facts_of(place));
}

Result<wire::Json> apply_here(const ProjectPlace& place, const ProjectRequest& request) {
  Metrics metrics;
  SystemClock clock;
  std::unique_ptr<db::Pool> pool = TRY(db::Pool::open(store_of(place), all_migrations(), metrics));
  return apply_project(*pool, clock, request, facts_of(place));
}

}  // namespace

Result<ProjectRequest> gather_project(const std::filesystem::path& root) {
  project::Declared declared = TRY(project::read_declared(root));
  ProjectRequest request;
  request.text = declared.text;
  request.documents = declared.documents;
  request.actor = user_name();
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
  std::error_code ignored;
  if (std::filesystem::exists(place.state, ignored)) {
    StateFolder state = TRY(StateFolder::open(place.state));
    std::optional<Owner> owner = TRY(announced_owner(state));
    if (owner) {
      Result<wire::Json> answer =
          post(owner->url + "/api/slipway/v1/project/plan", TRY(state.secret()), request);
      // An owner that was killed leaves its announcement behind.
      if (answer.ok() || answer.error().code != Code::kUnavailable) return answer;
    }
  }
  return plan_here(place, request);
}

Result<wire::Json> apply_at(const ProjectPlace& place, const ProjectRequest& request) {
  StateFolder state = TRY(StateFolder::open(place.state));
  for (int i = 0; i < kAnnounceTries; ++i) {
    std::optional<Ownership> own = TRY(Ownership::try_take(state));
    if (own) return apply_here(place, request);
    if (std::optional<Owner> owner = TRY(announced_owner(state))) {
      return post(owner->url + "/api/slipway/v1/project", TRY(state.secret()), request);
    }
    std::this_thread::sleep_for(kAnnouncePause);
  }
  return unavailable("another process owns " + place.state.string() +
                     " but does not say where it answers");
}

}  // namespace slipway::app
