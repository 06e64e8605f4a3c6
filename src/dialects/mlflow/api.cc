#include "dialects/mlflow/api.h"

#include "base/text.h"
#include "dialects/mlflow/errors.h"

namespace slipway::mlflow {

using http::Method;
using http::Permission;
using http::Place;
using http::Reply;
using http::Request;
using http::Route;

namespace {

constexpr std::string_view kWorkspaceHeader = "X-MLFLOW-WORKSPACE";

Result<> check_workspace(const Request& request) {
  if (trim(request.headers.get(kWorkspaceHeader)).empty()) return {};
  return feature_disabled(
      "Workspace APIs are not available: workspaces are not enabled on this server");
}

}  // namespace

Calls::Calls(http::Router& router, const std::string& prefix)
    : group_(router.group(prefix, render_error)) {}

void Calls::add(Route route, http::Handler handler) {
  group_.add(std::move(route),
             [handler = std::move(handler)](Request& request) -> Result<http::Response> {
               TRY(check_workspace(request));
               return handler(request);
             });
}

void Calls::add_late(Route route, http::LateHandler handler) {
  group_.add_late(std::move(route), [handler = std::move(handler)](Request request, Reply reply) {
    if (Result<> may = check_workspace(request); !may.ok()) return reply.finish(may.error());
    handler(std::move(request), std::move(reply));
  });
}

Api::Api(http::Router& router, const std::string& version, const std::string& root)
    : api_(router, "/api/" + version + root), ajax_(router, "/ajax-api/" + version + root) {}

void Api::read(Method method, const std::string& path, Permission permission,
               http::Handler handler) {
  const Route route{method, path, permission, Place::kBlocking, kBodyBytesMax};
  api_.add(route, handler);
  ajax_.add(route, std::move(handler));
}

void Api::write(Method method, const std::string& path, Permission permission, Write write,
                std::uint64_t body_bytes_max) {
  add_write({method, path, permission, Place::kInline, body_bytes_max}, std::move(write));
}
void Api::write_large(Method method, const std::string& path, Permission permission, Write write) {
  add_write({method, path, permission, Place::kBlocking, kLargeBodyBytesMax}, std::move(write));
}

void Api::add_write(const Route& route, Write write) {
  http::LateHandler handler = [write = std::move(write)](Request request, Reply reply) {
    Result<> handed_on = write(request, reply);
    if (!handed_on.ok()) reply.finish(handed_on.error());
  };
  api_.add_late(route, handler);
  ajax_.add_late(route, std::move(handler));
}

http::Response empty_response() {
  return http::Response::json("{}");
}

Done<> then_empty(Reply& reply) {
  return [reply = std::move(reply)](Result<> done) mutable {
    if (!done.ok()) return reply.finish(done.error());
    reply.finish(empty_response());
  };
}

}  // namespace slipway::mlflow
