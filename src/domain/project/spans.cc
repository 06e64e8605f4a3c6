#include <cmath>
#include <limits>

#include "base/text.h"
#include "domain/project/project_file.h"
#include "domain/project/reader.h"

namespace slipway::project {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
// From small to large.
constexpr Unit kUnits[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                           {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}};
constexpr std::int64_t kSpanMax = std::int64_t{100} * 366 * 86'400'000;  // a hundred years

const Unit* find_unit(std::string_view name) {
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

std::size_t digits_at_front(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && is_digit(text[count])) ++count;
  return count;
}

}  // namespace

std::optional<Span> parse_span(std::string_view text) {
  std::size_t digits = digits_at_front(text);
  const Unit* unit = find_unit(text.substr(digits));
  std::optional<std::int64_t> count = to_int64(text.substr(0, digits));
  if (digits == 0 || unit == nullptr || !count || *count > kSpanMax / unit->ms) return {};
  return Span(*count * unit->ms);
}

bool is_too_long_span(std::string_view text) {
  const std::size_t digits = digits_at_front(text);
  return digits > 0 && find_unit(text.substr(digits)) != nullptr && !parse_span(text);
}

std::optional<Rate> parse_rate(std::string_view text) {
  std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  std::optional<double> count = to_double(text.substr(0, slash));
  std::string per(text.substr(slash + 1));
  if (!per.empty() && !is_digit(per.front())) per.insert(0, "1");
  std::optional<Span> span = parse_span(per);
  bool fits = count && is_digit(text.front()) && std::isfinite(*count) && *count > 0 && span &&
              span->count() > 0;
  return fits ? std::optional<Rate>(Rate{*count, *span}) : std::nullopt;
}

std::string to_text(Span span) {
  std::string shortest = std::to_string(span.count()) + "ms";
  for (const Unit& unit : kUnits) {
    if (span.count() == 0 || span.count() % unit.ms != 0) continue;
    std::string text = std::to_string(span.count() / unit.ms).append(unit.name);
    if (text.size() < shortest.size()) shortest = std::move(text);
  }
  return span.count() == 0 ? "0s" : shortest;
}

std::string to_text(const Rate& rate) {
  std::string per = to_text(rate.per);
  if (per.front() == '1' && !is_digit(per[1])) per.erase(0, 1);
  return canonical_number(rate.count) + "/" + per;
}

}  // namespace slipway::project
