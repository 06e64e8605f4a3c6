#include "dialects/oip/json_scanner.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "base/text.h"

namespace slipway::oip {
namespace {

constexpr double kPowersOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kPowersMax = 22;
constexpr std::uint64_t kExactMax = std::uint64_t{1} << 53;
constexpr std::size_t kNumberBytesMax = 1024;

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
  }
  out += static_cast<char>(0x80 | (point & 0x3F));
}

/// Four hex digits; nothing when they are not.
bool read_hex(const char*& at, const char* end, std::uint32_t& value) {
  if (end - at < 4) return false;
  value = 0;
  const auto [stop, error] = std::from_chars(at, at + 4, value, 16);
  if (error != std::errc() || stop != at + 4) return false;
  at += 4;
  return true;
}

/// What follows a backslash.
bool read_escape(const char*& at, const char* end, std::string& out) {
  if (at == end) return false;
  const char kind = *at++;
  switch (kind) {
    case '"':
    case '\\':
    case '/':
      out += kind;
      return true;
    case 'b':
      out += '\b';
      return true;
    case 'f':
      out += '\f';
      return true;
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  std::uint32_t point = 0, low = 0;
  if (!read_hex(at, end, point)) return false;
  if (point >= 0xD800 && point <= 0xDFFF) {
    if (point > 0xDBFF || end - at < 2 || at[0] != '\\' || at[1] != 'u') return false;
    at += 2;
    if (!read_hex(at, end, low) || low < 0xDC00 || low > 0xDFFF) return false;
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(out, point);
  return true;
}

}  // namespace

Error JsonScanner::wrong(std::string_view what) const {
  return invalid("failed to parse the request JSON buffer: " + std::string(what) + " at " +
                 std::to_string(at_ - begin_));
}

Result<> JsonScanner::expect(char wanted) {
  if (take(wanted)) return {};
  if (at_ == end_) return wrong("unexpected end");
  const char message[] = {'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', ' ', '\'', wanted, '\''};
  return wrong({message, sizeof(message)});
}

Result<> JsonScanner::enter(char opening) {
  TRY(expect(opening));
  if (++depth_ > depth_max_) return wrong("nesting is too deep");
  return {};
}

Result<> JsonScanner::text(std::string& out) {
  TRY(expect('"'));
  out.clear();
  bool ascii = true;
  for (;;) {
    const char* start = at_;
    while (at_ < end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20) {
      ascii = ascii && static_cast<unsigned char>(*at_) < 0x80;
      ++at_;
    }
    out.append(start, at_);
    if (at_ == end_) return wrong("missing a closing quotation mark");
    if (*at_ == '"') break;
    if (*at_ != '\\') return wrong("control character in a string");
    ++at_;
    if (!read_escape(at_, end_, out)) return wrong("invalid escape in a string");
  }
  ++at_;
  if (!ascii && !is_valid_utf8(out)) return wrong("invalid UTF-8 in a string");
  return {};
}

Result<double> JsonScanner::number() {
  peek();
  const char* start = at_;
  const bool negative = at_ < end_ && *at_ == '-';
  if (negative) ++at_;
  const char* digits = at_;
  std::uint64_t mantissa = 0;
  while (at_ < end_ && is_digit(*at_))
    mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_++ - '0');
  std::ptrdiff_t count = at_ - digits;
  if (count == 0 || (count > 1 && *digits == '0')) return slow_number(start);
  int exponent = 0;
  if (at_ < end_ && *at_ == '.') {
    const char* fraction = ++at_;
    while (at_ < end_ && is_digit(*at_))
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    if (at_ == fraction || at_ - fraction > kPowersMax) return slow_number(start);
    exponent = -static_cast<int>(at_ - fraction);
    count += at_ - fraction;
  }
  if (count > 18 || mantissa > kExactMax || (at_ < end_ && (*at_ == 'e' || *at_ == 'E')))
    return slow_number(start);
  // Both are exact doubles, so that one division rounds correctly.
  const double value = static_cast<double>(mantissa) / kPowersOfTen[-exponent];
  return negative ? -value : value;
}

Result<double> JsonScanner::slow_number(const char* start) {
  at_ = start;
  const std::string_view word = token();
  if (word == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (word == "Infinity") return std::numeric_limits<double>::infinity();
  if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
  const std::string_view digits = word.substr(!word.empty() && word[0] == '-' ? 1 : 0);
  const bool well_formed = !digits.empty() && is_digit(digits[0]) &&
                           !(digits.size() > 1 && digits[0] == '0' && is_digit(digits[1])) &&
                           is_digit(word.back());
  const auto point = digits.find('.');
  if (!well_formed || (point != std::string_view::npos && !is_digit(digits[point + 1]))) {
    at_ = start;
    return wrong("invalid value");
  }
  double value = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (stop != word.data() + word.size()) return wrong("invalid value");
  if (error == std::errc()) return value;
  // Out of range: too small is zero, too large is refused.
  if (word.size() > kNumberBytesMax) return wrong("number too long");
  value = std::strtod(std::string(word).c_str(), nullptr);
  if (std::isinf(value)) return wrong("number too big to be stored in double");
  return value;
}

std::string_view JsonScanner::token() {
  peek();
  const char* start = at_;
  while (at_ < end_ &&
         (is_digit(*at_) || (*at_ >= 'a' && *at_ <= 'z') || (*at_ >= 'A' && *at_ <= 'Z') ||
          *at_ == '-' || *at_ == '+' || *at_ == '.')) {
    ++at_;
  }
  return {start, static_cast<std::size_t>(at_ - start)};
}

Result<> JsonScanner::skip() {
  const char next = peek();
  if (next == '{') return object([&](std::string_view) { return skip(); });
  if (next == '[') return array([&] { return skip(); });
  if (next == '"') {
    std::string ignored;
    return text(ignored);
  }
  if (next == 't' || next == 'f' || next == 'n') {
    const std::string_view word = token();
    if (word == "true" || word == "false" || word == "null") return {};
    return wrong("invalid value");
  }
  TRY(number());
  return {};
}

Result<std::string_view> JsonScanner::span() {
  peek();
  const char* start = at_;
  TRY(skip());
  return std::string_view(start, static_cast<std::size_t>(at_ - start));
}

Result<> JsonScanner::end() {
  if (peek() != '\0' || at_ != end_)
    return wrong("the document root must not be followed by other values");
  return {};
}

}  // namespace slipway::oip
