#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "io/http/message.h"

// Which handler answers which request. Built once before the server starts, then read by every
// loop.
namespace slipway::http {

/// What a caller must be allowed to do. There is no default: a Route without one does not compile.
class Permission {
 public:
  enum class Level { kNone, kRead, kWrite, kManage };
  constexpr Permission(std::string_view area, Level level) : area_(area), level_(level) {}
  constexpr std::string_view area() const { return area_; }
  constexpr Level level() const { return level_; }
  constexpr bool operator==(const Permission&) const = default;

 private:
  std::string_view area_;  // "tracking", "registry", "artifacts", "serving", "server"
  Level level_;
};
/// Health, version: whoever can reach the port.
inline constexpr Permission kPublic{"server", Permission::Level::kNone};
constexpr Permission reads(std::string_view area) {
  return {area, Permission::Level::kRead};
}
constexpr Permission writes(std::string_view area) {
  return {area, Permission::Level::kWrite};
}
constexpr Permission manages(std::string_view area) {
  return {area, Permission::Level::kManage};
}

/// The promise of one response. Move-only; finish it once, on any thread, now or later (a durable
/// write is finished by the writer after its commit). One that is dropped unfinished answers 500
/// and is counted.
class Reply {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void send(Response response) = 0;
    /// Comes before the send() of a Reply that was dropped unfinished.
    virtual void dropped() {}
  };
  using RenderError = Response (*)(const Error&);

  Reply(std::shared_ptr<Sink> sink, RenderError render) : sink_(std::move(sink)), render_(render) {}
  Reply(Reply&& other) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;
  ~Reply();

  void finish(Response response);
  void finish(const Error& error);
  void finish(Result<Response> result);

 private:
  std::shared_ptr<Sink> sink_;
  RenderError render_;
};

/// Where a handler runs.
enum class Place {
  kInline,    // on the connection's loop: bounded work in memory, or hands a write to the writer
  kBlocking,  // on the worker pool: SQL reads, files, other programs
};

using Handler = std::function<Result<Response>(Request&)>;
using LateHandler = std::function<void(Request, Reply)>;

struct Route {
  Method method;
  /// "/v2/models/{model}/infer". {name} is one segment, {name*} the rest of the path (at the end
  /// only; may be empty). Captures are percent-decoded exactly once after matching, so an encoded
  /// '/' stays inside its segment. A literal segment beats a capture, whatever the order of add();
  /// {name} never matches an empty segment. GET answers HEAD too.
  std::string pattern;
  Permission permission;
  Place place;
  std::uint64_t body_bytes_max = 64u << 20;
  bool streams_body = false;  // the handler gets Request::body_stream and must be kBlocking
  bool tells_peer = false;    // the handler gets Request::peer
};

/// Routes whose errors are rendered alike. Patterns are literal prefix + Route::pattern.
class Router {
 public:
  /// How errors look where no route matched, or before one is known.
  explicit Router(Reply::RenderError fallback);

  class Group {
   public:
    void add(Route route, Handler handler);
    void add_late(Route route, LateHandler handler);
    /// What is answered under `prefix` when no route matches (404) or the method is wrong (405,
    /// `allow` set).
    void otherwise(std::function<Response(const Request&, bool wrong_method)> respond);

   private:
    friend class Router;
    Group(Router& router, std::string prefix, Reply::RenderError errors)
        : router_(router), prefix_(std::move(prefix)), errors_(errors) {}
    Router& router_;
    std::string prefix_;
    Reply::RenderError errors_;
  };
  Group group(std::string prefix, Reply::RenderError errors) {
    return {*this, std::move(prefix), errors};
  }

  struct Entry {
    Route route;
    Reply::RenderError errors;
    LateHandler run;
    /// Set for add(): what `run` wraps, so that an inline answer needs no Reply.
    Handler answer;
    std::vector<std::string> names = {};  // of the captures, in the pattern's order
    std::size_t index = 0;                // position in entries()
  };
  struct Match {
    const Entry* entry = nullptr;  // null: nothing matched
    std::vector<std::pair<std::string, std::string>> captures;
    bool wrong_method = false;
    bool bad_escape = false;  // a capture held a broken %-escape: 400
  };
  Match match(Method method, std::string_view path) const;
  /// The answer for a request that no route takes.
  Response no_match(const Request& request, bool wrong_method) const;
  Reply::RenderError fallback_errors() const { return fallback_errors_; }

  /// Methods that some route takes at this path, in the enum's order; HEAD comes with GET.
  std::vector<Method> allowed(std::string_view path) const;

  /// Whether the caller of a request may make it. Any thread.
  class Guard {
   public:
    virtual ~Guard() = default;
    /// On a loop, so in memory only. True: permit() may wait, or refuse, so the request goes to a
    /// worker first.
    virtual bool may_wait(const Entry& entry, Request& request) = 0;
    /// Right before the handler runs, on its thread. May narrow the request to what its caller may
    /// see. An error is the answer.
    virtual Result<> permit(const Entry& entry, Request& request) = 0;
  };
  /// Asked from now on for every request, also for those that one handler makes of another's
  /// routes. Once, before anything is served.
  void set_guard(std::shared_ptr<Guard> guard) { guard_ = std::move(guard); }
  Guard* guard() const { return guard_.get(); }

  /// Every route, for the permission table test and the generated reference.
  std::vector<const Entry*> entries() const;

 private:
  struct Otherwise {
    std::string prefix;
    std::function<Response(const Request&, bool)> respond;
  };
  struct Index;  // segments to entries
  void add_entry(std::string prefix, Entry entry);
  Result<> permit(std::size_t index, Request& request) const;

  Reply::RenderError fallback_errors_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<Otherwise> otherwise_;
  std::shared_ptr<Index> index_;
  std::shared_ptr<Guard> guard_;
};

/// {"error": "<message>"} with the status of the code.
Response render_plain_error(const Error& error);
/// 400, 404, 409, 403, 429, 503, 500.
int status_of(Code code);

}  // namespace slipway::http
