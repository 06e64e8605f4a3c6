#include "io/blob/s3_xml.h"

#include <expat.h>

#include <limits>
#include <memory>
#include <type_traits>

#include "base/text.h"
#include "io/http/message.h"

namespace slipway::blob::s3 {
namespace {

constexpr std::size_t kDepthMax = 16;
constexpr std::size_t kElementsMax = 200'000;
constexpr std::size_t kFaultTextBytesMax = 500;

Error broken(const std::string& why) {
  return invalid("the answer is no XML that S3 would send: " + why);
}

/// Builds the elements as expat meets them.
class Builder {
 public:
  Result<Element> build(std::string_view document) {
    if (document.size() > std::numeric_limits<int>::max()) return broken("it is too long");
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), on_start, on_end);
    XML_SetCharacterDataHandler(parser_.get(), on_text);
    XML_SetStartDoctypeDeclHandler(parser_.get(), on_type);
    const int length = static_cast<int>(document.size());
    const bool whole =
        XML_Parse(parser_.get(), document.data(), length, XML_TRUE) == XML_STATUS_OK;
    if (!refused_.empty()) return broken(refused_);
    if (!whole) return broken(XML_ErrorString(XML_GetErrorCode(parser_.get())));
    return std::move(top_.children.front());
  }

 private:
  static Builder& self(void* data) { return *static_cast<Builder*>(data); }
  static void on_start(void* data, const XML_Char* name, const XML_Char**) {
    self(data).start(name);
  }
  // An element that was refused may still be told to end.
  static void on_end(void* data, const XML_Char*) {
    if (self(data).refused_.empty()) self(data).end();
  }
  static void on_text(void* data, const XML_Char* text, int length) {
    self(data).open_.back()->text.append(text, static_cast<std::size_t>(length));
  }
  /// A type of its own could name entities that grow or lie elsewhere.
  static void on_type(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    self(data).refuse("it has a type of its own");
  }

  void start(std::string_view name) {
    if (open_.size() > kDepthMax) return refuse("it is too deep");
    if (++elements_ > kElementsMax) return refuse("it has too many elements");
    const std::size_t colon = name.rfind(':');
    const bool is_prefixed = colon != std::string_view::npos && colon + 1 < name.size();
    Element& element = open_.back()->children.emplace_back();
    element.name = is_prefixed ? name.substr(colon + 1) : name;
    open_.push_back(&element);
  }
  void end() {
    Element& element = *open_.back();
    if (!element.children.empty()) element.text.clear();
    open_.pop_back();
  }
  void refuse(const char* why) {
    if (refused_.empty()) refused_ = why;
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  struct Free {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };
  std::unique_ptr<std::remove_pointer_t<XML_Parser>, Free> parser_{XML_ParserCreate("UTF-8")};
  Element top_;                         // holds the document's own
  std::vector<Element*> open_{&top_};  // an element grows no sibling while it is open
  std::size_t elements_ = 0;
  std::string refused_;
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
  return Builder().build(document);
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
