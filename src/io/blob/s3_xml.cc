#include "io/blob/s3_xml.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "io/http/message.h"

namespace slipway::blob::s3 {
namespace {

constexpr int kDepthMax = 16;
constexpr std::size_t kElementsMax = 200'000;
constexpr std::size_t kFaultTextBytesMax = 500;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<Element> document() {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
    TRY(skip_misc());
    Element root = TRY(element(1));
    TRY(skip_misc());
    if (!rest_.empty()) return broken("something follows the document");
    return root;
  }

 private:
  static Error broken(const char* why) {
    return invalid(std::string("the answer is no XML that S3 would send: ") + why);
  }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  Result<> skip_past(std::string_view token) {
    const std::size_t at = rest_.find(token);
    if (at == std::string_view::npos) return broken("it ends too early");
    rest_.remove_prefix(at + token.size());
    return {};
  }

  /// Blanks, declarations and comments around the root.
  Result<> skip_misc() {
    while (true) {
      while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
      if (take("<?")) {
        TRY(skip_past("?>"));
      } else if (take("<!--")) {
        TRY(skip_past("-->"));
      } else {
        return {};
      }
    }
  }

  Result<std::string> name() {
    std::size_t end = 0;
    while (end < rest_.size() && !is_space(rest_[end]) && rest_[end] != '>' && rest_[end] != '/' &&
           rest_[end] != '<' && rest_[end] != '=') {
      ++end;
    }
    if (end == 0) return broken("an element has no name");
    std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end);
    const std::size_t colon = name.rfind(':');
    return std::string(colon == std::string_view::npos ? name : name.substr(colon + 1));
  }

  /// Up to and with the '>' of a start tag; whether it was "/>".
  Result<bool> rest_of_tag() {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '>') return false;
      if (c == '/' && take(">")) return true;
      if (c == '<') return broken("a tag is in a tag");
      if (c == '"' || c == '\'') TRY(skip_past(std::string_view(&c, 1)));
    }
    return broken("a tag does not end");
  }

  Result<Element> element(int depth) {
    if (depth > kDepthMax) return broken("it is too deep");
    if (++elements_ > kElementsMax) return broken("it has too many elements");
    if (!take("<")) return broken("an element is missing");
    Element element;
    element.name = TRY(name());
    if (element.name.starts_with('!')) return broken("it has a type of its own");
    if (TRY(rest_of_tag())) return element;
    TRY(content(element, depth));
    return element;
  }

  Result<> content(Element& element, int depth) {
    while (true) {
      const std::size_t tag = rest_.find('<');
      if (tag == std::string_view::npos) return broken("an element does not end");
      TRY(add_text(element.text, rest_.substr(0, tag)));
      rest_.remove_prefix(tag);
      if (take("<!--")) {
        TRY(skip_past("-->"));
      } else if (take("<![CDATA[")) {
        const std::size_t end = rest_.find("]]>");
        if (end == std::string_view::npos) return broken("it ends too early");
        element.text += rest_.substr(0, end);
        rest_.remove_prefix(end + 3);
      } else if (take("</")) {
        if (TRY(name()) != element.name) return broken("an element ends as another");
        while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
        if (!take(">")) return broken("a tag does not end");
        if (!element.children.empty()) element.text.clear();
        return {};
      } else {
        element.children.push_back(TRY(this->element(depth + 1)));
      }
    }
  }

  static Result<> add_text(std::string& out, std::string_view text) {
    while (!text.empty()) {
      const std::size_t ampersand = text.find('&');
      out += text.substr(0, ampersand);
      if (ampersand == std::string_view::npos) return {};
      text.remove_prefix(ampersand + 1);
      const std::size_t end = text.find(';');
      if (end == std::string_view::npos || end > 10) return broken("an entity does not end");
      TRY(add_entity(out, text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    return {};
  }

  static Result<> add_entity(std::string& out, std::string_view entity) {
    constexpr std::pair<std::string_view, char> kKnown[] = {
        {"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    for (const auto& [name, c] : kKnown) {
      if (entity == name) {
        out += c;
        return {};
      }
    }
    if (!entity.starts_with('#')) return broken("an entity is unknown");
    entity.remove_prefix(1);
    const int base = entity.starts_with('x') ? 16 : 10;
    if (base == 16) entity.remove_prefix(1);
    std::uint32_t point = 0;
    const auto read = std::from_chars(entity.data(), entity.data() + entity.size(), point, base);
    const bool whole = read.ec == std::errc() && read.ptr == entity.data() + entity.size();
    const bool is_character = point > 0 && point < 0x110000 && (point < 0xD800 || point > 0xDFFF);
    if (entity.empty() || !whole || !is_character) return broken("an entity is no character");
    append_utf8(out, point);
    return {};
  }

  std::string_view rest_;
  std::size_t elements_ = 0;
};

/// As encoding-type=url writes names: '+' is a blank.
Result<std::string> decoded(std::string_view name) {
  return http::percent_decode(replace_all(std::string(name), "+", " "));
}

}  // namespace

std::string_view Element::text_of(std::string_view child) const {
  for (const Element& element : children) {
    if (element.name == child) return element.text;
  }
  return {};
}

Result<Element> parse_xml(std::string_view document) {
  return Parser(document).document();
}

Result<Listing> parse_listing(std::string_view document) {
  const Element root = TRY(parse_xml(document));
  if (root.name != "ListBucketResult") return invalid("the answer is no listing: " + root.name);
  const bool escapes = root.text_of("EncodingType") == "url";
  const auto name_of = [escapes](std::string_view text) -> Result<std::string> {
    return escapes ? decoded(text) : Result<std::string>(std::string(text));
  };
  Listing listing;
  for (const Element& child : root.children) {
    if (child.name == "Contents") {
      const std::optional<std::int64_t> bytes = to_int64(child.text_of("Size"));
      if (!bytes || *bytes < 0) return invalid("a listed object has no size");
      listing.objects.push_back(
          {TRY(name_of(child.text_of("Key"))), static_cast<std::uint64_t>(*bytes)});
    } else if (child.name == "CommonPrefixes") {
      listing.folders.push_back(TRY(name_of(child.text_of("Prefix"))));
    }
  }
  if (root.text_of("IsTruncated") == "true") {
    listing.next = root.text_of("NextContinuationToken");
    if (listing.next.empty()) return invalid("a listing goes on and does not say where");
  }
  return listing;
}

std::optional<Fault> parse_fault(std::string_view document) {
  const Result<Element> root = parse_xml(document);
  if (!root.ok() || root->name != "Error") return std::nullopt;
  return Fault{std::string(root->text_of("Code").substr(0, kFaultTextBytesMax)),
               std::string(root->text_of("Message").substr(0, kFaultTextBytesMax))};
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        // What XML 1.0 takes only by number, and control characters not even so.
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace slipway::blob::s3
