#pragma once

#include <functional>
#include <string>
#include <utility>

#include "base/function.h"
#include "base/result.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// Routes that MLflow serves twice, under /api and /ajax-api, and how their answers are made.
namespace slipway::mlflow {

/// Routes of MLflow's below one prefix. A call that names a workspace is refused as by a server
/// that has none: what is meant for one tenant is not done for all.
class Calls {
 public:
  Calls(http::Router& router, const std::string& prefix);
  void add(http::Route route, http::Handler handler);
  void add_late(http::Route route, http::LateHandler handler);

 private:
  http::Router::Group group_;
};

/// Adds routes under /api/VERSION/mlflow and /ajax-api/VERSION/mlflow; VERSION is "2.0" or "3.0".
class Api {
 public:
  Api(http::Router& router, const std::string& version, const std::string& root = "/mlflow");

  /// May wait for the database.
  void read(http::Method method, const std::string& path, http::Permission permission,
            http::Handler handler);
  /// Runs on the connection's loop, checks and decodes the call, and hands `reply` on with a
  /// durable write. When it returns an error nothing was handed on, and the error is the answer.
  using Write = std::function<Result<>(const http::Request& request, http::Reply& reply)>;
  void write(http::Method method, const std::string& path, http::Permission permission, Write write,
             std::uint64_t body_bytes_max = kBodyBytesMax);
  /// The same on a worker, for bodies that take long to decode.
  void write_large(http::Method method, const std::string& path, http::Permission permission,
                   Write write);

  static constexpr std::uint64_t kBodyBytesMax = 8u << 20;
  static constexpr std::uint64_t kLargeBodyBytesMax = 64u << 20;

 private:
  void add_write(const http::Route& route, Write write);
  Calls api_, ajax_;
};

/// The same for functions of one service, which must outlive the router: reads are called as
/// f(service, request), writes as f(service, request, reply).
template <class Service>
class ServiceApi {
 public:
  ServiceApi(Api& api, Service& service) : api_(api), service_(service) {}

  template <class F>
  void read(http::Method method, const std::string& path, http::Permission permission, F answer) {
    api_.read(method, path, permission, [&service = service_, answer](http::Request& request) {
      return answer(service, request);
    });
  }
  template <class F>
  void write(http::Method method, const std::string& path, http::Permission permission, F start,
             std::uint64_t body_bytes_max = Api::kBodyBytesMax) {
    api_.write(method, path, permission, bound(start), body_bytes_max);
  }
  template <class F>
  void write_large(http::Method method, const std::string& path, http::Permission permission,
                   F start) {
    api_.write_large(method, path, permission, bound(start));
  }

 private:
  template <class F>
  Api::Write bound(F start) {
    return [&service = service_, start](const http::Request& request, http::Reply& reply) {
      return start(service, request, reply);
    };
  }

  Api& api_;
  Service& service_;
};

template <class T>
http::Response to_response(const T& message) {
  return http::Response::json(wire::encode(message, {.ascii = true}));
}
http::Response empty_response();

/// Finishes the reply with {} when the write is durable, or with its error.
Done<> then_empty(http::Reply& reply);
/// The same with what `make` makes of the result.
template <class T, class Make>
Done<T> then_answer(http::Reply& reply, Make make) {
  return [reply = std::move(reply), make = std::move(make)](Result<T> done) mutable {
    if (!done.ok()) return reply.finish(done.error());
    reply.finish(make(std::move(*done)));
  };
}

}  // namespace slipway::mlflow
