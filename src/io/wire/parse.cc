#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"
#include "io/wire/members.h"

// The strict reader of whole values: no recursion, every error with its line and column. It also
// reads what simdjson refuses and Python's json writes (NaN, Infinity, 1e400, integers beyond 64
// bits), so decode falls back to it.
namespace slipway::wire {

namespace {

std::string plural(std::size_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

void append_utf8(std::string& out, std::uint32_t c) {
  auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3f));
    put(0x80 | ((c >> 6) & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

class Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  Result<Json> run();

 private:
  struct Open {
    Json value;       // an array or object
    std::string key;  // of the member being read
  };

  Result<Json> scalar();
  Result<> open(Json container);
  Result<> read_key();
  /// Puts a finished value into the innermost container.
  void add_value(Json value);
  /// What follows a value inside a container: true when the container ended.
  Result<bool> after_value();
  Result<std::string> string();
  Result<> escape(std::string& out);
  Result<std::uint32_t> hex4();
  Result<Json> number();
  Result<Json> word(std::string_view word, Json value);

  void skip_blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool next_is(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool digit() const { return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; }
  std::string found() const;
  Error error_at(std::size_t at, std::string_view message) const;
  Error expected(std::string_view what) const {
    return error_at(at_, "expected " + std::string(what) + ", found " + found());
  }

  std::string_view text_;
  const Limits& limits_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  std::vector<Open> open_;
};

std::string Parser::found() const {
  if (at_ >= text_.size()) return "the end of the text";
  char c = text_[at_];
  if (c >= 0x20 && c < 0x7f) return std::string("'") + c + "'";
  char hex[8];
  auto [end, error] = std::to_chars(hex, hex + sizeof hex, static_cast<unsigned char>(c), 16);
  return "byte 0x" + std::string(hex, end);
}

Error Parser::error_at(std::size_t at, std::string_view message) const {
  std::size_t line = 1, line_start = 0;
  for (std::size_t i = 0; i < at && i < text_.size(); ++i) {
    if (text_[i] != '\n') continue;
    ++line;
    line_start = i + 1;
  }
  return invalid("not valid JSON: line " + std::to_string(line) + ", column " +
                 std::to_string(at - line_start + 1) + ": " + std::string(message));
}

Result<Json> Parser::run() {
  if (text_.size() > limits_.bytes_max) {
    return invalid("the JSON text has " + plural(text_.size(), "byte") + ", the limit is " +
                   std::to_string(limits_.bytes_max));
  }
  for (;;) {  // one value per turn
    skip_blanks();
    if (++values_ > limits_.values_max) {
      return error_at(at_, "more than " + plural(limits_.values_max, "value"));
    }
    Json value;
    if (next_is('[') || next_is('{')) {
      bool array = next_is('[');
      TRY(open(array ? Json(Json::Array{}) : Json(Json::Object{})));
      skip_blanks();
      if (!next_is(array ? ']' : '}')) {
        if (!array) TRY(read_key());
        continue;
      }
      ++at_;
      value = std::move(open_.back().value);
      open_.pop_back();
    } else {
      value = TRY(scalar());
    }
    while (!open_.empty()) {
      add_value(std::move(value));
      if (!TRY(after_value())) break;
      value = std::move(open_.back().value);
      open_.pop_back();
      if (open_.empty()) break;
    }
    if (!open_.empty()) continue;
    skip_blanks();
    if (at_ != text_.size()) return expected("the end of the text");
    return value;
  }
}

Result<> Parser::open(Json container) {
  if (open_.size() >= static_cast<std::size_t>(limits_.depth_max)) {
    return error_at(at_, "nested deeper than " + std::to_string(limits_.depth_max) + " levels");
  }
  ++at_;
  open_.push_back({std::move(container), {}});
  return {};
}

Result<> Parser::read_key() {
  skip_blanks();
  if (!next_is('"')) return expected("a key in double quotes");
  open_.back().key = TRY(string());
  skip_blanks();
  if (!next_is(':')) return expected("':'");
  ++at_;
  return {};
}

void Parser::add_value(Json value) {
  Open& parent = open_.back();
  if (parent.value.is_array())
    parent.value.as_array().push_back(std::move(value));
  else
    parent.value.as_object().emplace_back(std::move(parent.key), std::move(value));
}

Result<bool> Parser::after_value() {
  skip_blanks();
  bool array = open_.back().value.is_array();
  if (next_is(',')) {
    ++at_;
    if (!array) TRY(read_key());
    return false;
  }
  if (!next_is(array ? ']' : '}')) return expected(array ? "',' or ']'" : "',' or '}'");
  ++at_;
  if (!array) keep_last_of_each_key(open_.back().value.as_object());
  return true;
}

Result<Json> Parser::scalar() {
  if (at_ >= text_.size()) return expected("a value");
  switch (text_[at_]) {
    case '"': {
      std::string text = TRY(string());
      return Json(std::move(text));
    }
    case 't':
      return word("true", true);
    case 'f':
      return word("false", false);
    case 'n':
      return word("null", nullptr);
    case 'N':
      return word("NaN", std::numeric_limits<double>::quiet_NaN());
    case 'I':
      return word("Infinity", HUGE_VAL);
    case '-':
      if (text_.substr(at_).starts_with("-I")) return word("-Infinity", -HUGE_VAL);
      return number();
    default:
      return number();
  }
}

Result<Json> Parser::word(std::string_view word, Json value) {
  if (!text_.substr(at_).starts_with(word)) return expected("a value");
  at_ += word.size();
  return value;
}

Result<Json> Parser::number() {
  std::size_t start = at_;
  bool whole = true;
  auto digits = [&] {
    std::size_t first = at_;
    while (digit()) ++at_;
    return at_ > first;
  };
  if (next_is('-')) ++at_;
  if (!digit()) return expected("a value");
  bool zero = next_is('0');
  if (zero)
    ++at_;
  else
    digits();
  if (zero && digit()) return expected("no digit after a leading zero");
  if (next_is('.')) {
    whole = false;
    ++at_;
    if (!digits()) return expected("a digit");
  }
  if (next_is('e') || next_is('E')) {
    whole = false;
    ++at_;
    if (next_is('+') || next_is('-')) ++at_;
    if (!digits()) return expected("a digit");
  }
  std::string_view token = text_.substr(start, at_ - start);
  if (whole) {
    std::int64_t small = 0;
    if (std::from_chars(token.begin(), token.end(), small).ec == std::errc()) return Json(small);
    std::uint64_t large = 0;
    if (token[0] != '-' && std::from_chars(token.begin(), token.end(), large).ec == std::errc()) {
      return Json(large);
    }
  }
  return Json(*to_double(token));
}

Result<std::string> Parser::string() {
  std::size_t start = at_++;
  std::string out;
  for (;;) {
    std::size_t plain = at_;
    bool ascii = true;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
           static_cast<unsigned char>(text_[at_]) >= 0x20) {
      if (static_cast<unsigned char>(text_[at_]) >= 0x80) ascii = false;
      ++at_;
    }
    std::string_view run = text_.substr(plain, at_ - plain);
    if (!ascii && !is_valid_utf8(run)) return error_at(plain, "a string that is not valid UTF-8");
    out += run;
    if (at_ >= text_.size()) return error_at(start, "a string without an end");
    if (text_[at_] == '"') {
      ++at_;
      return out;
    }
    if (text_[at_] != '\\') return expected("no control character inside a string");
    TRY(escape(out));
  }
}

Result<> Parser::escape(std::string& out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
  std::size_t start = at_++;
  if (at_ >= text_.size()) return expected("an escape");
  if (text_[at_] != 'u') {
    std::size_t which = kLetters.find(text_[at_]);
    if (which == std::string_view::npos) return error_at(start, "an unknown escape");
    out += kMeaning[which];
    ++at_;
    return {};
  }
  std::uint32_t c = TRY(hex4());
  bool high = c >= 0xd800 && c < 0xdc00;
  bool low = c >= 0xdc00 && c < 0xe000;
  if (high && text_.substr(at_).starts_with("\\u")) {
    ++at_;
    std::uint32_t second = TRY(hex4());
    high = second < 0xdc00 || second >= 0xe000;  // still alone
    c = 0x10000 + ((c - 0xd800) << 10) + (second - 0xdc00);
  }
  if (high || low) return error_at(start, "half of a surrogate pair");
  append_utf8(out, c);
  return {};
}

Result<std::uint32_t> Parser::hex4() {
  ++at_;  // the u
  std::uint32_t c = 0;
  std::string_view digits = text_.substr(at_, 4);
  auto [end, error] = std::from_chars(digits.begin(), digits.end(), c, 16);
  if (digits.size() < 4 || end != digits.end() || error != std::errc()) {
    return error_at(at_, "\\u without four hex digits");
  }
  at_ += 4;
  return c;
}

}  // namespace

Result<Json> parse(std::string_view text, const Limits& limits) {
  return Parser(text, limits).run();
}
Result<Json> parse(std::string_view text) {
  return parse(text, Limits{});
}

}  // namespace slipway::wire
