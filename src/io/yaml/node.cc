#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/text.h"
#include "io/yaml/yaml.h"

namespace slipway::yaml {
namespace {

/// An integer scalar as sign, base and digits.
struct Digits {
  bool negative = false;
  int base = 10;
  std::string digits;
};

Digits digits_of(std::string_view text) {
  Digits result;
  std::string body;
  for (char c : text) {
    if (c != '_') body.push_back(c);
  }
  std::string_view rest = body;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    result.negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest.starts_with("0x")) result.base = 16;
  if (rest.starts_with("0o")) result.base = 8;
  if (rest.starts_with("0b")) result.base = 2;
  if (result.base != 10) rest.remove_prefix(2);
  std::size_t start = std::min(rest.find_first_not_of('0'), rest.size());
  result.digits = rest.substr(start);
  if (result.digits.empty()) result.digits = "0";
  if (result.digits == "0") result.negative = false;
  return result;
}

/// Digits of any base as decimal digits; quadratic, so callers bound the length.
std::string to_decimal(const Digits& number) {
  if (number.base == 10) return number.digits;
  std::string decimal = "0";  // least digit first
  for (char c : number.digits) {
    int carry = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    for (char& digit : decimal) {
      int value = (digit - '0') * number.base + carry;
      digit = static_cast<char>('0' + value % 10);
      carry = value / 10;
    }
    while (carry > 0) {
      decimal.push_back(static_cast<char>('0' + carry % 10));
      carry /= 10;
    }
  }
  std::reverse(decimal.begin(), decimal.end());
  return decimal;
}

std::string canonical_integer(std::string_view text) {
  constexpr std::size_t kConvertedDigitsMax = 4096;  // beyond, the spelling stays
  Digits number = digits_of(text);
  if (number.base != 10 && number.digits.size() > kConvertedDigitsMax) return std::string(text);
  return (number.negative ? "-" : "") + to_decimal(number);
}

double float_of(std::string_view text) {
  std::string body;
  for (char c : text) {
    if (c != '_') body.push_back(c);
  }
  std::string lower = to_lower(body);
  if (lower.ends_with(".inf")) {
    double infinity = std::numeric_limits<double>::infinity();
    return lower[0] == '-' ? -infinity : infinity;
  }
  if (lower == ".nan") return std::numeric_limits<double>::quiet_NaN();
  return std::strtod(lower.c_str(), nullptr);
}

bool is_true(std::string_view text) {
  std::string lower = to_lower(text);
  return lower == "true" || lower == "yes" || lower == "on" || lower == "y";
}

bool is_numeric(const Node& node) {
  return node.type == Type::kBool || node.type == Type::kInteger || node.type == Type::kFloat;
}

bool equal_numbers(const Node& a, const Node& b) {
  if (a.type == Type::kFloat || b.type == Type::kFloat) return a.as_double() == b.as_double();
  auto digits = [](const Node& node) {
    if (node.type == Type::kBool) return std::string(node.as_bool() ? "1" : "0");
    return node.canonical();
  };
  return digits(a) == digits(b);
}

bool equal_maps(const Node& a, const Node& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    const Entry& entry = a.entries[i];
    // Most often both have the same order.
    const Entry& same_place = b.entries[i];
    if (same_place.key.text == entry.key.text) {
      if (!equal(entry.key, same_place.key) || !equal(entry.value, same_place.value)) return false;
      continue;
    }
    const Node* other = b.find(entry.key.text);
    if (other == nullptr || !equal(entry.value, *other)) return false;
  }
  return true;
}

std::string canonical_date(const std::string& text) {
  // A date stays; of a time the separator becomes one blank and a Z goes.
  if (text.size() <= 10) return text;
  std::string result = text;
  std::size_t separator = text.find_first_of("Tt \t");
  std::size_t clock = text.find_first_not_of("Tt \t", separator);
  if (separator != std::string::npos && clock != std::string::npos) {
    result = text.substr(0, separator) + " " + text.substr(clock);
  }
  while (!result.empty() && (result.back() == 'Z' || result.back() == ' ')) result.pop_back();
  return result;
}

}  // namespace

Node Node::string(std::string text) {
  Node node;
  node.type = Type::kString;
  node.text = std::move(text);
  return node;
}

Node Node::integer(std::int64_t value) {
  Node node;
  node.type = Type::kInteger;
  node.text = std::to_string(value);
  return node;
}

Node Node::real(double value) {
  Node node;
  node.type = Type::kFloat;
  if (std::isnan(value))
    node.text = ".nan";
  else if (std::isinf(value))
    node.text = value < 0 ? "-.inf" : ".inf";
  else
    node.text = python_repr(value);
  return node;
}

Node Node::boolean(bool value) {
  Node node;
  node.type = Type::kBool;
  node.text = value ? "true" : "false";
  return node;
}

Node Node::sequence() {
  Node node;
  node.type = Type::kSequence;
  return node;
}

Node Node::mapping() {
  Node node;
  node.type = Type::kMapping;
  return node;
}

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key.text == key) return &entry.value;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).find(key));
}

Node& Node::set(std::string key, Node value) {
  type = Type::kMapping;
  if (Node* there = find(key)) {
    *there = std::move(value);
    return *there;
  }
  entries.push_back({Node::string(std::move(key)), std::move(value)});
  return entries.back().value;
}

Node& Node::add(Node item) {
  type = Type::kSequence;
  items.push_back(std::move(item));
  return items.back();
}

bool Node::as_bool() const {
  return is_true(text);
}

Result<std::int64_t> Node::as_int64() const {
  std::string decimal = canonical_integer(text);
  if (auto value = to_int64(decimal)) return *value;
  return invalid("the integer " + text + " does not fit into 64 bits");
}

double Node::as_double() const {
  if (type == Type::kBool) return as_bool() ? 1 : 0;
  if (type == Type::kInteger) return std::strtod(canonical_integer(text).c_str(), nullptr);
  return float_of(text);
}

std::string Node::canonical() const {
  switch (type) {
    case Type::kNull:
      return "";
    case Type::kBool:
      return as_bool() ? "true" : "false";
    case Type::kInteger:
      return canonical_integer(text);
    case Type::kFloat:
      return Node::real(float_of(text)).text;
    case Type::kDate:
      return canonical_date(text);
    default:
      return text;
  }
}

bool equal(const Node& a, const Node& b) {
  if (is_numeric(a) && is_numeric(b)) return equal_numbers(a, b);
  if (a.type != b.type) return false;
  if (a.is_mapping()) return equal_maps(a, b);
  if (a.is_sequence()) {
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), equal);
  }
  if (a.type == Type::kDate) return a.canonical() == b.canonical();
  return a.is_null() || a.text == b.text;
}

Error error_at(const std::string& name, Position at, std::string message) {
  return invalid(name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
                 std::move(message));
}

}  // namespace slipway::yaml
