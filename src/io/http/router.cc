#include "io/http/router.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <unordered_map>

#include "base/text.h"
#include "io/http/tags.h"
#include "io/wire/json.h"

namespace slipway::http {
namespace {

constexpr std::size_t kSegmentsMax = 24;  // of a pattern
constexpr std::size_t kMethods = 7;

constexpr std::size_t slot(Method method) {
  return static_cast<std::size_t>(method);
}

/// "/a//b" as "a", "", "b"; the leading '/' starts the first segment.
struct Segments {
  std::string_view rest;  // without the leading '/'
  bool ended = false;

  explicit Segments(std::string_view path)
      : rest(path.empty() ? path : path.substr(1)), ended(path.empty()) {}

  std::string_view next() {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    ended = slash == std::string_view::npos;
    rest = ended ? std::string_view() : rest.substr(slash + 1);
    return segment;
  }
};

bool is_capture(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool is_rest(std::string_view segment) {
  return is_capture(segment) && segment[segment.size() - 2] == '*';
}

/// Whether `path` lies under `prefix`, by whole segments.
bool lies_under(std::string_view path, std::string_view prefix) {
  if (path.substr(0, prefix.size()) != prefix) return false;
  return prefix.empty() || prefix.back() == '/' || path.size() == prefix.size() ||
         path[prefix.size()] == '/';
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

using ByMethod = std::array<const Router::Entry*, kMethods>;

const Router::Entry* entry_for(const ByMethod& entries, Method method) {
  const Router::Entry* own = entries[slot(method)];
  return own == nullptr && method == Method::kHead ? entries[slot(Method::kGet)] : own;
}

bool any(const ByMethod& entries) {
  return std::any_of(entries.begin(), entries.end(), [](auto* entry) { return entry != nullptr; });
}

}  // namespace

/// A tree of segments. A node knows the routes that end at it, and those that take all the rest.
struct Router::Index {
  struct Node {
    std::unordered_map<std::string, std::unique_ptr<Node>, TextHash, std::equal_to<>> literals;
    std::unique_ptr<Node> capture;
    ByMethod here{};
    ByMethod rest{};
  };
  Node root;

  /// What a walk finds, and what it looks for.
  struct Walk {
    Method method;
    const Entry* found = nullptr;
    bool wrong_method = false;
    std::array<std::string_view, kSegmentsMax> raw{};  // captured, still encoded
    std::size_t captured = 0;

    /// True when the walk is over.
    bool take(const ByMethod& entries) {
      found = entry_for(entries, method);
      if (found != nullptr) return true;
      if (any(entries)) wrong_method = true;
      return false;
    }
  };

  /// Literals first, then a capture, then the rest. Patterns are short, so stepping back stays
  /// cheap.
  static bool walk(const Node& node, Segments segments, Walk& walk_state) {
    if (segments.ended) return walk_state.take(node.here);
    const std::string_view all = segments.rest;
    const std::string_view segment = segments.next();
    if (auto literal = node.literals.find(segment); literal != node.literals.end()) {
      if (walk(*literal->second, segments, walk_state)) return true;
    }
    const std::size_t captured = walk_state.captured;
    if (node.capture != nullptr && !segment.empty()) {
      walk_state.raw[walk_state.captured++] = segment;
      if (walk(*node.capture, segments, walk_state)) return true;
      walk_state.captured = captured;
    }
    walk_state.raw[walk_state.captured++] = all;
    if (walk_state.take(node.rest)) return true;
    walk_state.captured = captured;
    return false;
  }

  ByMethod& place(const std::string& pattern, std::vector<std::string>& names) {
    Node* node = &root;
    Segments segments(pattern);
    std::size_t depth = 0;
    while (!segments.ended) {
      const std::string_view segment = segments.next();
      if (++depth >= kSegmentsMax) throw std::logic_error("too many segments: " + pattern);
      if (is_rest(segment)) {
        if (!segments.ended) throw std::logic_error("{name*} must come last: " + pattern);
        names.emplace_back(segment.substr(1, segment.size() - 3));
        return node->rest;
      }
      std::unique_ptr<Node>* next = &node->capture;
      if (is_capture(segment))
        names.emplace_back(segment.substr(1, segment.size() - 2));
      else
        next = &node->literals[std::string(segment)];
      if (*next == nullptr) *next = std::make_unique<Node>();
      node = next->get();
    }
    return node->here;
  }
};

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    Reply old(std::move(*this));  // answers 500 if it was never finished
    sink_ = std::move(other.sink_);
    render_ = other.render_;
  }
  return *this;
}

Reply::~Reply() {
  if (sink_ == nullptr) return;
  sink_->dropped();
  finish(internal("the request was dropped without an answer"));
}

void Reply::finish(Response response) {
  // Finishing twice is our own slip; the first answer has gone out already.
  if (auto sink = std::move(sink_)) sink->send(std::move(response));
}

void Reply::finish(const Error& error) {
  if (sink_ != nullptr) finish(render_(error));
}

void Reply::finish(Result<Response> result) {
  if (result.ok())
    finish(std::move(*result));
  else
    finish(result.error());
}

Router::Router(Reply::RenderError fallback)
    : fallback_errors_(fallback), index_(std::make_shared<Index>()) {}

void Router::Group::add(Route route, Handler handler) {
  Handler guarded = [router = &router_, index = router_.entries_.size(),
                     handler = std::move(handler)](Request& request) -> Result<Response> {
    TRY(router->permit(index, request));
    return handler(request);
  };
  auto late = [guarded](Request request, Reply reply) { reply.finish(guarded(request)); };
  router_.add_entry(prefix_, {std::move(route), errors_, std::move(late), std::move(guarded)});
}

void Router::Group::add_late(Route route, LateHandler handler) {
  LateHandler guarded = [router = &router_, index = router_.entries_.size(),
                         handler = std::move(handler)](Request request, Reply reply) {
    if (Result<> may = router->permit(index, request); !may.ok()) return reply.finish(may.error());
    handler(std::move(request), std::move(reply));
  };
  router_.add_entry(prefix_, {std::move(route), errors_, std::move(guarded), {}});
}

Result<> Router::permit(std::size_t index, Request& request) const {
  if (guard_ == nullptr) return {};
  return guard_->permit(*entries_[index], request);
}

void Router::Group::otherwise(std::function<Response(const Request&, bool)> respond) {
  router_.otherwise_.push_back({prefix_, std::move(respond)});
}

void Router::add_entry(std::string prefix, Entry entry) {
  entry.route.pattern = std::move(prefix) + entry.route.pattern;
  const std::string& pattern = entry.route.pattern;
  if (pattern.empty() || pattern.front() != '/') {
    throw std::logic_error("a pattern starts with '/': " + pattern);
  }
  if (entry.route.streams_body && entry.route.place != Place::kBlocking) {
    throw std::logic_error("a route that streams its body must be blocking: " + pattern);
  }
  const Entry*& slot_of = index_->place(pattern, entry.names)[slot(entry.route.method)];
  if (slot_of != nullptr) {
    throw std::logic_error(std::string("two routes for ") + to_string(entry.route.method) + " " +
                           pattern);
  }
  entry.index = entries_.size();
  entries_.push_back(std::make_unique<Entry>(std::move(entry)));
  slot_of = entries_.back().get();
}

Router::Match Router::match(Method method, std::string_view path) const {
  Index::Walk walk{.method = method};
  Match match;
  if (!Index::walk(index_->root, Segments(path), walk)) {
    match.wrong_method = walk.wrong_method;
    return match;
  }
  match.entry = walk.found;
  match.captures.reserve(walk.captured);
  for (std::size_t i = 0; i < walk.captured; ++i) {
    Result<std::string> value = percent_decode(walk.raw[i]);
    if (!value.ok()) {
      match.bad_escape = true;
      return match;
    }
    match.captures.emplace_back(walk.found->names[i], std::move(*value));
  }
  return match;
}

std::vector<Method> Router::allowed(std::string_view path) const {
  std::array<bool, kMethods> taken{};
  for (std::size_t i = 0; i < kMethods; ++i) {
    Index::Walk walk{.method = static_cast<Method>(i)};
    taken[i] = Index::walk(index_->root, Segments(path), walk);
  }
  std::vector<Method> methods;
  for (std::size_t i = 0; i < kMethods; ++i) {
    if (taken[i]) methods.push_back(static_cast<Method>(i));
  }
  return methods;
}

Response Router::no_match(const Request& request, bool wrong_method) const {
  const Otherwise* nearest_group = nullptr;
  for (const Otherwise& otherwise : otherwise_) {
    if (!lies_under(request.path, otherwise.prefix)) continue;
    if (nearest_group == nullptr || otherwise.prefix.size() > nearest_group->prefix.size()) {
      nearest_group = &otherwise;
    }
  }
  Response response;
  if (nearest_group != nullptr) {
    response = nearest_group->respond(request, wrong_method);
  } else if (wrong_method) {
    response = fallback_errors_(
        invalid(std::string(to_string(request.method)) + " is not allowed for this path"));
    response.status = 405;
  } else {
    response = fallback_errors_(missing("nothing is at the path " + request.path.substr(0, 200)));
  }
  if (!wrong_method || response.headers.has("Allow")) return response;

  std::vector<std::string> names;
  for (const Method method : allowed(request.path)) names.emplace_back(to_string(method));
  response.headers.set("Allow", join(names, ", "));
  return response;
}

std::vector<const Router::Entry*> Router::entries() const {
  std::vector<const Entry*> all;
  all.reserve(entries_.size());
  for (const auto& entry : entries_) all.push_back(entry.get());
  return all;
}

Response render_plain_error(const Error& error) {
  std::string body = "{\"error\": ";
  wire::append_quoted(body, error.message);
  body += "}";
  const int status = error.tag == kSlowSender ? 408 : status_of(error.code);
  return Response::json(std::move(body), status);
}

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 400;
    case Code::kMissing:
      return 404;
    case Code::kConflict:
      return 409;
    case Code::kDenied:
      return 403;
    case Code::kBusy:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kInternal:
      return 500;
  }
  return 500;
}

}  // namespace slipway::http
