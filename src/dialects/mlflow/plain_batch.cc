#include "dialects/mlflow/plain_batch.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <utility>

namespace slipway::mlflow {
namespace {

constexpr std::size_t kBytesMax = 4u << 20;
constexpr std::size_t kMetricBytes = 64;  // of a usual one; room is made by it

/// Of the bytes of a text: neither its end, nor an escape, nor beyond printable ASCII.
constexpr std::array<bool, 256> kIsPlain = [] {
  std::array<bool, 256> is_plain{};
  for (std::size_t c = 0x20; c < 0x7f; ++c) is_plain[c] = c != '"' && c != '\\';
  return is_plain;
}();

/// Whether each member is there once. Names are told apart by their place in a list.
class Seen {
 public:
  bool first(int member) {
    const unsigned bit = 1u << member;
    const bool is_first = (bits_ & bit) == 0;
    bits_ |= bit;
    return is_first;
  }
  bool has(unsigned members) const { return (bits_ & members) == members; }

 private:
  unsigned bits_ = 0;
};

/// Every function reads one thing and says whether it was there, in its plain form. The loops go
/// over the bytes with a pointer of their own: a member would be stored for each of them.
class PlainReader {
 public:
  explicit PlainReader(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool batch(BatchOfRun& out) {
    Seen seen;
    const bool is_read = members([&] {
      if (is_next("\"run_id\"")) return seen.first(0) && text(out.run_id);
      if (is_next("\"metrics\"")) return seen.first(1) && metrics(out.batch.metrics);
      if (is_next("\"params\"")) return seen.first(2) && pairs(out.batch.params);
      if (is_next("\"tags\"")) return seen.first(3) && pairs(out.batch.tags);
      return false;
    });
    skip_blanks();
    return is_read && at_ == end_ && !out.run_id.empty();
  }

 private:
  bool metrics(std::vector<tracking::Metric>& out) {
    out.reserve(static_cast<std::size_t>(end_ - at_) / kMetricBytes);
    return items([&] { return metric(out.emplace_back()); });
  }

  bool metric(tracking::Metric& out) {
    Seen seen;
    const bool is_read = members([&] {
      if (is_next("\"key\"")) return seen.first(0) && text(out.key);
      if (is_next("\"value\"")) return seen.first(1) && number(out.value);
      if (is_next("\"timestamp\"")) return seen.first(2) && whole(out.timestamp_ms);
      if (is_next("\"step\"")) return seen.first(3) && whole(out.step);
      return false;
    });
    return is_read && seen.has(0b0111) && !out.key.empty();
  }

  template <class Pair>
  bool pairs(std::vector<Pair>& out) {
    return items([&] {
      Pair& pair = out.emplace_back();
      Seen seen;
      const bool is_read = members([&] {
        if (is_next("\"key\"")) return seen.first(0) && text(pair.key);
        if (is_next("\"value\"")) return seen.first(1) && text(pair.value);
        return false;
      });
      return is_read && !pair.key.empty();
    });
  }

  /// each() reads a name and its value.
  template <class Each>
  bool members(Each each) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      skip_blanks();
      if (!each()) return false;
    } while (take(','));
    return take('}');
  }

  /// A member's name with its quotation marks, and what follows it.
  template <std::size_t N>
  bool is_next(const char (&name)[N]) {
    if (static_cast<std::size_t>(end_ - at_) < N) return false;
    if (std::memcmp(at_, name, N - 1) != 0) return false;
    const char* before = std::exchange(at_, at_ + N - 1);
    if (take(':')) return true;
    at_ = before;
    return false;
  }

  template <class Each>
  bool items(Each each) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!each()) return false;
    } while (take(','));
    return take(']');
  }

  bool text(std::string& out) {
    std::string_view found;
    if (!plain_text(found)) return false;
    out = found;
    return true;
  }

  bool plain_text(std::string_view& out) {
    if (!take('"')) return false;
    const char* at = at_;
    while (at < end_ && kIsPlain[static_cast<unsigned char>(*at)]) ++at;
    if (at == end_ || *at != '"') return false;
    out = {at_, static_cast<std::size_t>(at - at_)};
    at_ = at + 1;
    return true;
  }

  bool whole(std::int64_t& out) {
    const Number found = number_text();
    return found.is_whole && to_whole(found, out);
  }

  bool number(double& out) {
    const Number found = number_text();
    if (found.text.empty()) return false;
    if (!found.is_whole) return is_read(found.text, out);
    std::int64_t exact = 0;  // "-0" is 0
    if (!to_whole(found, exact)) return false;
    out = static_cast<double>(exact);
    return true;
  }

  /// Empty: what is there is no number of JSON.
  struct Number {
    std::string_view text;
    bool is_whole = false;
    std::uint64_t digits = 0;  // of a whole one; more than 19 of them went round
  };

  static bool to_whole(const Number& found, std::int64_t& out) {
    constexpr std::size_t kExact = 18;
    if (found.text.size() > kExact) return is_read(found.text, out);
    const auto value = static_cast<std::int64_t>(found.digits);
    out = found.text.front() == '-' ? -value : value;
    return true;
  }

  template <class T>
  static bool is_read(std::string_view text, T& out) {
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && stop == end;
  }

  Number number_text() {
    skip_blanks();
    Number found;
    const char* start = at_;
    if (at_ < end_ && *at_ == '-') ++at_;
    const char* first = at_;
    if (!digits(found.digits) || (*first == '0' && at_ - first > 1)) return {};
    found.is_whole = true;
    std::uint64_t ignored = 0;
    if (at_ < end_ && *at_ == '.') {
      found.is_whole = false;
      ++at_;
      if (!digits(ignored)) return {};
    }
    if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
      found.is_whole = false;
      ++at_;
      if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits(ignored)) return {};
    }
    found.text = {start, static_cast<std::size_t>(at_ - start)};
    return found;
  }

  bool digits(std::uint64_t& value) {
    const char* at = at_;
    std::uint64_t read = 0;
    for (; at < end_; ++at) {
      const auto digit = static_cast<unsigned char>(*at - '0');
      if (digit > 9) break;
      read = read * 10 + digit;
    }
    value = read;
    return std::exchange(at_, at) < at;
  }

  void skip_blanks() {
    const char* at = at_;
    while (at < end_ && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
    at_ = at;
  }

  bool take(char wanted) {
    skip_blanks();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  const char* at_;
  const char* end_;
};

}  // namespace

std::optional<BatchOfRun> read_plain_batch(std::string_view body) {
  std::optional<BatchOfRun> read;
  if (body.size() > kBytesMax) return read;
  read.emplace();
  if (!PlainReader(body).batch(*read)) read.reset();
  return read;
}

}  // namespace slipway::mlflow
