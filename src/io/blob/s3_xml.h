#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The answers of S3, which are small XML documents. Pure. Internal to this folder.
namespace slipway::blob::s3 {

struct Element {
  std::string name;  // without a prefix of a namespace
  std::string text;  // of an element without others in it
  std::vector<Element> children;

  /// The text of the first child of that name; empty when there is none.
  std::string_view text_of(std::string_view child) const;
};

/// kInvalid for what is no well-formed document without a type of its own, is deeper than 16 levels
/// or has more than 200,000 elements. Attributes are skipped.
Result<Element> parse_xml(std::string_view document);

struct ListedObject {
  std::string name;
  std::uint64_t bytes = 0;
};
/// A page of ListObjectsV2 with encoding-type=url.
struct Listing {
  std::vector<ListedObject> objects;
  std::vector<std::string> folders;  // prefixes that several share
  std::string next;                  // continuation token; empty at the end
};
Result<Listing> parse_listing(std::string_view document);

/// "NoSuchKey: The specified key does not exist."; empty when it is no error.
struct Fault {
  std::string code, message;
};
std::optional<Fault> parse_fault(std::string_view document);

/// What <Text> stands for.
std::string escape_xml(std::string_view text);

}  // namespace slipway::blob::s3
