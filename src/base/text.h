#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view ascii);
std::string to_upper(std::string_view ascii);
std::string replace_all(std::string text, std::string_view from, std::string_view to);

/// ASCII only.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The whole text as a decimal number; nothing when anything else is in it, or it does not fit.
std::optional<std::int64_t> to_int64(std::string_view text);
/// Accepts what strtod accepts in the C locale, whole text only (no hex, no leading blanks).
std::optional<double> to_double(std::string_view text);

/// Shortest text that reads back as the same double, as Python's repr writes it: "0.1", "1e-05", "1e+16", "5.0",
/// "nan", "inf", "-inf".
std::string python_repr(double value);
/// A text as Python's repr writes it: 'a', or "it's" when only single quotes are in it; control characters escaped.
std::string python_repr(std::string_view text);

bool is_valid_utf8(std::string_view text);
/// Number of code points of a valid UTF-8 text.
std::size_t count_code_points(std::string_view text);
/// The first `max` code points of a valid UTF-8 text.
std::string_view take_code_points(std::string_view text, std::size_t max);

/// The entry of `known` closest to `word` by edit distance, if close enough to be a likely slip of the fingers.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace slipway
