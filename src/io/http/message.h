#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/function.h"
#include "base/result.h"

// Requests and responses as values; no library behind them is visible here.
namespace slipway::http {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
const char* to_string(Method method);

/// Whether two field names are one: ASCII case does not count.
bool same_name(std::string_view a, std::string_view b);

/// Field names compare case-insensitively; order and duplicates are kept.
class Headers {
 public:
  void reserve(std::size_t fields) { fields_.reserve(fields); }
  void clear() { fields_.clear(); }
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  void set(std::string_view name, std::string value);
  /// The first field of that name; empty when there is none (use has() to tell from an empty
  /// value).
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

class Pipe;

/// A body that is pulled piece by piece. One thread at a time, a thread that may wait.
class BodyReader {
 public:
  virtual ~BodyReader() = default;
  /// Up to buffer.size() bytes; 0 at the end. kUnavailable when the peer went away, kInvalid past
  /// the route's limit.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
  /// Puts the next bytes, up to `bytes`, into the empty pipe without copying them through this
  /// program's memory; read() goes on behind them. What is there must not change any more. 0 where
  /// that can't be done with these, and at the end: they are to be read.
  virtual Result<std::size_t> move_to([[maybe_unused]] Pipe& pipe,
                                      [[maybe_unused]] std::size_t bytes) {
    return std::size_t{0};
  }
};

/// Decoded "a=1&b=2" pairs in order. Repeated keys stay repeated.
using Query = std::vector<std::pair<std::string, std::string>>;
Result<Query> parse_query(std::string_view encoded);
/// %XX decoded once; kInvalid for a broken escape.
Result<std::string> percent_decode(std::string_view text);
std::string percent_encode(std::string_view text, std::string_view keep = "");

/// Which things of a kind a caller may see: all but these, or these only.
struct Sight {
  bool all_but = true;
  std::vector<std::string> names = {};
};

/// Who asks: filled before the handler runs. Where nobody is asked who he is, everybody may do
/// everything; `attempt` is set when the request carried the token of a running attempt.
struct Principal {
  std::string name = {};     // "" for an anonymous local caller
  std::string attempt = {};  // id of the attempt whose token was sent, else ""
  std::string scope = {};    // what the token that was sent is good for; "" for everything
  std::string session = {};  // the key of the token or session that was sent, else ""
  /// What a search finds or a write by ids changes, filled by the router's guard; null: everything.
  std::shared_ptr<const Sight> experiments = nullptr, models = nullptr;
};

struct Request {
  Method method = Method::kGet;
  std::string target;  // as sent: "/a%20b?x=1"
  std::string path;    // still encoded, without the query: "/a%20b"
  Query query;
  Headers headers;
  /// Values of the pattern's {names}, each decoded exactly once, in the pattern's order.
  std::vector<std::pair<std::string, std::string>> captures;
  std::string body;                          // whole, unless the route streams
  std::shared_ptr<BodyReader> body_stream;   // set when the route streams
  std::optional<std::uint64_t> body_length;  // as declared by Content-Length
  Principal principal;
  std::string peer;  // the address that it comes from; where a Doorkeeper or the route asks for it
  bool cleared = false;  // the router's guard has permitted this very request already

  /// Precondition: the pattern has {name}.
  const std::string& capture(std::string_view name) const;
  /// The first query value of that key.
  std::optional<std::string> query_value(std::string_view key) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
  /// When set, `body` is ignored and this is sent until it is exhausted: with Content-Length when
  /// `body_length` is known, else chunked.
  std::shared_ptr<BodyReader> body_stream;
  std::optional<std::uint64_t> body_length;

  static Response json(std::string text, int status = 200);
  static Response text(std::string text, int status = 200);
};

}  // namespace slipway::http
