#include "domain/checks/yaml_reader.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace slipway::checks {
namespace {

using yaml::Node;
using yaml::Type;

std::string shown(const Node& node) {
  if (node.is_mapping()) return "a mapping";
  if (node.is_sequence()) return "a list";
  if (node.is_null()) return "nothing";
  return "'" + std::string(take_code_points(node.text, 60)) + "'";
}

bool is_number(const Node& node) {
  return node.type == Type::kInteger || node.type == Type::kFloat;
}

}  // namespace

yaml::Position YamlReader::at(const Node& node) const {
  return {node.at.line + lines_, node.at.column + columns_};
}

void YamlReader::fail(yaml::Position at, const std::string& message) {
  if (errors_.size() == kErrorsMax) errors_.push_back("and more");
  if (errors_.size() < kErrorsMax)
    errors_.push_back(name_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                      ": " + message);
}

void YamlReader::fail_type(const Node& found, std::string_view expected) {
  fail(at(found), "found " + shown(found) + ", expected " + std::string(expected));
}

void YamlReader::fail_word(const Node& found, std::string_view what,
                           const std::vector<std::string>& known) {
  constexpr std::size_t kListed = 16;
  std::string message = "found " + shown(found) + ", which is no " + std::string(what);
  if (known.size() <= kListed) message += "; expected one of " + join(known, ", ");
  if (auto near = nearest(found.text, known)) message += "; did you mean '" + *near + "'?";
  fail(at(found), message);
}

bool YamlReader::is_mapping(const Node& node, std::string_view what) {
  if (node.is_mapping()) return true;
  fail_type(node, what);
  return false;
}

bool YamlReader::is_sequence(const Node& node, std::string_view what) {
  if (node.is_sequence()) return true;
  fail_type(node, what);
  return false;
}

void YamlReader::keys(const Node& mapping, std::string_view what,
                      std::initializer_list<std::string_view> known) {
  for (const yaml::Entry& entry : mapping.entries) {
    if (std::find(known.begin(), known.end(), entry.key.text) != known.end()) continue;
    fail_word(entry.key, "key of " + std::string(what), {known.begin(), known.end()});
  }
}

std::optional<std::string> YamlReader::text(const Node& mapping, std::string_view key) {
  const Node* node = mapping.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  if (node->is_scalar()) return node->text;
  fail_type(*node, "a text for '" + std::string(key) + "'");
  return std::nullopt;
}

std::optional<bool> YamlReader::truth(const Node& mapping, std::string_view key) {
  const Node* node = mapping.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  if (node->type == Type::kBool) return node->as_bool();
  fail_type(*node, "true or false for '" + std::string(key) + "'");
  return std::nullopt;
}

std::optional<double> YamlReader::number(const Node& mapping, std::string_view key) {
  const Node* node = mapping.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  const bool is_finite = is_number(*node) && std::isfinite(node->as_double());
  if (is_finite) return node->as_double();
  fail_type(*node, (is_number(*node) ? "a finite number for '" : "a number for '") +
                       std::string(key) + "'");
  return std::nullopt;
}

void YamlReader::bounds(const Node& mapping, const Ends& ends) {
  if (!ends.min || !ends.max) return;
  const bool open = ends.min_open || ends.max_open;
  if (*ends.min < *ends.max || (*ends.min == *ends.max && !open)) return;
  const Node* node = nullptr;
  for (const std::string_view key : ends.keys) {
    if (node == nullptr) node = mapping.find(key);
  }
  fail(at(node != nullptr ? *node : mapping),
       "found a lower bound of " + python_repr(*ends.min) + " and an upper one of " +
           python_repr(*ends.max) + ", expected bounds that some value can keep");
}

std::optional<std::int64_t> YamlReader::whole(const Node& mapping, std::string_view key) {
  const Node* node = mapping.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  if (node->type == Type::kInteger) {
    Result<std::int64_t> value = node->as_int64();
    if (value.ok()) return *value;
  }
  fail_type(*node, "a whole number for '" + std::string(key) + "'");
  return std::nullopt;
}

std::vector<std::string> YamlReader::texts(const Node& mapping, std::string_view key) {
  std::vector<std::string> out;
  const Node* node = mapping.find(key);
  if (node == nullptr || node->is_null()) return out;
  if (!node->is_sequence()) {
    fail_type(*node, "a list for '" + std::string(key) + "'");
    return out;
  }
  for (const Node& item : node->items) {
    if (!item.is_scalar())
      fail_type(item, "a single value");
    else
      out.push_back(item.is_string() ? item.text : item.canonical());
  }
  return out;
}

Result<> YamlReader::check() const {
  if (errors_.empty()) return {};
  return invalid(join(errors_, "\n"));
}

}  // namespace slipway::checks
