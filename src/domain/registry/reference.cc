#include "domain/registry/reference.h"

#include <vector>

#include "base/text.h"

namespace slipway::registry {
namespace {

constexpr std::string_view kScheme = "models:";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Error improper(std::string_view uri) {
  return invalid("Not a proper models:/ URI: " + std::string(uri) +
                 ". Models URIs must be of the form 'models:/name/suffix' or "
                 "'models:/name@alias' where suffix is a version, stage, or the string 'latest' "
                 "and where alias is a registered model alias. Only one of suffix or alias can be "
                 "defined at a time.");
}

Result<Reference> parse_suffix(std::string_view uri, std::string_view name,
                               std::string_view suffix) {
  Reference reference;
  reference.model = name;
  if (trim(suffix).empty()) return improper(uri);
  if (is_number(suffix)) {
    reference.number = to_int64(suffix);
    if (!reference.number) return improper(uri);
  } else if (to_lower(suffix) != "latest") {
    reference.stage = suffix;
  }
  return reference;
}

}  // namespace

bool is_reference(std::string_view uri) {
  return to_lower(uri.substr(0, kScheme.size())) == kScheme;
}

Result<Reference> parse_reference(std::string_view uri) {
  if (!is_reference(uri)) return improper(uri);
  std::string_view path = uri.substr(kScheme.size());
  if (path.size() < 2 || path[0] != '/' || path[1] == '/') return improper(uri);
  path.remove_prefix(1);
  std::vector<std::string_view> parts = split(path, '/');
  if (parts.size() > 2 || trim(parts[0]).empty()) return improper(uri);
  if (parts.size() == 2) return parse_suffix(uri, parts[0], parts[1]);

  Reference reference;
  std::size_t at = path.rfind('@');
  if (at == std::string_view::npos) {
    reference.logged_model_id = path;
    return reference;
  }
  reference.model = path.substr(0, at);
  reference.alias = path.substr(at + 1);
  if (trim(reference.alias).empty() || reference.model.empty()) return improper(uri);
  return reference;
}

}  // namespace slipway::registry
