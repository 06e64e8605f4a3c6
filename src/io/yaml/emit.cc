#include <array>
#include <string>

#include "io/yaml/yaml.h"

// The writer of DVC's files: block style, width 80, columns counted in code points. What it does
// with blanks at folds is odd but has to be the same, byte for byte.
namespace slipway::yaml {
namespace {

constexpr int kWidth = 80;
constexpr std::size_t kSimpleKeyMax = 128 - 5;  // 5 for the tag that is counted but not written

std::u32string to_code_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    char32_t point = length == 1 ? lead : lead & (0x7F >> length);
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      point = (point << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    }
    points.push_back(point);
    i += length;
  }
  return points;
}

void append_utf8(std::string& out, char32_t point) {
  if (point < 0x80) {
    out.push_back(static_cast<char>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (point >> 6)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else if (point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (point >> 12)));
    out.push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (point >> 18)));
    out.push_back(static_cast<char>(0x80 | ((point >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (point & 0x3F)));
  }
}

bool is_break(char32_t c) {
  return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029;
}
bool is_blank_or_break(char32_t c) {
  return c == 0 || c == ' ' || c == '\t' || c == '\r' || is_break(c);
}
bool is_printable_beyond_ascii(char32_t c) {
  return (c >= 0xA0 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
         (c >= 0x10000 && c <= 0x10FFFF);
}
bool is_any(char32_t c, std::u32string_view set) {
  return set.find(c) != std::u32string_view::npos;
}

/// In which styles a scalar may be written.
struct Analysis {
  bool multiline = false;
  bool plain = true;
  bool single_quoted = true;
};

bool has_block_indicator(std::u32string_view text) {
  if (text.starts_with(U"---") || text.starts_with(U"...")) return true;
  bool blank_follows = text.size() == 1 || is_blank_or_break(text[1]);
  if (is_any(text[0], U"#,[]{}&*!|>'\"%@`")) return true;
  if (is_any(text[0], U"?:-") && blank_follows) return true;
  for (std::size_t i = 1; i < text.size(); ++i) {
    bool follows = i + 1 >= text.size() || is_blank_or_break(text[i + 1]);
    if (text[i] == ':' && follows) return true;
    if (text[i] == '#' && is_blank_or_break(text[i - 1])) return true;
  }
  return false;
}

Analysis analyze(std::u32string_view text) {
  Analysis result;
  if (text.empty()) return result;
  bool special = false, space_break = false, break_space = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char32_t c = text[i];
    if (is_break(c)) result.multiline = true;
    bool ordinary = c == '\n' || (c >= 0x20 && c <= 0x7E) || c == 0x85 ||
                    (is_printable_beyond_ascii(c) && c != 0xFEFF);
    if (!ordinary) special = true;
    if (i == 0) continue;
    if (c == ' ' && is_break(text[i - 1])) break_space = true;
    if (is_break(c) && text[i - 1] == ' ') space_break = true;
  }
  auto is_edge = [](char32_t c) { return c == ' ' || is_break(c); };
  if (is_edge(text.front()) || is_edge(text.back())) result.plain = false;
  if (break_space || space_break || special) result.plain = result.single_quoted = false;
  if (result.multiline || has_block_indicator(text)) result.plain = false;
  return result;
}

enum class Style { kPlain, kSingle, kDouble };

class Emitter {
 public:
  explicit Emitter(int indent) : base_(indent) {}

  std::string finish(const Node& node) {
    if (node.is_mapping() && !node.entries.empty())
      mapping(node, base_);
    else if (node.is_sequence() && !node.items.empty())
      sequence(node, base_);
    else
      value(node, base_, Context::kRoot);
    if (column_ > 0 || out_.empty()) write_break();
    return std::move(out_);
  }

  /// One scalar as it stands after `column` columns in a mapping whose keys stand at `indent`.
  std::string scalar_only(const Node& node, int indent, int column) {
    column_ = column;
    whitespace_ = true;
    indention_ = false;
    scalar(node, indent + 2, Context::kValue);
    return std::move(out_);
  }

 private:
  enum class Context { kRoot, kKey, kValue, kItem };

  void put(std::u32string_view text) {
    for (char32_t c : text) append_utf8(out_, c);
    column_ += static_cast<int>(text.size());
  }
  void write_break(char32_t c = '\n') {
    append_utf8(out_, c);
    whitespace_ = indention_ = true;
    column_ = 0;
  }
  void write_indent(int indent) {
    if (!indention_ || column_ > indent || (column_ == indent && !whitespace_)) write_break();
    if (column_ >= indent) return;
    out_.append(static_cast<std::size_t>(indent - column_), ' ');
    column_ = indent;
    whitespace_ = true;
  }
  void indicator(std::u32string_view text, bool need_whitespace, bool indention = false) {
    if (need_whitespace && !whitespace_) put(U" ");
    put(text);
    whitespace_ = false;
    indention_ = indention_ && indention;
  }

  void value(const Node& node, int indent, Context context) {
    if (node.is_mapping() && node.entries.empty()) return indicator(U"{}", true);
    if (node.is_sequence() && node.items.empty()) return indicator(U"[]", true);
    if (node.is_mapping()) return mapping(node, indent + 2);
    if (node.is_sequence()) return sequence(node, context == Context::kValue ? indent : indent + 2);
    scalar(node, indent + 2, context);
  }

  void sequence(const Node& node, int indent) {
    for (const Node& item : node.items) {
      write_indent(indent);
      indicator(U"-", true, true);
      value(item, indent, Context::kItem);
    }
  }

  void mapping(const Node& node, int indent) {
    for (const Entry& entry : node.entries) {
      write_indent(indent);
      std::u32string key = to_code_points(text_of(entry.key));
      bool simple = key.size() < kSimpleKeyMax && !analyze(key).multiline;
      if (simple) {
        scalar(entry.key, indent + 2, Context::kKey);
        indicator(U":", false);
        value(entry.value, indent, Context::kValue);
        continue;
      }
      indicator(U"?", true, true);
      scalar(entry.key, indent + 2, Context::kValue);
      write_indent(indent);
      indicator(U":", true, true);
      value_after_complex_key(entry.value, indent);
    }
  }

  /// After "? key" the colon begins a line of its own, so a list below it is indented.
  void value_after_complex_key(const Node& node, int indent) {
    bool list = node.is_sequence() && !node.items.empty();
    if (list)
      sequence(node, indent + 2);
    else
      value(node, indent, Context::kValue);
  }

  static std::string text_of(const Node& node) {
    return node.is_string() ? node.text : node.canonical();
  }

  static Style style_of(const Node& node, std::u32string_view text, bool is_key) {
    if (!node.is_string()) return Style::kPlain;
    Analysis analysis = analyze(text);
    bool reads_back = resolve(node.text, Schema::kYaml12) == Type::kString && node.text != "<<" &&
                      node.text != "=";
    const bool is_to_be_quoted = node.quoted && node.end == 0;
    if (reads_back && !is_to_be_quoted && analysis.plain && !(is_key && text.empty())) return Style::kPlain;
    if (text.find(U'\'') != std::u32string_view::npos ||
        text.find(U'\n') != std::u32string_view::npos) {
      return Style::kDouble;
    }
    if (analysis.single_quoted && !(is_key && analysis.multiline)) return Style::kSingle;
    return Style::kDouble;
  }

  void scalar(const Node& node, int indent, Context context) {
    std::u32string text = to_code_points(text_of(node));
    bool is_key = context == Context::kKey;
    Style style = style_of(node, text, is_key);
    if (context == Context::kItem) write_indent(indent);
    if (style == Style::kPlain)
      plain(text, indent, !is_key);
    else if (style == Style::kSingle)
      single_quoted(text, indent, !is_key);
    else
      double_quoted(text, indent, !is_key);
  }

  void plain(std::u32string_view text, int indent, bool split) {
    if (text.empty()) return;
    if (!whitespace_) put(U" ");
    whitespace_ = indention_ = false;
    bool spaces = false;
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      bool at_end = end == text.size();
      char32_t c = at_end ? 0 : text[end];
      if (spaces) {
        if (at_end || c != ' ') {
          if (start + 1 == end && column_ >= kWidth && split) {
            write_indent(indent);
            whitespace_ = indention_ = false;
          } else {
            put(text.substr(start, end - start));
          }
          start = end;
        }
      } else if (at_end || c == ' ') {
        int length = static_cast<int>(end - start);
        if (length + column_ > kWidth && column_ > indent) write_indent(indent);
        put(text.substr(start, end - start));
        start = end;
      }
      spaces = !at_end && c == ' ';
    }
  }

  void single_quoted(std::u32string_view text, int indent, bool split) {
    indicator(U"'", true);
    bool spaces = false, breaks = false;
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      bool at_end = end == text.size();
      char32_t c = at_end ? 0 : text[end];
      if (spaces) {
        if (at_end || c != ' ') {
          bool fold = start + 1 == end && column_ > kWidth && split && start != 0 && !at_end;
          if (fold)
            write_indent(indent);
          else
            put(text.substr(start, end - start));
          start = end;
        }
      } else if (breaks) {
        if (at_end || !is_break(c)) {
          if (text[start] == '\n') write_break();
          for (char32_t b : text.substr(start, end - start)) write_break(b);
          write_indent(indent);
          start = end;
        }
      } else if (at_end || c == ' ' || is_break(c) || c == '\'') {
        put(text.substr(start, end - start));
        start = end;
      }
      if (!at_end && c == '\'') {
        put(U"''");
        start = end + 1;
      }
      if (!at_end) {
        spaces = c == ' ';
        breaks = is_break(c);
      }
    }
    indicator(U"'", false);
  }

  static std::u32string escape(char32_t c) {
    static constexpr std::pair<char32_t, char32_t> kShort[] = {
        {0, '0'},     {7, 'a'},    {8, 'b'},    {9, 't'},      {10, 'n'},
        {11, 'v'},    {12, 'f'},   {13, 'r'},   {27, 'e'},     {'"', '"'},
        {'\\', '\\'}, {0x85, 'N'}, {0xA0, '_'}, {0x2028, 'L'}, {0x2029, 'P'},
    };
    for (const auto& [point, letter] : kShort) {
      if (c == point) return {U'\\', letter};
    }
    int digits = c <= 0xFF ? 2 : c <= 0xFFFF ? 4 : 8;
    std::u32string result = {U'\\', digits == 2 ? U'x' : digits == 4 ? U'u' : U'U'};
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
      result.push_back(U"0123456789ABCDEF"[(c >> shift) & 0xF]);
    }
    return result;
  }

  /// Whether a fold at `end` has to be escaped so that reading does not add or lose a blank.
  static bool fold_needs_backslash(std::u32string_view text, std::size_t start, std::size_t end) {
    std::size_t space = text.find(U' ', end);
    if (space == std::u32string_view::npos) return true;
    std::size_t newline = text.substr(0, space).find(U'\n', end);
    if (newline != std::u32string_view::npos) space = newline;
    if (space + 1 >= text.size()) return true;
    if (text[space] == '\n' && text[space + 1] != ' ') return true;
    std::u32string_view between = text.substr(end, space - end);
    bool quotes = between.find(U'"') != std::u32string_view::npos ||
                  between.find(U'\'') != std::u32string_view::npos;
    bool two_blanks = text.substr(end - 1, 2) == U"  ";
    return quotes || text[space + 1] == ' ' || text[space + 1] == '\n' || two_blanks ||
           start == end;
  }

  void double_quoted(std::u32string_view text, int indent, bool split) {
    indicator(U"\"", true);
    std::size_t start = 0;
    for (std::size_t end = 0; end <= text.size(); ++end) {
      bool at_end = end == text.size();
      char32_t c = at_end ? 0 : text[end];
      bool plain = !at_end && !is_any(c, U"\"\\\u0085\u2028\u2029\uFEFF") &&
                   ((c >= 0x20 && c <= 0x7E) || is_printable_beyond_ascii(c));
      if (!plain) {
        if (start < end) {
          put(text.substr(start, end - start));
          start = end;
        }
        if (!at_end) {
          put(escape(c));
          start = end + 1;
        }
      }
      bool may_fold = end > 0 && end + 1 < text.size() && (c == ' ' || start >= end);
      int pending = static_cast<int>(end) - static_cast<int>(start);
      if (!may_fold || !split || column_ + pending <= kWidth) continue;
      bool backslash = fold_needs_backslash(text, start, end);
      if (start < end) put(text.substr(start, end - start));
      if (backslash) put(U"\\");
      if (start < end) start = end;
      write_indent(indent);
      whitespace_ = indention_ = false;
      if (text[start] == ' ') {
        if (backslash)
          put(U"\\");
        else
          ++start;
      }
    }
    indicator(U"\"", false);
  }

  std::string out_;
  int base_;
  int column_ = 0;
  bool whitespace_ = true;
  bool indention_ = true;
};

}  // namespace

std::string emit(const Node& node, int indent) {
  return Emitter(indent).finish(node);
}

std::string emit_scalar(const Node& node, int indent, int column) {
  return Emitter(0).scalar_only(node, indent, column);
}

}  // namespace slipway::yaml
