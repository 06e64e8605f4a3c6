#include "io/table/names.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace slipway::table {
namespace {

constexpr std::size_t kShownMax = 100;  // bytes of a name

std::string shown(const std::string& name) {
  if (name.empty()) return "without a name";
  if (name.size() <= kShownMax) return "'" + name + "'";
  std::size_t cut = kShownMax;
  while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) --cut;
  return "'" + name.substr(0, cut) + " ...'";
}

}  // namespace

std::size_t columns_of_line(std::string_view line) {
  std::size_t most = 0;
  for (const char* separator = kSeparators; *separator != '\0'; ++separator) {
    std::size_t found = 0;
    bool quoted = false;
    for (const char letter : line) {
      if (letter == '"') quoted = !quoted;
      found += letter == *separator && !quoted;
    }
    most = std::max(most, found);
  }
  return most + 1;
}

bool may_be_renamed(const std::vector<std::string>& names) {
  std::set<std::string> known;
  for (const std::string& name : names) known.insert(to_lower(name));
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const std::size_t end = name.find_last_not_of("0123456789");
    if (end == std::string::npos || end + 1 == name.size() || name[end] != '_') return false;
    return known.contains(to_lower(name.substr(0, end)));
  });
}

std::optional<std::string> collision_of(const std::vector<std::string>& names) {
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < names.size(); ++i) {
    // A column without a name is called so by DuckDB.
    const std::string called = names[i].empty() ? "column" + std::to_string(i) : names[i];
    const auto [at, is_new] = places.emplace(to_lower(called), i);
    if (is_new) continue;
    const std::string& first = names[at->second];
    const std::string one = std::to_string(at->second + 1), other = std::to_string(i + 1);
    if (first == names[i])
      return "columns " + one + " and " + other + " are both named " + shown(first);
    const bool by_case = !first.empty() && !names[i].empty();
    return "columns " + one + " (" + shown(first) + ") and " + other + " (" + shown(names[i]) +
           ") have one name: " +
           (by_case ? "case does not tell names apart"
                    : "one without a name is called '" + at->first + "'");
  }
  return std::nullopt;
}

bool mostly_have(std::string_view text, char separator) {
  std::size_t lines = 0, having = 0;
  for (const std::string_view line : split(text, '\n')) {
    if (line.empty() || lines++ == 0) continue;
    having += line.find(separator) != std::string_view::npos;
  }
  return lines > 1 && 2 * having >= lines - 1;
}

std::string texts_of(std::size_t columns) {
  std::string all;
  for (std::size_t i = 0; i < columns; ++i)
    all += (i == 0 ? "'c" : ", 'c") + std::to_string(i) + "': 'VARCHAR'";
  return all;
}

std::string ragged_line(const std::string& message, char separator) {
  const auto number_after = [&](std::string_view words) {
    const std::size_t at = message.find(words);
    if (at == std::string::npos) return std::string("?");
    const std::size_t begin = at + words.size();
    return message.substr(begin, message.find_first_not_of("0123456789", begin) - begin);
  };
  const std::string shown = separator == '\t' ? "a tab" : "'" + std::string(1, separator) + "'";
  return "line " + number_after("on Line: ") + " has " + number_after("Found: ") +
         " cells separated by " + shown + ", the line of names has " +
         number_after("Expected Number of Columns: ");
}

}  // namespace slipway::table
