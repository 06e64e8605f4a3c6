#include "io/blob/s3_place.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "io/http/message.h"

namespace slipway::blob::s3 {
namespace {

constexpr std::uint64_t kConfigBytesMax = 1u << 20;
constexpr std::string_view kScheme = "s3://";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string value_of(const Environment& environment, const std::string& variable) {
  return environment(variable).value_or("");
}

std::string file_of(const Environment& environment, const std::string& variable,
                    const char* in_home) {
  std::string path = value_of(environment, variable);
  const std::string home = value_of(environment, "HOME");
  if (path.empty()) return home.empty() ? "" : home + "/.aws/" + in_home;
  if (path.starts_with("~/")) path = home + path.substr(1);
  return path;
}

std::string profile_of(const Environment& environment) {
  std::string profile = value_of(environment, "AWS_PROFILE");
  if (profile.empty()) profile = value_of(environment, "AWS_DEFAULT_PROFILE");
  return profile.empty() ? "default" : profile;
}

/// Of a file that is not there nothing is known.
Result<Sections> read_config(const std::string& path) {
  if (path.empty()) return Sections();
  Result<std::string> text = read_file(path, kConfigBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) return Sections();
  if (!text.ok()) return text.error();
  Result<Sections> sections = parse_config(*text);
  if (!sections.ok()) return invalid(path + ": " + sections.error().message);
  return sections;
}

/// In the config file all sections but the default are called "profile NAME".
Result<std::map<std::string, std::string>> config_profile(const Environment& environment) {
  Sections sections = TRY(read_config(file_of(environment, "AWS_CONFIG_FILE", "config")));
  const std::string profile = profile_of(environment);
  auto found = sections.find("profile " + profile);
  if (found == sections.end()) found = sections.find(profile);
  return found == sections.end() ? std::map<std::string, std::string>() : found->second;
}

bool is_bucket(std::string_view name) {
  return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '-' || c == '_';
         });
}

/// "https://host:9000" with nothing behind it but a slash.
Result<> read_endpoint(std::string_view endpoint, Place& place) {
  std::string_view rest = endpoint;
  for (const std::string_view scheme : {std::string_view("https"), std::string_view("http")}) {
    if (!rest.starts_with(std::string(scheme) + "://")) continue;
    place.scheme = scheme;
    rest.remove_prefix(scheme.size() + 3);
    break;
  }
  while (rest.ends_with('/')) rest.remove_suffix(1);
  const bool ok = !place.scheme.empty() && !rest.empty() &&
                  rest.find_first_of("/?#@ \t\r\n") == std::string_view::npos;
  if (endpoint.find('@') != std::string_view::npos) {
    return invalid("an endpoint of S3 says no user; credentials come from the environment or ~/.aws");
  }
  if (!ok) {
    return invalid("an endpoint of S3 is http:// or https:// with a host and perhaps a port, not '" +
                   std::string(endpoint) + "'");
  }
  const std::string_view own_port = place.scheme == "https" ? ":443" : ":80";
  if (rest.ends_with(own_port)) rest.remove_suffix(own_port.size());
  place.host = rest;
  return {};
}

struct Wishes {
  std::string endpoint, region, style;
};

Result<Wishes> read_wishes(std::string_view query) {
  Wishes wishes;
  for (const auto& [name, value] : TRY(http::parse_query(query))) {
    std::string* wish = name == "endpoint" ? &wishes.endpoint
                        : name == "region" ? &wishes.region
                        : name == "style"  ? &wishes.style
                                           : nullptr;
    if (wish == nullptr) {
      return invalid("an address of S3 has endpoint, region and style behind its '?', not '" + name +
                     "'");
    }
    *wish = value;
  }
  if (wishes.style.empty() || wishes.style == "path" || wishes.style == "virtual") return wishes;
  return invalid("the style of S3 addresses is path or virtual, not '" + wishes.style + "'");
}

std::string first_of(std::initializer_list<std::string> values) {
  for (const std::string& value : values) {
    if (!value.empty()) return value;
  }
  return "";
}

}  // namespace

bool is_uri(std::string_view text) {
  return text.starts_with(kScheme);
}

Result<Place> place_of(std::string_view uri, const Environment& environment) {
  if (!is_uri(uri)) return invalid("'" + std::string(uri) + "' is no address of S3 (s3://BUCKET)");
  std::string_view rest = uri.substr(kScheme.size());
  const std::size_t question = rest.find('?');
  Wishes wishes = TRY(
      read_wishes(question == std::string_view::npos ? "" : rest.substr(question + 1)));
  rest = rest.substr(0, question);
  Place place;
  const std::size_t slash = rest.find('/');
  place.bucket = rest.substr(0, slash);
  if (!is_bucket(place.bucket)) {
    return invalid("'" + place.bucket + "' in '" + std::string(uri) + "' is no name of a bucket");
  }
  std::string_view prefix = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  place.prefix = prefix;

  auto profile = TRY(config_profile(environment));
  const bool ignore = value_of(environment, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") == "true";
  if (!ignore) {
    wishes.endpoint = first_of({wishes.endpoint, value_of(environment, "AWS_ENDPOINT_URL_S3"),
                                value_of(environment, "AWS_ENDPOINT_URL"),
                                profile["endpoint_url"]});
  }
  wishes.style = first_of({wishes.style, profile["s3.addressing_style"]});
  place.region = first_of({wishes.region, value_of(environment, "AWS_REGION"),
                           value_of(environment, "AWS_DEFAULT_REGION"), profile["region"],
                           "us-east-1"});
  const bool amazon = wishes.endpoint.empty();
  // A dot in the bucket's name would be one level too many for the certificate of TLS.
  place.virtual_host = wishes.style == "virtual" ||
                       (wishes.style != "path" && amazon && place.bucket.find('.') == std::string::npos);
  TRY(read_endpoint(amazon ? "https://s3." + place.region + ".amazonaws.com" : wishes.endpoint,
                    place));
  if (place.virtual_host) place.host = place.bucket + "." + place.host;
  return place;
}

Result<Credentials> find_credentials(const Environment& environment) {
  Credentials found{value_of(environment, "AWS_ACCESS_KEY_ID"),
                    value_of(environment, "AWS_SECRET_ACCESS_KEY"),
                    value_of(environment, "AWS_SESSION_TOKEN")};
  if (!found.key_id.empty() && !found.secret.empty()) return found;
  const std::string file = file_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  const std::string name = profile_of(environment);
  Sections sections = TRY(read_config(file));
  for (auto profile : {sections[name], TRY(config_profile(environment))}) {
    found = {profile["aws_access_key_id"], profile["aws_secret_access_key"],
             profile["aws_session_token"]};
    if (!found.key_id.empty() && !found.secret.empty()) return found;
  }
  return invalid("there are no credentials for S3: neither AWS_ACCESS_KEY_ID and "
                 "AWS_SECRET_ACCESS_KEY in the environment nor a profile '" +
                 name + "' with aws_access_key_id and aws_secret_access_key in " +
                 (file.empty() ? "~/.aws/credentials" : file));
}

Result<Sections> parse_config(std::string_view text) {
  Sections sections;
  std::string section, outer;
  std::size_t number = 0;
  for (const std::string_view whole : split(text, '\n')) {
    ++number;
    const bool inner = !whole.empty() && is_blank(whole.front());
    const std::string_view line = trimmed(whole);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const std::size_t end = line.find(']');
      if (end == std::string_view::npos) {
        return invalid("line " + std::to_string(number) + " begins a section and does not end it");
      }
      section = trimmed(line.substr(1, end - 1));
      sections[section];
      outer.clear();
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return invalid("line " + std::to_string(number) + " is no 'key = value'");
    }
    const std::string key = to_lower(trimmed(line.substr(0, equals)));
    const std::string value(trimmed(line.substr(equals + 1)));
    const bool nested = inner && !outer.empty();
    sections[section][nested ? outer + "." + key : key] = value;
    if (!nested) outer = value.empty() ? key : "";
  }
  return sections;
}

}  // namespace slipway::blob::s3
