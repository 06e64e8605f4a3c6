#include "dialects/mlflow_store/places.h"

#include "base/text.h"
#include "io/blob/blobs.h"
#include "io/http/message.h"

namespace slipway::mlflow_store {
namespace {

constexpr std::string_view kServed = "mlflow-artifacts:";
constexpr std::string_view kFile = "file:";

bool climbs(std::string_view path) {
  for (std::string_view part : split(path, '/'))
    if (part == "..") return true;
  return false;
}

/// "//host/path" and "/path" are "path".
std::string_view path_of(std::string_view rest) {
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    rest.remove_prefix(std::min(rest.find('/'), rest.size()));
  }
  while (rest.starts_with('/')) rest.remove_prefix(1);
  return rest.substr(0, rest.find('?'));
}

bool has_scheme(std::string_view location) {
  const std::size_t colon = location.find(':');
  return colon != std::string_view::npos && location.find('/') > colon;
}

/// As a plain path, without its scheme; nothing for other schemes.
std::optional<std::string> plain_path(std::string_view location) {
  if (location.starts_with(kFile)) {
    std::string_view rest = location.substr(kFile.size());
    if (rest.starts_with("//")) {
      rest.remove_prefix(2);
      if (!rest.starts_with('/') && rest.find('/') != 0 && rest.starts_with("localhost/"))
        rest.remove_prefix(std::string_view("localhost").size());
    }
    Result<std::string> decoded = http::percent_decode(rest);
    if (!decoded.ok() || !decoded->starts_with('/')) return std::nullopt;
    return std::move(*decoded);
  }
  if (has_scheme(location) || location.empty()) return std::nullopt;
  return std::string(location);
}

}  // namespace

std::optional<std::filesystem::path> local_folder(std::string_view location,
                                                  const PlaceOptions& options) {
  if (is_behind_server(location)) {
    std::optional<std::string> key = key_of(location);
    if (!key || options.artifacts_from.empty()) return std::nullopt;
    return options.artifacts_from / *key;
  }
  std::optional<std::string> path = plain_path(location);
  if (!path || climbs(*path) || path->find('\0') != std::string::npos) return std::nullopt;
  return options.here / *path;
}

bool is_behind_server(std::string_view location) {
  return location.starts_with(kServed);
}

std::string normal_place(std::string_view location) {
  std::string place = plain_path(location).value_or(std::string(location));
  while (place.size() > 1 && place.ends_with('/')) place.pop_back();
  return place;
}

std::string location_of(const std::string& key) {
  return std::string(kServed) + "/" + key;
}

std::optional<std::string> key_of(std::string_view location) {
  if (!is_behind_server(location)) return std::nullopt;
  std::string key(path_of(location.substr(kServed.size())));
  while (key.ends_with('/')) key.pop_back();
  if (climbs(key) || (!key.empty() && !blob::check_key(key).ok())) return std::nullopt;
  return key;
}

}  // namespace slipway::mlflow_store
