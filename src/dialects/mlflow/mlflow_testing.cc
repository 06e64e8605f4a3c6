#include "dialects/mlflow/mlflow_testing.h"

#include <future>

#include "base/function_testing.h"
#include "base/text.h"
#include "dialects/mlflow/artifacts.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/logged_models.h"
#include "dialects/mlflow/registry.h"
#include "dialects/mlflow/traces.h"
#include "dialects/mlflow/tracking.h"
#include "domain/traces/traces.h"
#include "graph/graph.h"

namespace slipway::mlflow {
namespace {

class Caught final : public http::Reply::Sink {
 public:
  void send(http::Response response) override { promise_.set_value(std::move(response)); }
  http::Response wait() { return promise_.get_future().get(); }

 private:
  std::promise<http::Response> promise_;
};

std::string read_all(http::Response& response) {
  if (response.body_stream == nullptr) return std::move(response.body);
  std::string all;
  char piece[1000];
  while (true) {
    Result<std::size_t> got = response.body_stream->read(piece);
    EXPECT_TRUE(got.ok());
    if (!got.ok() || *got == 0) return all;
    all.append(piece, *got);
  }
}

http::Request request_of(http::Method method, const std::string& target) {
  http::Request request;
  request.method = method;
  request.target = target.starts_with('/') ? target : "/api/2.0/mlflow/" + target;
  const std::size_t query = request.target.find('?');
  request.path = request.target.substr(0, query);
  if (query == std::string::npos) return request;
  Result<http::Query> parsed = http::parse_query(request.target.substr(query + 1));
  EXPECT_TRUE(parsed.ok()) << target;
  if (parsed.ok()) request.query = std::move(*parsed);
  return request;
}

}  // namespace

wire::Json Answered::at(const std::string& path) const {
  const wire::Json* here = &json;
  for (std::string_view key : split(path, '.')) {
    const std::optional<std::int64_t> index = here->is_array() ? to_int64(key) : std::nullopt;
    if (index && static_cast<std::size_t>(*index) < here->as_array().size()) {
      here = &here->as_array()[static_cast<std::size_t>(*index)];
    } else {
      here = here->find(key);
    }
    if (here == nullptr) return {};
  }
  return *here;
}

void ApiOnEachEngine::SetUp() {
  db::OnEachEngine::SetUp();
  if (HasFatalFailure()) return;
  pool_ = open(db::joined({graph::migrations(), tracking::migrations(), registry::migrations(),
                           notify::webhook_migrations(), traces::migrations()}));
  auto tracking = tracking::Tracking::open(*pool_, clock_, {.artifact_root = kArtifactRoot});
  ASSERT_TRUE(tracking.ok()) << tracking.error().message;
  tracking_ = std::move(*tracking);
  registry_ = std::make_unique<registry::Registry>(*pool_, clock_);
  registry_->tell(webhook_witness());
  logged_models_ = std::make_unique<registry::LoggedModels>(*pool_, clock_);
  router_ = std::make_unique<http::Router>(&render_error);
  mount_tracking(*router_, *tracking_);
  mount_registry(*router_, *registry_, *logged_models_, *tracking_);
  mount_logged_models(*router_, *logged_models_, *tracking_);
  mount_artifacts(*router_, *blobs_, *registry_, *logged_models_, *tracking_);
  WebhookOptions hooks;
  hooks.private_allowed = true;
  hooks.post = [this](const std::string& url, const std::string& body,
                      const http::Headers& headers) { return post_webhook_(url, body, headers); };
  mount_traces(*router_, *pool_, *tracking_, clock_);
  mount_webhooks(*router_, *pool_, clock_, std::move(hooks));
}

void ApiOnEachEngine::TearDown() {
  pool_.reset();
}

Answered ApiOnEachEngine::call(http::Method method, const std::string& target,
                               const std::string& body, const http::Headers& headers) {
  http::Request request = request_of(method, target);
  request.headers = headers;
  request.headers.add("Content-Type", "application/json");
  request.body = body;
  return answer(std::move(request));
}

Answered ApiOnEachEngine::stream(http::Method method, const std::string& target,
                                 std::shared_ptr<http::BodyReader> body) {
  http::Request request = request_of(method, target);
  request.body_stream = std::move(body);
  return answer(std::move(request));
}

Answered ApiOnEachEngine::answer(http::Request request) {
  const http::Router::Match match = router_->match(request.method, request.path);
  Answered answered;
  if (match.entry == nullptr) {
    answered.status = match.wrong_method ? 405 : 404;
    return answered;
  }
  request.captures = match.captures;
  auto caught = std::make_shared<Caught>();
  match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
  http::Response response = caught->wait();
  answered.status = response.status;
  answered.headers = response.headers;
  answered.body = read_all(response);
  if (Result<wire::Json> parsed = wire::parse(answered.body); parsed.ok()) {
    answered.json = std::move(*parsed);
  }
  return answered;
}

tracking::RunInfo ApiOnEachEngine::new_run() {
  Result<tracking::Run> run = wait_for<tracking::Run>(
      [&](Done<tracking::Run> done) { tracking_->create_run({}, {}, std::move(done)); });
  EXPECT_TRUE(run.ok()) << run.error().message;
  return run.ok() ? run->info : tracking::RunInfo{};
}

}  // namespace slipway::mlflow
