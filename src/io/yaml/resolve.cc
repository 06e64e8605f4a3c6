#include <cctype>

#include "base/text.h"
#include "io/yaml/yaml.h"

namespace slipway::yaml {
namespace {

/// A cursor over one scalar; every take_ moves over what it matched.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }

  bool take(char c) {
    if (peek() != c || done()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take_any(std::string_view set) {
    if (done() || set.find(peek()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::size_t take_run(std::string_view set) {
    std::size_t length = 0;
    while (take_any(set)) ++length;
    return length;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kDigitsAndLow = "0123456789_";

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  for (std::string_view word : words) {
    if (text == word) return true;
  }
  return false;
}

bool is_bool(std::string_view text, Schema schema) {
  if (one_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return true;
  return schema == Schema::kYaml11 &&
         one_of(text, {"y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON",
                       "off", "Off", "OFF"});
}

bool is_sexagesimal(Cursor cursor, bool with_fraction) {
  cursor.take_any("+-");
  if (!is_digit(cursor.peek())) return false;
  cursor.take_run(kDigitsAndLow);
  std::size_t groups = 0;
  while (cursor.take(':')) {
    std::string_view rest = cursor.rest();
    bool two = rest.size() >= 2 && rest[0] >= '0' && rest[0] <= '5' && is_digit(rest[1]);
    if (two) cursor.take_any(kDigits);
    if (!cursor.take_any(kDigits)) return false;
    ++groups;
  }
  if (groups == 0) return false;
  if (!with_fraction) return cursor.done();
  if (!cursor.take('.')) return false;
  cursor.take_run(kDigitsAndLow);
  return cursor.done();
}

bool is_integer(std::string_view text, Schema schema) {
  if (text.empty() || (!is_digit(text[0]) && text[0] != '+' && text[0] != '-')) return false;
  Cursor cursor(text);
  cursor.take_any("+-");
  std::string_view body = cursor.rest();
  auto all = [](std::string_view digits, std::string_view set) {
    return !digits.empty() && digits.find_first_not_of(set) == std::string_view::npos;
  };
  if (body.starts_with("0b") && all(body.substr(2), "01_")) return true;
  if (body.starts_with("0x") && all(body.substr(2), "0123456789abcdefABCDEF_")) return true;
  if (schema == Schema::kYaml12) {
    if (body.starts_with("0o") && all(body.substr(2), "01234567_")) return true;
    return all(body, kDigitsAndLow);
  }
  if (all(body, "01234567_")) return true;
  if (body == "0" || (body[0] >= '1' && all(body, kDigitsAndLow))) return true;
  return body[0] != '0' && is_sexagesimal(Cursor(text), false);
}

bool take_exponent(Cursor& cursor, bool sign_needed) {
  if (!cursor.take_any("eE")) return false;
  if (!cursor.take_any("+-") && sign_needed) return false;
  return cursor.take_run(kDigits) > 0;
}

bool is_float(std::string_view text, Schema schema) {
  if (text.empty()) return false;
  Cursor cursor(text);
  bool sign = cursor.take_any("+-");
  if (one_of(cursor.rest(), {".inf", ".Inf", ".INF"})) return true;
  if (!sign && one_of(text, {".nan", ".NaN", ".NAN"})) return true;
  if (is_digit(cursor.peek())) {
    if (schema == Schema::kYaml11 && is_sexagesimal(Cursor(text), true)) return true;
    cursor.take_run(kDigitsAndLow);
    if (cursor.take('.')) {
      cursor.take_run(kDigitsAndLow);
      if (cursor.done()) return true;
    }
    return take_exponent(cursor, false) && cursor.done();
  }
  if (sign && schema == Schema::kYaml11) return false;
  if (!cursor.take('.') || cursor.take_run(kDigitsAndLow) == 0) return false;
  return cursor.done() || (take_exponent(cursor, true) && cursor.done());
}

bool take_digits(Cursor& cursor, std::size_t least, std::size_t most) {
  std::size_t taken = 0;
  while (taken < most && cursor.take_any(kDigits)) ++taken;
  return taken >= least;
}

bool is_date(std::string_view text) {
  Cursor cursor(text);
  if (!take_digits(cursor, 4, 4) || !cursor.take('-')) return false;
  Cursor plain = cursor;
  if (take_digits(plain, 2, 2) && plain.take('-') && take_digits(plain, 2, 2) && plain.done()) {
    return true;
  }
  if (!take_digits(cursor, 1, 2) || !cursor.take('-') || !take_digits(cursor, 1, 2)) return false;
  if (!cursor.take_any("Tt") && cursor.take_run(" \t") == 0) return false;
  if (!take_digits(cursor, 1, 2) || !cursor.take(':') || !take_digits(cursor, 2, 2)) return false;
  if (!cursor.take(':') || !take_digits(cursor, 2, 2)) return false;
  if (cursor.take('.')) cursor.take_run(kDigits);
  if (cursor.done()) return true;
  cursor.take_run(" \t");
  if (cursor.take('Z')) return cursor.done();
  if (!cursor.take_any("+-") || !take_digits(cursor, 1, 2)) return false;
  if (cursor.take(':') && !take_digits(cursor, 2, 2)) return false;
  return cursor.done();
}

}  // namespace

Type resolve(std::string_view plain, Schema schema) {
  if (plain.empty() || one_of(plain, {"~", "null", "Null", "NULL"})) return Type::kNull;
  if (is_bool(plain, schema)) return Type::kBool;
  if (is_float(plain, schema)) return Type::kFloat;
  if (is_integer(plain, schema)) return Type::kInteger;
  if (is_date(plain)) return Type::kDate;
  return Type::kString;
}

}  // namespace slipway::yaml
