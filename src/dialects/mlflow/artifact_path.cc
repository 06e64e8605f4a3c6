#include "dialects/mlflow/artifact_path.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "base/text.h"
#include "dialects/mlflow/limits.h"
#include "io/http/message.h"

namespace slipway::mlflow {
namespace {

constexpr int kDecodingsMax = 10;  // more layers of escapes than that have one purpose
constexpr std::string_view kScheme = "mlflow-artifacts:";

constexpr std::string_view kTextExtensions[] = {
    "txt",  "log",   "err",  "cfg",  "conf", "cnf",   "cf",      "ini",      "properties",
    "prop", "hocon", "toml", "yaml", "yml",  "xml",   "json",    "js",       "py",
    "py3",  "csv",   "tsv",  "md",   "rst",  "ipynb", "MLmodel", "MLproject"};
constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {"html", "text/html"},
    {"htm", "text/html"},
    {"css", "text/css"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"svg", "image/svg+xml"},
    {"bmp", "image/bmp"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"webp", "image/webp"},
    {"ico", "image/vnd.microsoft.icon"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"tar", "application/x-tar"},
    {"tgz", "application/x-tar"},
    {"mp3", "audio/mpeg"},
    {"wav", "audio/x-wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
    {"doc", "application/msword"},
    {"h5", "application/x-hdf5"},
    {"wasm", "application/wasm"},
};
/// A name that ends so is of the type of what it packs: "a.tar.gz" is a tar.
constexpr std::string_view kPackings[] = {"gz", "bz2", "xz", "Z"};

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_safe(std::string_view path) {
  const bool drive = path.size() > 2 && std::isalpha(static_cast<unsigned char>(path[0])) &&
                     path[1] == ':' && path[2] == '/';
  if (path.starts_with('/') || drive || to_lower(path.substr(0, 5)) == "file:") return false;
  if (path.find_first_of("#\\") != std::string_view::npos) return false;
  if (std::ranges::any_of(path, is_control)) return false;
  const std::vector<std::string_view> segments = split(path, '/');
  return std::ranges::find(segments, "..") == segments.end();
}

Error invalid_path() {
  return invalid("Invalid path");
}

/// Of the last extension, without its dot; of a name without one, the name.
std::string_view extension_of(std::string_view name) {
  const std::size_t dot = name.find_last_of('.');
  const bool none = dot == std::string_view::npos || dot == 0;
  return none ? name : name.substr(dot + 1);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

/// Until nothing is left to decode. Safe at every step, and at the end valid UTF-8.
Result<std::string> decode_fully(std::string_view path) {
  std::string decoded(path);
  for (int round = 0;; ++round) {
    if (round == kDecodingsMax || !is_safe(decoded)) return invalid_path();
    Result<std::string> again = http::percent_decode(decoded);
    // A '%' that escapes nothing is a plain one.
    if (!again.ok() || *again == decoded) break;
    decoded = std::move(*again);
  }
  if (!is_valid_utf8(decoded)) return invalid_path();
  return decoded;
}

std::string quoted_unless_token(std::string_view text) {
  if (is_token(text)) return std::string(text);
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

Result<std::string> safe_path(std::string_view path) {
  std::string normal = normal_path(TRY(decode_fully(path)));
  return normal == "." ? std::string() : normal;
}

Result<std::string> path_to_write(std::string_view path) {
  const std::string decoded = TRY(decode_fully(path));
  std::string normal = normal_path(decoded);
  if (decoded.empty() || normal == "." || decoded.ends_with('/')) {
    return invalid("Artifact path must include a filename (cannot end with '/').");
  }
  if (normal == decoded) return normal;
  return invalid("Invalid artifact path: '" + decoded +
                 "'. Names may be treated as files in certain cases, and must not resolve to other "
                 "names when treated as such. This name would resolve to '" +
                 normal + "'");
}

Result<std::string> artifact_key(std::string_view location) {
  const bool ours = location.starts_with(kScheme) && !location.starts_with("mlflow-artifacts://");
  if (!ours) {
    return Error{
        Code::kConflict,
        "The files are at '" + std::string(location) + "', not in this server's artifact store.",
        "not_servable"};
  }
  location.remove_prefix(kScheme.size());
  while (location.starts_with('/')) location.remove_prefix(1);
  return safe_path(location.substr(0, location.find('?')));
}

std::string below(const std::string& root, const std::string& path) {
  return root.empty() || path.empty() ? root + path : root + "/" + path;
}

std::string_view content_type_of(std::string_view name) {
  constexpr std::string_view kUnknown = "application/octet-stream";
  std::string_view extension = extension_of(name);
  if (std::ranges::find(kTextExtensions, extension) != std::end(kTextExtensions)) {
    return "text/plain";
  }
  if (std::ranges::find(kPackings, extension) != std::end(kPackings) && extension != name) {
    name.remove_suffix(extension.size() + 1);
    extension = extension_of(name);
  }
  if (extension == name) return kUnknown;
  const std::string lower = to_lower(extension);
  for (const auto& [known, type] : kTypes) {
    if (known == lower) return type;
  }
  return kUnknown;
}

std::string attachment(std::string_view name) {
  std::string plain;
  for (char c : name) {
    if ((c & 0x80) == 0) plain += c;
  }
  if (plain == name) return "attachment; filename=" + quoted_unless_token(name);
  if (plain.empty()) plain = "download";
  return "attachment; filename=" + quoted_unless_token(plain) + "; filename*=UTF-8''" +
         http::percent_encode(name, "!#$&+-.^_`|~");
}

}  // namespace slipway::mlflow
