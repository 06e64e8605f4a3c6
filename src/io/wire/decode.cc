#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/members.h"
#include "io/wire/output.h"

namespace slipway::wire {

namespace {

enum class Kind { kNull, kBool, kInt64, kUint64, kDouble, kString, kArray, kObject };

/// A value inside a parsed document; one interface over simdjson's elements and over Json.
class SimdNode {
 public:
  SimdNode() = default;
  explicit SimdNode(simdjson::dom::element element) : element_(element) {}

  Kind kind() const {
    using simdjson::dom::element_type;
    switch (element_.type()) {
      case element_type::ARRAY:
        return Kind::kArray;
      case element_type::OBJECT:
        return Kind::kObject;
      case element_type::INT64:
        return Kind::kInt64;
      case element_type::UINT64:
        return Kind::kUint64;
      case element_type::DOUBLE:
        return Kind::kDouble;
      case element_type::STRING:
        return Kind::kString;
      case element_type::BOOL:
        return Kind::kBool;
      case element_type::NULL_VALUE:
        break;
    }
    return Kind::kNull;
  }
  bool as_bool() const { return element_.get_bool().value_unsafe(); }
  std::int64_t as_int64() const { return element_.get_int64().value_unsafe(); }
  std::uint64_t as_uint64() const { return element_.get_uint64().value_unsafe(); }
  double as_double() const { return element_.get_double().value_unsafe(); }
  std::string_view as_string() const { return element_.get_string().value_unsafe(); }
  std::size_t size() const { return element_.get_array().value_unsafe().size(); }  // of an array
  template <class F>
  void each_item(F f) const {
    simdjson::dom::array items = element_.get_array().value_unsafe();
    for (simdjson::dom::element item : items) f(SimdNode(item));
  }
  template <class F>
  void each_member(F f) const {
    simdjson::dom::object members = element_.get_object().value_unsafe();
    for (auto [key, value] : members) f(key, SimdNode(value));
  }
  /// Recursive; the parser has bounded the depth. `budget` is how many values there may be; 0
  /// afterwards: too many.
  Json to_json(std::size_t& budget) const;

 private:
  simdjson::dom::element element_;
};

Json SimdNode::to_json(std::size_t& budget) const {
  if (budget == 0) return nullptr;
  --budget;
  switch (kind()) {
    case Kind::kNull:
      return nullptr;
    case Kind::kBool:
      return as_bool();
    case Kind::kInt64:
      return as_int64();
    case Kind::kUint64:
      return as_uint64();
    case Kind::kDouble:
      return as_double();
    case Kind::kString:
      return as_string();
    case Kind::kArray: {
      Json::Array items;
      each_item([&](SimdNode item) {
        if (budget > 0) items.push_back(item.to_json(budget));
      });
      return items;
    }
    case Kind::kObject:
      break;
  }
  Json::Object members;
  each_member([&](std::string_view key, SimdNode value) {
    if (budget > 0) members.emplace_back(key, value.to_json(budget));
  });
  keep_last_of_each_key(members);
  return members;
}

class JsonNode {
 public:
  JsonNode() = default;
  explicit JsonNode(const Json& json) : json_(&json) {}

  Kind kind() const {
    if (json_->is_null()) return Kind::kNull;
    if (json_->is_bool()) return Kind::kBool;
    if (json_->is_uint64()) return Kind::kUint64;
    if (json_->is_integer()) return Kind::kInt64;
    if (json_->is_number()) return Kind::kDouble;
    if (json_->is_string()) return Kind::kString;
    return json_->is_array() ? Kind::kArray : Kind::kObject;
  }
  bool as_bool() const { return json_->as_bool(); }
  std::int64_t as_int64() const { return json_->as_int64(); }
  std::uint64_t as_uint64() const { return static_cast<std::uint64_t>(json_->as_int64()); }
  double as_double() const { return json_->as_double(); }
  std::string_view as_string() const { return json_->as_string(); }
  std::size_t size() const { return json_->as_array().size(); }
  template <class F>
  void each_item(F f) const {
    for (const Json& item : json_->as_array()) f(JsonNode(item));
  }
  template <class F>
  void each_member(F f) const {
    for (const auto& [key, value] : json_->as_object()) f(std::string_view(key), JsonNode(value));
  }
  Json to_json(std::size_t& budget) const {
    --budget;  // the parser has counted the rest
    return *json_;
  }

 private:
  const Json* json_ = nullptr;
};

std::optional<double> to_number(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  if (text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) return std::nullopt;
  return to_double(text);
}

std::optional<std::int64_t> to_whole(double v) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  // Strictly above -2^63, for an integer literal beyond 64 bits arrives here rounded to it.
  if (!(v > -kTwoTo63 && v < kTwoTo63) || v != std::trunc(v)) return std::nullopt;
  return static_cast<std::int64_t>(v);
}

template <class Node>
class Reader final : public Codec {
 public:
  Reader(Node root, const Limits& limits) : node_(root), values_left_(limits.values_max) {}

  const std::string& problem() const { return problem_; }

  void value(std::string& v) override {
    if (failed()) return;
    if (node_.kind() != Kind::kString) return refuse("a string");
    v = node_.as_string();
  }
  void value(bool& v) override {
    if (failed()) return;
    if (node_.kind() != Kind::kBool) return refuse("true or false");
    v = node_.as_bool();
  }
  void value(std::int64_t& v) override {
    if (failed()) return;
    std::optional<std::int64_t> whole = whole_number();
    if (!whole) return refuse("an integer of 64 bits");
    v = *whole;
  }
  void value(int& v) override {
    if (failed()) return;
    std::optional<std::int64_t> whole = whole_number();
    if (!whole || !std::in_range<int>(*whole)) return refuse("an integer of 32 bits");
    v = static_cast<int>(*whole);
  }
  void value(double& v) override {
    if (failed()) return;
    std::optional<double> number = any_number();
    if (!number) return refuse("a number");
    v = *number;
  }
  void value(Json& v) override {
    if (failed()) return;
    v = node_.to_json(values_left_);
    if (values_left_ == 0) problem_ = where() + kTooMany;
  }

  bool optional(bool) override { return !failed() && node_.kind() != Kind::kNull; }

  void member(std::string_view key, void* target, Visit visit, bool, bool) override {
    if (failed()) return;
    const Node* found = find_member(key);
    if (found == nullptr || found->kind() == Kind::kNull) return;
    enter({key, 0}, *found, target, visit);
  }

  void object(void* target, Visit visit_members) override {
    if (failed()) return;
    if (node_.kind() != Kind::kObject) return refuse("an object");
    std::size_t outer = std::exchange(first_member_, members_.size());
    node_.each_member([&](std::string_view key, Node v) { members_.push_back({key, v}); });
    visit_members(*this, target);
    members_.resize(first_member_);
    first_member_ = outer;
  }

  void list(const List& list, Visit visit) override {
    if (failed()) return;
    if (node_.kind() != Kind::kArray) return refuse("an array");
    list.clear(list.target, std::min(node_.size(), kRoomMax));
    std::size_t index = 0;
    node_.each_item([&](Node item) {
      if (failed() || !count_value()) return;
      enter({{}, index++}, item, list.append(list.target), visit);
    });
  }

  void map(const Map& map, Visit visit) override {
    if (failed()) return;
    if (node_.kind() != Kind::kObject) return refuse("an object");
    map.clear(map.target);
    std::unordered_map<std::string_view, std::size_t> last;  // the last place of each key
    std::size_t place = 0;
    node_.each_member([&](std::string_view key, Node) { last[key] = place++; });
    place = 0;
    node_.each_member([&](std::string_view key, Node v) {
      const bool is_last = last[key] == place++;
      if (failed() || !count_value() || !is_last) return;
      enter({key, 0}, v, map.insert(map.target, std::string(key)), visit);
    });
  }

  bool reading() const override { return true; }

 private:
  struct Step {
    std::string_view key;  // no data: an index
    std::size_t index;
  };
  struct Member {
    std::string_view key;
    Node value;
  };

  // Of a list, before its items are seen: a short text may be refused at its first one.
  static constexpr std::size_t kRoomMax = 4096;
  static constexpr const char* kTooMany = "more values than the limit allows";

  bool failed() const { return !problem_.empty(); }

  void enter(Step step, Node into, void* target, Visit visit) {
    Node outer = std::exchange(node_, into);
    path_.push_back(step);
    visit(*this, target);
    path_.pop_back();
    node_ = outer;
  }

  /// The last one of that key in the current object.
  const Node* find_member(std::string_view key) const {
    for (std::size_t i = members_.size(); i > first_member_; --i) {
      if (members_[i - 1].key == key) return &members_[i - 1].value;
    }
    return nullptr;
  }

  std::optional<std::int64_t> whole_number() const {
    switch (node_.kind()) {
      case Kind::kInt64:
        return node_.as_int64();
      case Kind::kDouble:
        return to_whole(node_.as_double());
      case Kind::kString:
        return to_int64(node_.as_string());
      default:
        return std::nullopt;
    }
  }
  std::optional<double> any_number() const {
    switch (node_.kind()) {
      case Kind::kInt64:
        return static_cast<double>(node_.as_int64());
      case Kind::kUint64:
        return static_cast<double>(node_.as_uint64());
      case Kind::kDouble:
        return node_.as_double();
      case Kind::kString:
        return to_number(node_.as_string());
      default:
        return std::nullopt;
    }
  }

  bool count_value() {
    if (--values_left_ > 0) return true;
    problem_ = where() + kTooMany;
    return false;
  }

  void refuse(std::string_view expected) {
    problem_ = where() + "expected " + std::string(expected) + ", found " + found();
  }

  std::string where() const {
    std::string path;
    for (const Step& step : path_) {
      if (step.key.data() == nullptr)
        path += "[" + std::to_string(step.index) + "]";
      else
        (path += path.empty() ? "" : ".") += take_code_points(step.key, 64);
    }
    return path.empty() ? "" : path + ": ";
  }

  std::string number_text() const {
    std::size_t one = 1;
    return dump(node_.to_json(one));
  }

  std::string found() const {
    switch (node_.kind()) {
      case Kind::kNull:
        return "null";
      case Kind::kBool:
        return node_.as_bool() ? "true" : "false";
      case Kind::kArray:
        return "an array";
      case Kind::kObject:
        return "an object";
      case Kind::kString:
        break;
      default:
        return "the number " + number_text();
    }
    std::string text = "the string ";
    std::string_view start = take_code_points(node_.as_string(), 40);
    append_quoted(text, start);
    return text + (start.size() < node_.as_string().size() ? "..." : "");
  }

  Node node_;
  std::vector<Step> path_;
  std::vector<Member> members_;  // of the open objects, the innermost from first_member_ on
  std::size_t first_member_ = 0;
  std::size_t values_left_;
  std::string problem_;
};

template <class Node>
Result<> read(Node root, void* target, Codec::Visit visit, const Limits& limits) {
  Reader<Node> reader(root, limits);
  visit(reader, target);
  if (!reader.problem().empty()) return invalid(reader.problem());
  return {};
}

/// Keeps simdjson's buffers for the next text of this thread, unless a large one made them large.
class ParserLoan {
 public:
  simdjson::dom::parser& get() { return parser(); }
  ~ParserLoan() {
    if (parser().capacity() > kKeptBytesMax) parser() = simdjson::dom::parser();
  }

 private:
  static constexpr std::size_t kKeptBytesMax = 1u << 20;
  static simdjson::dom::parser& parser() {
    thread_local simdjson::dom::parser parser;
    return parser;
  }
};

}  // namespace

Result<> decode_json_into(const Json& json, void* target, Codec::Visit visit) {
  return read(JsonNode(json), target, visit, Limits{});
}

Result<> decode_into(std::string_view text, void* target, Codec::Visit visit,
                     const Limits& limits) {
  if (text.size() <= limits.bytes_max) {
    ParserLoan loan;
    simdjson::dom::parser& parser = loan.get();
    // simdjson counts the document as a level, and an empty array or object as none.
    std::size_t depth = static_cast<std::size_t>(limits.depth_max) + 1;
    simdjson::error_code error = simdjson::SUCCESS;
    if (parser.capacity() < text.size() || parser.max_depth() != depth) {
      error = parser.allocate(std::max(text.size(), parser.capacity()), depth);
    }
    simdjson::dom::element root;
    if (!error) error = parser.parse(text.data(), text.size()).get(root);
    if (!error) return read(SimdNode(root), target, visit, limits);
  }
  // Tokens that only Python writes, or a text that is wrong: the strict reader takes it or says
  // where and why.
  Json json = TRY(parse(text, limits));
  return read(JsonNode(json), target, visit, limits);
}

}  // namespace slipway::wire
