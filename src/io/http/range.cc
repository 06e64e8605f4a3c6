#include "io/http/range.h"

#include <algorithm>
#include <charconv>

namespace slipway::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Digits only; what does not fit is as much as does.
std::optional<std::uint64_t> to_position(std::string_view digits) {
  if (digits.empty() || digits.size() > 100) return std::nullopt;
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return read.ec == std::errc() ? value : UINT64_MAX;
}

/// "bytes=5-", "bytes=5-9", "bytes=-5"; nothing for what is to be ignored.
std::optional<Wanted> read_range(std::string_view text, std::uint64_t bytes) {
  constexpr std::string_view kUnit = "bytes";
  text = trimmed(text);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || !same_name(text.substr(0, equals), kUnit)) {
    return std::nullopt;
  }
  text = trimmed(text.substr(equals + 1));
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const std::string_view first = trimmed(text.substr(0, dash)), last = trimmed(text.substr(dash + 1));
  if (first.empty()) {
    const std::optional<std::uint64_t> count = to_position(last);
    if (!count) return std::nullopt;
    if (*count == 0 || bytes == 0) return Wanted{416, 0, 0};
    const std::uint64_t length = std::min(*count, bytes);
    return Wanted{206, bytes - length, length};
  }
  const std::optional<std::uint64_t> from = to_position(first);
  const std::optional<std::uint64_t> to = last.empty() ? UINT64_MAX : to_position(last);
  if (!from || !to || *to < *from) return std::nullopt;
  if (*from >= bytes) return Wanted{416, 0, 0};
  return Wanted{206, *from, std::min(*to, bytes - 1) - *from + 1};
}

/// Whether a list of entity tags ("*", or "\"a\", W/\"b\"") names `etag`.
bool names(std::string_view list, std::string_view etag, bool weak_counts) {
  list = trimmed(list);
  if (list == "*") return true;
  while (!list.empty()) {
    const bool weak = list.starts_with("W/");
    if (weak) list.remove_prefix(2);
    if (!list.starts_with('"')) return false;
    const std::size_t end = list.find('"', 1);
    if (end == std::string_view::npos) return false;
    const std::string_view tag = list.substr(0, end + 1);
    list = trimmed(list.substr(end + 1));
    if (!list.empty() && !list.starts_with(',')) return false;
    if ((!weak || weak_counts) && tag == etag) return true;
    while (list.starts_with(',')) list = trimmed(list.substr(1));
  }
  return false;
}

/// Several fields of one name are one list.
std::string joined(const Headers& headers, std::string_view name) {
  std::string all;
  for (const auto& [key, value] : headers.all()) {
    if (!same_name(key, name)) continue;
    if (!all.empty()) all += ", ";
    all += value;
  }
  return all;
}

}  // namespace

Wanted wanted_of(Method method, const Headers& headers, const Representation& content) {
  if (headers.has("If-Match") && !names(joined(headers, "If-Match"), content.etag, false)) {
    return {412, 0, 0};
  }
  if (headers.has("If-None-Match") && names(joined(headers, "If-None-Match"), content.etag, true)) {
    return {304, 0, 0};
  }
  const Wanted all{200, 0, content.bytes};
  // There is no time of change to compare a date with, so one never matches.
  const bool applies = method == Method::kGet && headers.has("Range") &&
                       (!headers.has("If-Range") ||
                        trimmed(headers.get("If-Range")) == content.etag);
  if (!applies) return all;
  return read_range(joined(headers, "Range"), content.bytes).value_or(all);
}

Response respond(const Wanted& wanted, const Representation& content) {
  Response response;
  response.status = wanted.status;
  const std::string all = std::to_string(content.bytes);
  if (wanted.status == 416) {
    response = Response::text("there is no such range in " + all + " bytes", 416);
    response.headers.set("Content-Range", "bytes */" + all);
  } else if (wanted.status == 412) {
    response = Response::text("the content has changed: its ETag is " + content.etag, 412);
  } else if (wanted.status == 206) {
    response.headers.set("Content-Range", "bytes " + std::to_string(wanted.from) + "-" +
                                              std::to_string(wanted.from + wanted.length - 1) +
                                              "/" + all);
  }
  response.headers.set("ETag", content.etag);
  response.headers.set("Accept-Ranges", "bytes");
  if (wanted.status == 200 || wanted.status == 206) response.body_length = wanted.length;
  return response;
}

}  // namespace slipway::http
