#include <algorithm>

#include "base/text.h"
#include "io/db/connection.h"

namespace slipway::db {
namespace {

constexpr std::size_t kShortBytes = 3;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// As far as it can be decoded: a '%' without two digits stays.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                        hex_digit(text[i + 2]) >= 0;
    decoded +=
        escape ? static_cast<char>(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return decoded;
}

void add_parts(std::vector<std::string>& parts, std::string_view text,
               std::string_view separators) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) {
      parts.emplace_back(text.substr(0, end));
      parts.push_back(percent_decoded(text.substr(0, end)));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void add_values(std::vector<std::string>& parts, std::string_view query) {
  for (std::string_view pair : split(query, '&')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      add_parts(parts, pair, "@:/?");  // no name can be told from its value
      continue;
    }
    add_parts(parts, pair.substr(equals + 1), "=");
    add_parts(parts, pair.substr(equals + 1), "@:/=");
  }
}

/// Everything before the last '@' is taken for user info, even past a '/' or '?': a password that
/// was not escaped may hold any of them. Longest first.
std::vector<std::string> secrets_of(std::string_view uri) {
  const std::size_t scheme = uri.find("://");
  std::string_view rest = scheme == std::string_view::npos ? uri : uri.substr(scheme + 3);
  std::vector<std::string> parts;
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    std::string_view info = rest.substr(0, at);
    parts.emplace_back(info);
    add_parts(parts, info, ":");
    add_parts(parts, info, "@:/?");
    // The whole password, with what separates its parts.
    const std::size_t colon = info.find(':');
    if (colon != std::string_view::npos) add_parts(parts, info.substr(colon + 1), "");
  }
  const std::size_t query = rest.find('?');
  if (query != std::string_view::npos) add_values(parts, rest.substr(query + 1));
  std::erase(parts, "");
  std::sort(parts.begin(), parts.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  return parts;
}

bool is_word_character(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/// Whether `word` stands alone somewhere in `text`.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    const bool starts = at == 0 || !is_word_character(text[at - 1]);
    const bool ends = end == text.size() || !is_word_character(text[end]);
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace

std::string without_secrets(std::string message, std::string_view uri) {
  for (const std::string& secret : secrets_of(uri)) {
    if (secret.size() >= kShortBytes) {
      message = replace_all(message, secret, "***");
    } else if (has_word(message, secret)) {
      return "the reason is left out: it repeats a part of the URI that may be secret";
    }
  }
  return message;
}

}  // namespace slipway::db
