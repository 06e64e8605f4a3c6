#include "dialects/mlflow/limits.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/text.h"
#include "dialects/mlflow/errors.h"
#include "io/http/message.h"

namespace slipway::mlflow {
namespace {

constexpr std::string_view kBadCharacters =
    "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
    "spaces ( ), colon(:) and slashes (/).";
constexpr std::string_view kBadPath =
    "Names may be treated as files in certain cases, and must not resolve to other names when "
    "treated as such. This name would resolve to '";

struct Span {
  std::uint32_t first, last;
};
/// Blocks beyond ASCII that hold no letters and digits: punctuation, symbols, marks, private use.
/// Coarse: a rare letter among symbols is refused, a rare symbol among letters is taken.
constexpr Span kNoWords[] = {
    {0x0080, 0x00a9},    {0x00ab, 0x00b1}, {0x00b4, 0x00b4}, {0x00b6, 0x00b8},   {0x00bb, 0x00bb},
    {0x00bf, 0x00bf},    {0x00d7, 0x00d7}, {0x00f7, 0x00f7}, {0x0300, 0x036f},   {0x2000, 0x206f},
    {0x20a0, 0x20ff},    {0x2190, 0x245f}, {0x2500, 0x2775}, {0x2794, 0x2bff},   {0x2e00, 0x2e7f},
    {0x3000, 0x3004},    {0x3008, 0x3020}, {0x3030, 0x3030}, {0xd800, 0xf8ff},   {0xfe00, 0xfe6f},
    {0xff01, 0xff0f},    {0xff1a, 0xff20}, {0xfff0, 0xffff}, {0x1f000, 0x1f0ff}, {0x1f200, 0x1faff},
    {0xe0000, 0x10ffff},
};

/// The code point that starts at `at`, which is moved behind it. Of valid UTF-8.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto first = static_cast<unsigned char>(text[at++]);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  std::uint32_t point = first & (0x3fu >> more);
  for (int i = 0; i < more && at < text.size(); ++i) {
    point = point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3fu);
  }
  return point;
}

bool is_word(std::uint32_t point) {
  if (point < 0x80) {
    return (point >= '0' && point <= '9') || (point >= 'a' && point <= 'z') ||
           (point >= 'A' && point <= 'Z') || point == '_';
  }
  for (const Span& span : kNoWords) {
    if (point >= span.first && point <= span.last) return false;
  }
  return true;
}

bool has_name_characters(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const std::uint32_t point = next_code_point(name, at);
    const bool mark = point < 0x80 && std::string_view("/.- :").find(static_cast<char>(point)) !=
                                          std::string_view::npos;
    if (!mark && !is_word(point)) return false;
  }
  return true;
}

bool has_only(std::string_view text, std::string_view marks) {
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || (!is_word(byte) && marks.find(c) == std::string_view::npos)) return false;
  }
  return true;
}

/// "s3" of "s3://b/c"; "" of a path.
std::string scheme_of(std::string_view location) {
  const std::size_t colon = location.find(':');
  if (colon == std::string_view::npos || !has_only(location.substr(0, colon), "+.-")) return "";
  return to_lower(location.substr(0, colon));
}

/// Percent-decoded until nothing is left to decode, at most ten times.
std::string decode_fully(std::string_view text) {
  std::string decoded(text);
  for (int i = 0; i < 10; ++i) {
    Result<std::string> again = http::percent_decode(decoded);
    if (!again.ok() || *again == decoded) break;
    decoded = std::move(*again);
  }
  return decoded;
}

// The server would have to ask the host that such a location names.
constexpr std::string_view kHostSchemes[] = {"http",   "https", "ftp", "sftp", "hdfs",
                                             "viewfs", "r2",    "b2",  "abfss"};

// Whose last segment may end with parameters, "x;p"; to other schemes that is a name.
constexpr std::string_view kSchemesWithParameters[] = {
    "",     "ftp",   "hdl",   "prospero", "http", "imap", "https", "shttp",
    "rtsp", "rtsps", "rtspu", "sip",      "sips", "mms",  "sftp",  "tel"};

/// `location` is without its query.
bool has_parameters(std::string_view location) {
  const std::string scheme = scheme_of(location);
  if (std::ranges::find(kSchemesWithParameters, scheme) == std::end(kSchemesWithParameters)) {
    return false;
  }
  std::string_view path = location.substr(scheme.empty() ? 0 : scheme.size() + 1);
  if (path.starts_with("//")) path = path.substr(std::min(path.find('/', 2), path.size()));
  const std::size_t last = path.rfind('/');
  const std::size_t mark = path.find(';', last == std::string_view::npos ? 0 : last);
  return mark != std::string_view::npos && mark + 1 < path.size();
}

bool names_a_host(std::string_view location, std::string_view scheme) {
  for (std::string_view host : kHostSchemes) {
    if (scheme == host) return true;
  }
  // This server's own artifacts have no host in their locations.
  return scheme == "mlflow-artifacts" && location.substr(scheme.size()).starts_with("://");
}

/// file://HOST/x is no file of this machine; file://localhost/x is.
Result<> check_file_host(std::string_view location) {
  constexpr std::string_view kStart = "file://";
  if (to_lower(location.substr(0, kStart.size())) != kStart) return {};
  const std::string_view rest = location.substr(kStart.size());
  const std::string host = to_lower(rest.substr(0, rest.find('/')));
  if (host.empty() || host == "localhost") return {};
  return invalid("'artifact_location' names the host '" + host.substr(0, 100) +
                 "': write a folder of the server's own machine as 'file:///folder'.");
}

}  // namespace

std::string normal_path(std::string_view path) {
  if (path.empty()) return ".";
  const bool rooted = path.starts_with('/');
  // POSIX: exactly two slashes at the start mean something of their own.
  const bool two = path.starts_with("//") && !path.starts_with("///");
  std::vector<std::string> parts;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    const bool up = part == "..";
    if (!up || (!rooted && parts.empty()) || (!parts.empty() && parts.back() == ".."))
      parts.emplace_back(part);
    else if (!parts.empty())
      parts.pop_back();
  }
  std::string normal = (rooted ? (two ? "//" : "/") : "") + join(parts, "/");
  return normal.empty() ? "." : normal;
}

Result<> check_name(std::string_view name, std::string_view path) {
  if (!is_valid_utf8(name) || !has_name_characters(name)) {
    return invalid_value(path, name, kBadCharacters);
  }
  const std::string normal = normal_path(name);
  if (normal != name || normal == "." || normal.starts_with("..") || normal.starts_with('/')) {
    return invalid_value(path, name, std::string(kBadPath) + normal + "'");
  }
  return {};
}

Result<> check_length(std::string_view value, std::size_t max, std::string_view name) {
  if (value.size() <= max || count_code_points(value) <= max) return {};
  return invalid("'" + std::string(name) + "' exceeds the maximum length of " +
                 std::to_string(max) + " characters");
}

void truncate(std::string& value, std::size_t max) {
  if (value.size() > max) value.resize(take_code_points(value, max).size());
}

Result<> check_batch_size(std::size_t count, std::size_t max, std::string_view what) {
  if (count <= max) return {};
  const std::string name(what);
  return invalid("A batch logging request can contain at most " + std::to_string(max) + " " + name +
                 ". Got " + std::to_string(count) + " " + name + ". Please split up " + name +
                 " across multiple requests and try again.");
}

Result<> check_run_id(std::string_view run_id) {
  const bool good = !run_id.empty() && run_id.size() <= 256 && has_only(run_id, "-") &&
                    run_id.front() != '-' && run_id.front() != '_';
  if (!good) return invalid_value("run_id", run_id, "");
  return {};
}

Result<std::int64_t> to_experiment_id(std::string_view text) {
  if (std::optional<std::int64_t> id = to_int64(text)) return *id;
  return invalid("Invalid experiment ID '" + std::string(text.substr(0, 100)) +
                 "'. Experiment ID must be a valid integer.");
}

Result<> check_names_no_host(std::string_view location, std::string_view parameter) {
  const std::string scheme = scheme_of(location);
  if (!names_a_host(location, scheme)) return {};
  return invalid("'" + std::string(parameter) + "' cannot use the '" + scheme + "' scheme: the '" +
                 scheme +
                 "' scheme addresses a host other than the tracking server's configured artifact "
                 "storage, so the server would connect to the host named in the URI.");
}

Result<> check_artifact_location(std::string_view location) {
  const std::size_t query = location.find('?');
  if (location.find('#') != std::string_view::npos || has_parameters(location.substr(0, query))) {
    return invalid("'artifact_location' URL can't include fragments or params.");
  }
  if (query != std::string_view::npos &&
      decode_fully(location.substr(query)).find("..") != std::string::npos) {
    return invalid("Invalid query string");
  }
  TRY(check_names_no_host(location, "artifact_location"));
  TRY(check_file_host(location));
  if (location.starts_with("runs:")) {
    return invalid("Artifact location cannot be a runs:/ URI. Given: '" + std::string(location) +
                   "'");
  }
  if (count_code_points(location) <= kArtifactLocationMax) return {};
  return invalid(
      "Invalid artifact path length. The length of the artifact path cannot be greater than " +
      std::to_string(kArtifactLocationMax) + " characters.");
}

}  // namespace slipway::mlflow
