#include <yaml.h>

#include <map>
#include <optional>
#include <unordered_set>

#include "base/text.h"
#include "io/yaml/yaml.h"

namespace slipway::yaml {
namespace {

/// Frees what libyaml allocated for one event.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t* get() { return &event_; }
  const yaml_event_t* operator->() const { return &event_; }

 private:
  yaml_event_t event_{};
};

/// libyaml counts characters; this turns their numbers into byte offsets.
class Offsets {
 public:
  explicit Offsets(std::string_view text) : text_(text) {
    for (unsigned char c : text) ascii_ = ascii_ && c < 0x80;
    if (ascii_) return;
    starts_.reserve(text.size() + 1);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts_.push_back(i);
    }
    starts_.push_back(text.size());
  }
  std::size_t of(std::size_t character) const {
    if (ascii_) return std::min(character, text_.size());
    return character < starts_.size() ? starts_[character] : text_.size();
  }
  Position position(const yaml_mark_t& mark) const {
    std::size_t offset = of(mark.index);
    std::size_t column = mark.column;
    if (!ascii_ && column > 0 && mark.index >= column) column = offset - of(mark.index - column);
    return {static_cast<int>(mark.line) + 1, static_cast<int>(column) + 1};
  }

 private:
  std::string_view text_;
  bool ascii_ = true;
  std::vector<std::size_t> starts_;
};

std::size_t count_nodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += count_nodes(item);
  for (const Entry& entry : node.entries) count += 1 + count_nodes(entry.value);
  return count;
}

std::optional<Type> type_of_tag(std::string_view tag) {
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  if (tag == "!") return Type::kString;
  if (!tag.starts_with(kPrefix)) return std::nullopt;
  tag.remove_prefix(kPrefix.size());
  static constexpr std::pair<std::string_view, Type> kTypes[] = {
      {"null", Type::kNull},   {"bool", Type::kBool},    {"int", Type::kInteger},
      {"float", Type::kFloat}, {"str", Type::kString},   {"timestamp", Type::kDate},
      {"map", Type::kMapping}, {"seq", Type::kSequence},
  };
  for (const auto& [name, type] : kTypes) {
    if (tag == name) return type;
  }
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name, Schema schema, const Limits& limits)
      : name_(name), schema_(schema), limits_(limits), offsets_(text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser_); }

  Result<Node> document() {
    Node root;
    {
      Event start;
      TRY(next(start));  // of the stream
    }
    Event event;
    TRY(next(event));
    if (event->type == YAML_STREAM_END_EVENT) return root;
    root = TRY(node());
    Event end;
    TRY(next(end));  // of the document
    Event last;
    TRY(next(last));
    if (last->type != YAML_STREAM_END_EVENT) {
      return fail(last, "a second document begins here, only one is expected");
    }
    return root;
  }

 private:
  Error fail(const Event& event, std::string message) const {
    return error_at(name_, offsets_.position(event->start_mark), std::move(message));
  }

  Result<> next(Event& event) {
    if (yaml_parser_parse(&parser_, event.get()) != 0) return {};
    if (parser_.error == YAML_MEMORY_ERROR) return unavailable("out of memory reading " + name_);
    const yaml_mark_t mark = parser_.problem_mark;
    std::string problem = parser_.problem != nullptr ? parser_.problem : "not readable";
    return error_at(name_, {static_cast<int>(mark.line) + 1, static_cast<int>(mark.column) + 1},
                    problem);
  }

  Result<Node> node() {
    Event event;
    TRY(next(event));
    return node_of(event);
  }

  Result<Node> node_of(const Event& event) {
    if (++nodes_ > limits_.nodes_max) return fail(event, "too many values");
    switch (event->type) {
      case YAML_SCALAR_EVENT:
        return scalar(event);
      case YAML_SEQUENCE_START_EVENT:
        return sequence(event);
      case YAML_MAPPING_START_EVENT:
        return mapping(event);
      case YAML_ALIAS_EVENT:
        return alias(event);
      default:
        return fail(event, "a value is expected here");
    }
  }

  Node placed(const Event& event) const {
    Node node;
    node.at = offsets_.position(event->start_mark);
    node.begin = offsets_.of(event->start_mark.index);
    node.end = offsets_.of(event->end_mark.index);
    return node;
  }

  Result<Node> scalar(const Event& event) {
    const auto& data = event->data.scalar;
    Node node = placed(event);
    node.text.assign(reinterpret_cast<const char*>(data.value), data.length);
    node.quoted = data.style != YAML_PLAIN_SCALAR_STYLE;
    node.type = node.quoted ? Type::kString : resolve(node.text, schema_);
    if (data.tag != nullptr) {
      std::string_view tag = reinterpret_cast<const char*>(data.tag);
      std::optional<Type> type = type_of_tag(tag);
      if (!type || *type == Type::kMapping || *type == Type::kSequence) {
        return fail(event, "the tag " + std::string(tag) + " is not known");
      }
      if (*type != Type::kString && resolve(node.text, schema_) != *type) {
        return fail(event, "the value does not fit its tag " + std::string(tag));
      }
      node.type = *type;
    }
    remember(data.anchor, node);
    return node;
  }

  Result<> enter(const Event& event, const yaml_char_t* tag, Type type) {
    if (++depth_ > limits_.depth_max) return fail(event, "nested too deep");
    if (tag == nullptr) return {};
    std::string_view text = reinterpret_cast<const char*>(tag);
    if (type_of_tag(text) != type) {
      return fail(event, "the tag " + std::string(text) + " is not known");
    }
    return {};
  }

  Result<Node> sequence(const Event& start) {
    TRY(enter(start, start->data.sequence_start.tag, Type::kSequence));
    Node node = placed(start);
    node.type = Type::kSequence;
    node.flow = start->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    while (true) {
      Event event;
      TRY(next(event));
      if (event->type == YAML_SEQUENCE_END_EVENT) {
        node.end = end_of(node, event);
        break;
      }
      node.items.push_back(TRY(node_of(event)));
    }
    --depth_;
    remember(start->data.sequence_start.anchor, node);
    return node;
  }

  Result<Node> mapping(const Event& start) {
    TRY(enter(start, start->data.mapping_start.tag, Type::kMapping));
    Node node = placed(start);
    node.type = Type::kMapping;
    node.flow = start->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    std::unordered_set<std::string> keys;
    std::vector<Node> merged;
    while (true) {
      Event event;
      TRY(next(event));
      if (event->type == YAML_MAPPING_END_EVENT) {
        node.end = end_of(node, event);
        break;
      }
      Node key = TRY(node_of(event));
      if (!key.is_scalar()) return fail(event, "a key must be a scalar");
      Node value = TRY(this->node());
      if (!key.quoted && key.text == "<<") {
        TRY(collect_merge(event, std::move(value), merged));
        continue;
      }
      // 1, 1.0 and true are one key to a Python dict, "1" is another.
      bool number =
          key.type == Type::kInteger || key.type == Type::kFloat || key.type == Type::kBool;
      std::string identity = number ? "n" + python_repr(key.as_double()) : "s" + key.text;
      if (!keys.insert(identity).second) {
        return fail(event, "the key \"" + key.text + "\" stands here a second time");
      }
      node.entries.push_back({std::move(key), std::move(value)});
    }
    --depth_;
    TRY(merge(start, node, std::move(merged)));
    remember(start->data.mapping_start.anchor, node);
    return node;
  }

  /// A block collection's end mark lies at the next token; its own end is that of its last part.
  std::size_t end_of(const Node& node, const Event& end) const {
    if (node.flow) return offsets_.of(end->end_mark.index);
    if (node.is_sequence()) return node.items.empty() ? node.begin : node.items.back().end;
    return node.entries.empty() ? node.begin : node.entries.back().value.end;
  }

  Result<> collect_merge(const Event& event, Node value, std::vector<Node>& merged) const {
    if (value.is_mapping()) {
      merged.push_back(std::move(value));
      return {};
    }
    if (!value.is_sequence()) return fail(event, "\"<<\" takes a map or a list of maps");
    for (Node& item : value.items) {
      if (!item.is_mapping()) return fail(event, "\"<<\" takes a map or a list of maps");
      merged.push_back(std::move(item));
    }
    return {};
  }

  Result<> merge(const Event& event, Node& node, std::vector<Node> merged) {
    std::vector<Entry> inherited;
    std::unordered_set<std::string> keys;
    for (const Entry& entry : node.entries) keys.insert(entry.key.text);
    for (Node& source : merged) {
      for (Entry& entry : source.entries) {
        if (++nodes_ > limits_.nodes_max) return fail(event, "too many values");
        if (keys.insert(entry.key.text).second) inherited.push_back(std::move(entry));
      }
    }
    node.entries.insert(node.entries.begin(), std::make_move_iterator(inherited.begin()),
                        std::make_move_iterator(inherited.end()));
    return {};
  }

  Result<Node> alias(const Event& event) {
    std::string anchor = reinterpret_cast<const char*>(event->data.alias.anchor);
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) return fail(event, "no anchor is called &" + anchor);
    alias_nodes_ += found->second.size;
    if (alias_nodes_ > limits_.alias_nodes_max)
      return fail(event, "aliases expand to too many values");
    if (depth_ + found->second.depth > limits_.depth_max) return fail(event, "nested too deep");
    Node copy = found->second.node;
    Node here = placed(event);
    copy.at = here.at;
    copy.begin = here.begin;
    copy.end = here.end;
    return copy;
  }

  static int depth_of(const Node& node) {
    int deepest = 0;
    for (const Node& item : node.items) deepest = std::max(deepest, depth_of(item));
    for (const Entry& entry : node.entries) deepest = std::max(deepest, depth_of(entry.value));
    return deepest + (node.is_scalar() ? 0 : 1);
  }

  void remember(const yaml_char_t* anchor, const Node& node) {
    if (anchor == nullptr) return;
    std::size_t size = count_nodes(node);
    // What is too large to be repeated is not kept; naming it fails by the limit.
    bool kept = size <= limits_.alias_nodes_max && anchored_ + size <= 4 * limits_.alias_nodes_max;
    if (kept)
      anchored_ += size;
    else
      size = limits_.alias_nodes_max + 1;
    anchors_[reinterpret_cast<const char*>(anchor)] = {kept ? node : Node(), size, depth_of(node)};
  }

  struct Anchored {
    Node node;
    std::size_t size = 0;
    int depth = 0;
  };
  yaml_parser_t parser_{};
  const std::string& name_;
  Schema schema_;
  const Limits& limits_;
  Offsets offsets_;
  int depth_ = 0;
  std::size_t nodes_ = 0, alias_nodes_ = 0, anchored_ = 0;
  std::map<std::string, Anchored> anchors_;
};

}  // namespace

Result<Node> parse(std::string_view text, const std::string& name, Schema schema,
                   const Limits& limits) {
  if (text.size() > limits.bytes_max) {
    return invalid(name + " is longer than " + std::to_string(limits.bytes_max) + " bytes");
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return error_at(name, {1, 1}, "begins with a byte order mark; store it as UTF-8 without one");
  }
  if (!is_valid_utf8(text)) return invalid(name + ":1:1: is not valid UTF-8");
  return Parser(text, name, schema, limits).document();
}

}  // namespace slipway::yaml
