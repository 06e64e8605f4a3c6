#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/bytes8.h"
#include "io/wire/json.h"
#include "io/wire/output.h"

namespace slipway::wire {

namespace {

constexpr char kHex[] = "0123456789abcdef";

void append_u(std::string& out, std::uint32_t unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 0xf];
}

void append_control(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      append_u(out, c);
  }
}

/// Writes the code point at `at` as one or two \u; a byte that is no UTF-8 becomes U+FFFD. Returns
/// its length.
std::size_t append_escaped(std::string& out, std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  std::uint32_t first = byte(0);
  std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) {
    append_u(out, 0xfffd);
    return 1;
  }
  std::uint32_t c = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) {
      append_u(out, 0xfffd);
      return 1;
    }
    c = (c << 6) | (byte(i) & 0x3f);
  }
  if (c < 0x10000) {
    append_u(out, c);
  } else {
    append_u(out, 0xd800 + ((c - 0x10000) >> 10));
    append_u(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
  }
  return length;
}

struct NeedsEscape {
  bool table[256] = {};
  constexpr NeedsEscape() {
    for (int i = 0; i < 0x20; ++i) table[i] = true;
    table[static_cast<int>('"')] = table[static_cast<int>('\\')] = true;
  }
};
constexpr NeedsEscape kNeedsEscape;

class Dumper {
 public:
  Dumper(std::string& out, const DumpStyle& style) : out_(out), style_(style) {}

  void value(const Json& v, int depth) {
    if (v.is_null())
      out_ += "null";
    else if (v.is_bool())
      out_ += v.as_bool() ? "true" : "false";
    else if (v.is_number())
      number(v);
    else if (v.is_string())
      append_quoted(out_, v.as_string(), style_.ascii);
    else if (v.is_array())
      array(v.as_array(), depth);
    else
      object(v.as_object(), depth);
  }

 private:
  void number(const Json& v) {
    if (!v.is_integer())
      append_number(out_, v.as_double(), style_.non_finite_as_string);
    else if (v.is_uint64())
      append_integer(out_, static_cast<std::uint64_t>(v.as_int64()));
    else
      append_integer(out_, v.as_int64());
  }
  void array(const Json::Array& items, int depth) {
    out_ += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      separate(i == 0, depth + 1);
      value(items[i], depth + 1);
    }
    if (!items.empty()) break_line(depth);
    out_ += ']';
  }
  void object(const Json::Object& members, int depth) {
    std::vector<const Json::Member*> order;
    order.reserve(members.size());
    for (const Json::Member& member : members) order.push_back(&member);
    if (style_.sort_keys) {
      std::sort(order.begin(), order.end(),
                [](const Json::Member* a, const Json::Member* b) { return a->first < b->first; });
    }
    out_ += '{';
    for (std::size_t i = 0; i < order.size(); ++i) {
      separate(i == 0, depth + 1);
      append_quoted(out_, order[i]->first, style_.ascii);
      out_ += style_.spaces || style_.indent > 0 ? ": " : ":";
      value(order[i]->second, depth + 1);
    }
    if (!order.empty()) break_line(depth);
    out_ += '}';
  }
  void separate(bool first, int depth) {
    if (!first) out_ += style_.spaces && style_.indent == 0 ? ", " : ",";
    break_line(depth);
  }
  void break_line(int depth) {
    if (style_.indent > 0) append_line_break(out_, style_.indent * depth);
  }

  std::string& out_;
  const DumpStyle& style_;
};

/// Not 0 when one of eight bytes may need an escape.
constexpr auto kMaybeEscaped = [](std::uint64_t word) {
  return bytes8::any_below(word, 0x20) | bytes8::any_equal(word, '"') |
         bytes8::any_equal(word, '\\') | bytes8::any_equal(word, 0x7f) | bytes8::any_high(word);
};

}  // namespace

void append_quoted(std::string& out, std::string_view text, bool ascii) {
  out += '"';
  std::size_t plain = 0;
  std::size_t i = bytes8::none(text, kMaybeEscaped) ? text.size() : 0;
  while (i < text.size()) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (!kNeedsEscape.table[c] && (c < 0x7f || !ascii)) {
      ++i;
      continue;
    }
    out.append(text, plain, i - plain);
    if (c < 0x80)
      append_control(out, c), ++i;
    else
      i += append_escaped(out, text, i);
    plain = i;
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

void append_double(std::string& out, double value) {
  append_number(out, value, false);
}

void append_number(std::string& out, double value, bool non_finite_as_string) {
  if (!std::isfinite(value)) {
    std::string_view word = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    if (non_finite_as_string) out += '"';
    out += word;
    if (non_finite_as_string) out += '"';
    return;
  }
  // Python's repr: the shortest digits that read back, with an exponent below 1e-4 and from 1e16
  // on.
  char buffer[64];
  double magnitude = std::fabs(value);
  bool fixed = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  char* end = std::to_chars(buffer, buffer + sizeof buffer, value,
                            fixed ? std::chars_format::fixed : std::chars_format::scientific)
                  .ptr;
  std::string_view digits(buffer, static_cast<std::size_t>(end - buffer));
  out += digits;
  if (fixed && digits.find('.') == std::string_view::npos) out += ".0";
}

void append_integer(std::string& out, std::int64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}
void append_integer(std::string& out, std::uint64_t value) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_line_break(std::string& out, int blanks) {
  out += '\n';
  out.append(static_cast<std::size_t>(blanks), ' ');
}

void append_json(std::string& out, const Json& value, const DumpStyle& style, int depth) {
  Dumper(out, style).value(value, depth);
}

std::string dump(const Json& value, const DumpStyle& style) {
  std::string out;
  append_json(out, value, style, 0);
  return out;
}

}  // namespace slipway::wire
