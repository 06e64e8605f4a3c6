#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace slipway::db {

/// Lets a map of std::string be asked with a std::string_view, without a copy.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
/// Prepared statements by their text.
template <class Statement>
using Statements = std::unordered_map<std::string, Statement, TextHash, std::equal_to<>>;

/// More than this many different texts means that somebody builds SQL at run time: start afresh.
inline constexpr std::size_t kStatementsMax = 500;

/// `?` outside of quotes and comments becomes `$1`, `$2`, ...
struct Numbered {
  std::string sql;
  int placeholders = 0;
};
Numbered number_placeholders(std::string_view sql);

}  // namespace slipway::db
