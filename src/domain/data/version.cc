#include "domain/data/version.h"

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/text.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::data {
namespace {

/// Whether joining `path` to a folder stays inside of it.
bool stays_inside(const std::string& path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos) return false;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return true;
}

}  // namespace

bool is_digest(std::string_view md5) {
  if (md5.ends_with(".dir")) md5.remove_suffix(4);
  return md5.size() == 32 && md5.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string Tree::bytes() const {
  std::string out = "[";
  for (const TreeEntry& file : files) {
    if (out.size() > 1) out += ", ";
    out += "{\"md5\": \"";
    out += file.md5;
    out += "\", \"relpath\": ";
    wire::append_quoted(out, file.path, /*ascii=*/true);
    out += "}";
  }
  out += "]";
  return out;
}

std::string Tree::digest() const {
  return md5_hex(bytes()) + ".dir";
}

Result<Tree> Tree::parse(std::string_view bytes) {
  wire::Limits limits;
  limits.bytes_max = std::size_t{1} << 30;
  wire::Json json = TRY(wire::parse(bytes, limits));
  if (!json.is_array()) return invalid("a .dir object must be a list");
  Tree tree;
  tree.files.reserve(json.as_array().size());
  std::set<std::string_view> seen;
  for (const wire::Json& item : json.as_array()) {
    const wire::Json* md5 = item.find("md5");
    const wire::Json* path = item.find("relpath");
    if (md5 == nullptr || path == nullptr || !md5->is_string() || !path->is_string()) {
      return invalid("an entry of a .dir object needs \"md5\" and \"relpath\"");
    }
    if (!is_digest(md5->as_string()) || md5->as_string().size() != 32) {
      return invalid("\"" + md5->as_string() + "\" in a .dir object is no MD5");
    }
    if (!stays_inside(path->as_string())) {
      return invalid("the path \"" + path->as_string() + "\" in a .dir object leaves its folder");
    }
    if (!seen.insert(path->as_string()).second) {
      return invalid("the path \"" + path->as_string() + "\" stands in a .dir object twice");
    }
    tree.files.push_back({path->as_string(), md5->as_string()});
  }
  std::sort(tree.files.begin(), tree.files.end(),
            [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
  return tree;
}

}  // namespace slipway::data
