#include "dialects/mlflow/version_source.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/text.h"
#include "dialects/mlflow/limits.h"
#include "domain/registry/reference.h"

namespace slipway::mlflow {
namespace {

constexpr std::size_t kSourceBytesMax = 4096;
constexpr int kUnquoteRounds = 10;  // more layers of quoting than that have one purpose

std::optional<int> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::string unquote(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : std::nullopt;
    auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
    plain += low ? static_cast<char>(*high * 16 + *low) : text[i];
    if (low) i += 2;
  }
  return plain;
}

Error refused(std::string_view source, std::string_view why) {
  return invalid("Invalid model version source: '" + std::string(source) + "'. " +
                 std::string(why));
}

Error climbs(std::string_view source) {
  return refused(source,
                 "If supplying a source as an http, https, local file path, ftp, objectstore, or "
                 "mlflow-artifacts uri, an absolute path must be provided without relative path "
                 "references present. Please provide an absolute path.");
}

const char* parameter_of(SourceOwner::Kind kind) {
  return kind == SourceOwner::Kind::kRun ? "run_id" : "model_id";
}

Error belongs_to_another(std::string_view source, SourceOwner::Kind kind) {
  return refused(source, "The " + std::string(parameter_of(kind)) +
                             " request parameter must identify the resource that contains the "
                             "source.");
}

Error is_outside(std::string_view source, SourceOwner::Kind kind) {
  const std::string parameter = parameter_of(kind);
  return refused(source,
                 "To use a local path as a model version source, the " + parameter +
                     " request parameter has to be specified and the local path has to be "
                     "contained within the artifact directory of the run specified by the " +
                     parameter + ".");
}

Result<std::string> unquote_fully(std::string_view source) {
  std::string plain(source);
  for (int round = 0; round < kUnquoteRounds; ++round) {
    std::string next = unquote(plain);
    if (next == plain) return plain;
    plain = std::move(next);
  }
  return climbs(source);
}

std::size_t scheme_bytes(std::string_view source) {
  std::size_t colon = source.find(':');
  if (colon == std::string_view::npos || colon == 0) return 0;
  for (char c : source.substr(0, colon)) {
    bool fits = std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
    if (!fits) return 0;
  }
  return colon;
}

std::string scheme_of(std::string_view source) {
  return to_lower(source.substr(0, scheme_bytes(source)));
}

struct Parts {
  std::string authority;
  std::string_view path;
};

/// Of "scheme:path" or "scheme://authority/path", without query and fragment; or of a bare path.
Parts split_source(std::string_view source) {
  std::size_t scheme = scheme_bytes(source);
  if (scheme == 0) return {"", source};
  std::string_view rest = source.substr(scheme + 1);
  rest = rest.substr(0, rest.find_first_of("?#"));
  if (!rest.starts_with("//")) return {"", rest};
  std::size_t slash = std::min(rest.find('/', 2), rest.size());
  return {to_lower(rest.substr(2, slash - 2)), rest.substr(slash)};
}

/// The segments of a path, without empty ones.
std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments = split(path, '/');
  std::erase(segments, std::string_view());
  return segments;
}

bool lies_in(std::string_view path, std::string_view folder) {
  const std::vector<std::string_view> inner = segments_of(path), outer = segments_of(folder);
  return !outer.empty() && inner.size() >= outer.size() &&
         std::equal(outer.begin(), outer.end(), inner.begin());
}

Result<> check_local(std::string_view source, std::string_view plain, const SourceOwner& owner) {
  const bool local_owner = !owner.location.empty() && is_local_source(owner.location);
  if (local_owner && lies_in(split_source(plain).path, split_source(owner.location).path))
    return {};
  const bool unknown = !owner.id.empty() && owner.location.empty();
  return unknown ? belongs_to_another(source, owner.kind) : is_outside(source, owner.kind);
}

/// `plain` is unquoted. Looks at the whole text: a query or an authority may be a path to whoever
/// reads the source.
Result<> check_path(std::string_view source, std::string_view plain) {
  for (char c : plain) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return climbs(source);
  }
  for (std::string_view segment : split(plain, '/')) {
    if (segment == "..") return climbs(source);
  }
  for (std::string_view segment : split(split_source(plain).path, '/')) {
    if (segment == "." || segment == "..") return climbs(source);
  }
  return {};
}

Result<> check_run(std::string_view source, const SourceOwner& owner) {
  const Parts parts = split_source(source);
  const std::vector<std::string_view> segments = segments_of(parts.path);
  const bool named = owner.kind == SourceOwner::Kind::kRun && !owner.id.empty() &&
                     parts.authority.empty() && !segments.empty() && segments[0] == owner.id;
  if (!named) return belongs_to_another(source, owner.kind);
  return {};
}

Result<> check_model(std::string_view source, const SourceOwner& owner) {
  Result<registry::Reference> reference = registry::parse_reference(source);
  const SourceOwner::Kind by = SourceOwner::Kind::kModel;
  if (!reference.ok()) return belongs_to_another(source, by);
  if (reference->logged_model_id.empty()) return {};
  const bool named = owner.kind == by && reference->logged_model_id == owner.id;
  if (!named) return belongs_to_another(source, by);
  return {};
}

Result<> check_artifact(std::string_view source, std::string_view plain, const SourceOwner& owner) {
  const bool ours = scheme_of(owner.location) == "mlflow-artifacts";
  if (ours && lies_in(split_source(plain).path, split_source(owner.location).path)) return {};
  return belongs_to_another(source, owner.kind);
}

}  // namespace

bool is_local_source(std::string_view source) {
  const std::string scheme = scheme_of(source);
  return scheme.empty() || scheme == "file";
}

bool needs_location(std::string_view source) {
  return is_local_source(source) || scheme_of(source) == "mlflow-artifacts";
}

Result<> check_source(std::string_view source, const SourceOwner& owner) {
  if (source.size() > kSourceBytesMax) {
    return invalid("A model version source is longer than 4096 bytes.");
  }
  TRY(check_names_no_host(source, "source"));
  const std::string plain = TRY(unquote_fully(source));
  if (is_local_source(source) || is_local_source(plain)) TRY(check_local(source, plain, owner));
  TRY(check_path(source, plain));
  const std::string scheme = scheme_of(source);
  if (scheme == "runs") return check_run(source, owner);
  if (scheme == "models") return check_model(source, owner);
  if (scheme == "mlflow-artifacts") return check_artifact(source, plain, owner);
  return {};
}

}  // namespace slipway::mlflow
