#include "domain/registry/version_source.h"

#include <cctype>
#include <optional>

#include "base/text.h"

namespace slipway::registry {

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

Result<std::string> unquote_fully(std::string_view source) {
  std::string plain(source);
  for (int round = 0; round < kUnquoteRounds; ++round) {
    std::string next = unquote(plain);
    if (next == plain) return plain;
    plain = std::move(next);
  }
  return refused(source, "It is quoted too many times.");
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

/// What follows "scheme:" or "scheme://authority", without query and fragment.
std::string_view path_of(std::string_view source) {
  std::size_t scheme = scheme_bytes(source);
  if (scheme == 0) return source;
  std::string_view rest = source.substr(scheme + 1);
  rest = rest.substr(0, rest.find_first_of("?#"));
  if (!rest.starts_with("//")) return rest;
  std::size_t slash = rest.find('/', 2);
  return slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
}

Result<> check_path(std::string_view source, std::string_view path) {
  for (char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') {
      return refused(source, "It holds a control character or a backslash.");
    }
  }
  std::vector<std::string_view> segments = split(path, '/');
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i] == "..") return refused(source, "It leaves its folder by '..'.");
    bool at_an_end = i == 0 || i + 1 == segments.size();
    if (segments[i] == "." || (segments[i].empty() && !at_an_end)) {
      return refused(source, "Its path is not normalised.");
    }
  }
  return {};
}

bool lies_in(std::string_view path, std::string_view folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  return path == folder ||
         (path.starts_with(folder) && path.substr(folder.size()).starts_with('/'));
}

}  // namespace

bool is_local_source(std::string_view source) {
  std::size_t scheme = scheme_bytes(source);
  return scheme == 0 || to_lower(source.substr(0, scheme)) == "file";
}

Result<> check_source(std::string_view source, std::string_view artifact_folder) {
  if (source.size() > kSourceBytesMax)
    return invalid("A model version source is longer than 4096 bytes.");
  std::string plain = TRY(unquote_fully(source));
  bool local = is_local_source(source);
  if (local || is_local_source(plain)) {
    bool has_local_folder = !artifact_folder.empty() && is_local_source(artifact_folder);
    bool inside = has_local_folder && lies_in(path_of(plain), path_of(artifact_folder));
    if (!inside) {
      return refused(
          source,
          "To use a local path as a model version source, the run_id request parameter has to be "
          "specified and the local path has to be contained within the artifact directory of the "
          "run "
          "specified by the run_id.");
    }
  }
  // The whole text too: a query or an authority may be a path to whoever reads the source.
  if (plain.find("/../") != std::string::npos) {
    return refused(source, "It leaves its folder by '..'.");
  }
  if (plain.find('\0') != std::string::npos) return refused(source, "It holds a NUL.");
  return check_path(source, path_of(plain));
}

}  // namespace slipway::registry
