#include <algorithm>

#include "io/yaml/yaml.h"

namespace slipway::yaml {

std::string emit_scalar(const Node& node, int indent, int column);  // emit.cc

namespace {

struct Splice {
  std::size_t begin, end;
  std::string text;
};

/// Collects splices that turn one tree into another. Gives up (false) where text and tree are not
/// plain block style.
class Editor {
 public:
  explicit Editor(std::string_view text) : text_(text) {}

  bool mapping(const Node& before, const Node& after) {
    if (before.flow || before.entries.empty() || after.entries.empty()) return false;
    int indent = before.at.column - 1;
    for (std::size_t i = 0; i < before.entries.size(); ++i) {
      const Entry& entry = before.entries[i];
      const Node* wanted = after.find(entry.key.text);
      if (wanted == nullptr) {
        remove(before, i);
      } else if (!equal_exactly(entry.value, *wanted) && !replace(entry, *wanted, indent)) {
        return false;
      }
    }
    Node added = Node::mapping();
    for (const Entry& entry : after.entries) {
      if (before.find(entry.key.text) == nullptr) added.entries.push_back(entry);
    }
    if (!added.entries.empty()) append(before, added, indent);
    return true;
  }

  std::string apply() {
    std::stable_sort(splices_.begin(), splices_.end(),
                     [](const Splice& a, const Splice& b) { return a.begin < b.begin; });
    std::string result;
    std::size_t done = 0;
    for (const Splice& splice : splices_) {
      if (splice.begin < done) continue;  // inside of what was removed already
      result.append(text_.substr(done, splice.begin - done));
      result.append(splice.text);
      done = splice.end;
    }
    result.append(text_.substr(done));
    return result;
  }

 private:
  /// 1 and true are equal, but not the same in a file.
  static bool equal_exactly(const Node& a, const Node& b) {
    return a.type == b.type && equal(a, b);
  }

  std::size_t after_line(std::size_t offset) const {
    std::size_t newline = text_.find('\n', offset);
    return newline == std::string_view::npos ? text_.size() : newline + 1;
  }
  std::size_t line_start(std::size_t offset) const {
    std::size_t newline = offset == 0 ? std::string_view::npos : text_.rfind('\n', offset - 1);
    return newline == std::string_view::npos ? 0 : newline + 1;
  }

  void remove(const Node& map, std::size_t index) {
    const Entry& entry = map.entries[index];
    bool last = index + 1 == map.entries.size();
    if (index == 0 && !last) {
      splices_.push_back({entry.key.begin, map.entries[1].key.begin, ""});
      return;
    }
    std::size_t end =
        last ? after_line(entry.value.end) : line_start(map.entries[index + 1].key.begin);
    splices_.push_back({line_start(entry.key.begin), end, ""});
  }

  bool replace(const Entry& entry, const Node& wanted, int indent) {
    const Node& value = entry.value;
    if (value.is_mapping() && wanted.is_mapping() && mapping(value, wanted)) return true;
    if (value.is_sequence() && wanted.is_sequence() && sequence(value, wanted)) return true;
    if (value.is_scalar() && wanted.is_scalar() && value.end > value.begin) {
      int column = value.at.column - 1;
      splices_.push_back({value.begin, value.end, emit_scalar(wanted, indent, column)});
      return true;
    }
    Node whole = Node::mapping();
    whole.entries.push_back({entry.key, wanted});
    std::string emitted = emit(whole, indent);
    std::size_t skip = static_cast<std::size_t>(indent);
    if (emitted.size() < skip + 1) return false;
    emitted = emitted.substr(skip, emitted.size() - skip - 1);  // without indentation and newline
    std::size_t end = std::max(value.end, entry.key.end + 1);
    splices_.push_back({entry.key.begin, end, emitted});
    return true;
  }

  bool sequence(const Node& before, const Node& after) {
    if (before.flow || before.items.size() != after.items.size()) return false;
    std::size_t mark = splices_.size();
    for (std::size_t i = 0; i < before.items.size(); ++i) {
      if (!item(before.items[i], after.items[i], before.at.column - 1)) {
        splices_.resize(mark);
        return false;
      }
    }
    return true;
  }

  bool item(const Node& before, const Node& after, int indent) {
    if (equal_exactly(before, after)) return true;
    if (before.is_mapping() && after.is_mapping()) return mapping(before, after);
    if (before.is_sequence() && after.is_sequence()) return sequence(before, after);
    if (!before.is_scalar() || !after.is_scalar() || before.end == before.begin) return false;
    splices_.push_back(
        {before.begin, before.end, emit_scalar(after, indent, before.at.column - 1)});
    return true;
  }

  void append(const Node& map, const Node& added, int indent) {
    std::size_t at = after_line(map.entries.back().value.end);
    std::string text = emit(added, indent);
    if (at > 0 && text_[at - 1] != '\n') text.insert(0, "\n");
    splices_.push_back({at, at, std::move(text)});
  }

  std::string_view text_;
  std::vector<Splice> splices_;
};

}  // namespace

std::string edit(std::string_view text, const Node& before, const Node& after) {
  if (!before.is_mapping() || !after.is_mapping()) return emit(after);
  Editor editor(text);
  if (!editor.mapping(before, after)) return emit(after);
  std::string result = editor.apply();
  Result<Node> check = parse(result, "edited");
  if (!check.ok() || !equal(*check, after)) return emit(after);
  return result;
}

}  // namespace slipway::yaml
