#include "dialects/mlflow/api.h"

#include "dialects/mlflow/errors.h"

namespace slipway::mlflow {

using http::Method;
using http::Permission;
using http::Place;
using http::Reply;
using http::Request;
using http::Route;

Api::Api(http::Router& router, const std::string& version, const std::string& root)
    : api_(router.group("/api/" + version + root, render_error)),
      ajax_(router.group("/ajax-api/" + version + root, render_error)) {}

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
