#include "io/db/statements.h"

namespace slipway::db {
namespace {

/// The length of the quoted text or comment that starts at `sql[at]`; 0 when none does.
std::size_t opaque_length(std::string_view sql, std::size_t at) {
  std::string_view rest = sql.substr(at);
  auto through = [&](std::string_view end, std::size_t from) {
    std::size_t found = rest.find(end, from);
    return found == std::string_view::npos ? rest.size() : found + end.size();
  };
  if (rest.starts_with("--")) return through("\n", 2);
  if (rest.starts_with("/*")) return through("*/", 2);
  // A doubled quote inside is simply the next quoted text.
  if (rest.front() == '\'') return through("'", 1);
  if (rest.front() == '"') return through("\"", 1);
  return 0;
}

}  // namespace

Numbered number_placeholders(std::string_view sql) {
  Numbered numbered;
  numbered.sql.reserve(sql.size() + 16);
  for (std::size_t at = 0; at < sql.size();) {
    if (std::size_t length = opaque_length(sql, at); length > 0) {
      numbered.sql += sql.substr(at, length);
      at += length;
      continue;
    }
    if (sql[at] == '?')
      numbered.sql += "$" + std::to_string(++numbered.placeholders);
    else
      numbered.sql += sql[at];
    ++at;
  }
  return numbered;
}

}  // namespace slipway::db
