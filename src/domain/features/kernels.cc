#include "domain/features/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/text.h"

namespace slipway::features {

char* Arena::allocate(std::size_t bytes) {
  constexpr std::size_t kBlock = 64 << 10;
  if (blocks_.empty() || size_ - used_ < bytes) {
    size_ = std::max(bytes, kBlock);
    used_ = 0;
    blocks_.push_back(std::make_unique<char[]>(size_));
  }
  char* place = blocks_.back().get() + used_;
  used_ += bytes;
  return place;
}

void Arena::clear() {
  if (blocks_.size() > 1) {
    blocks_.clear();
    size_ = 0;
  }
  used_ = 0;
}

namespace kernels {
namespace {

enum class Outcome { kOk, kNull, kOverflow, kDomain, kCast };

struct Context {
  Arena& arena;
  std::int64_t immediate;
};

using Text = std::string_view;

template <class T>
struct Traits;
template <>
struct Traits<bool> {
  static constexpr Type kType = Type::kBool;
  static bool get(const Lane& lane, std::size_t i) { return lane.ints[i] != 0; }
  static void set(Lane& lane, std::size_t i, bool v) { lane.ints[i] = v ? 1 : 0; }
};
template <>
struct Traits<std::int64_t> {
  static constexpr Type kType = Type::kInt64;
  static std::int64_t get(const Lane& lane, std::size_t i) { return lane.ints[i]; }
  static void set(Lane& lane, std::size_t i, std::int64_t v) { lane.ints[i] = v; }
};
template <>
struct Traits<double> {
  static constexpr Type kType = Type::kFloat64;
  static double get(const Lane& lane, std::size_t i) { return lane.reals[i]; }
  static void set(Lane& lane, std::size_t i, double v) { lane.reals[i] = v; }
};
template <>
struct Traits<Timestamp> {
  static constexpr Type kType = Type::kTimestamp;
  static Timestamp get(const Lane& lane, std::size_t i) { return {lane.ints[i]}; }
  static void set(Lane& lane, std::size_t i, Timestamp v) { lane.ints[i] = v.us; }
};
template <>
struct Traits<Text> {
  static constexpr Type kType = Type::kString;
  static Text get(const Lane& lane, std::size_t i) { return lane.texts[i]; }
  static void set(Lane& lane, std::size_t i, Text v) { lane.texts[i] = v; }
};

bool counts(const Frame& frame, const Instruction& instruction, std::size_t row) {
  return instruction.mask == kNoMask || frame.lanes[instruction.mask].ints[row] != 0;
}

void count(Faults& faults, Outcome outcome) {
  if (outcome == Outcome::kOverflow) ++faults.overflows;
  if (outcome == Outcome::kDomain) ++faults.domain_errors;
  if (outcome == Outcome::kCast) ++faults.failed_casts;
}

/// A function of values that are not null, row by row.
template <auto F, class Signature>
struct Map;
template <auto F, class R, class... A>
struct Map<F, Outcome (*)(Context&, R&, A...)> {
  static void run(Frame& frame, const Instruction& instruction) {
    run_with(frame, instruction, std::index_sequence_for<A...>());
  }
  template <std::size_t... I>
  static void run_with(Frame& frame, const Instruction& instruction, std::index_sequence<I...>) {
    Lane& out = frame.lanes[instruction.out];
    [[maybe_unused]] const std::array<const Lane*, sizeof...(A)> in = {
        &frame.lanes[instruction.arguments[I]]...};
    Context context{*frame.arena, instruction.immediate};
    for (std::size_t i = 0; i < frame.rows; ++i) {
      out.valid[i] = 0;
      if (!(... && (in[I]->valid[i] != 0))) continue;
      R result{};
      const Outcome outcome = F(context, result, Traits<A>::get(*in[I], i)...);
      if (outcome == Outcome::kOk) {
        out.valid[i] = 1;
        Traits<R>::set(out, i, result);
      } else if (counts(frame, instruction, i)) {
        count(*frame.faults, outcome);
      }
    }
  }
  static Function described(std::string_view name) {
    return {name, {Traits<A>::kType...}, Traits<R>::kType, &run};
  }
};

template <auto F>
constexpr Kernel kernel() {
  return &Map<F, decltype(F)>::run;
}
template <auto F>
Function function(std::string_view name) {
  return Map<F, decltype(F)>::described(name);
}

// ---- arithmetic

using Int = std::int64_t;

Outcome add_ints(Context&, Int& r, Int a, Int b) {
  return __builtin_add_overflow(a, b, &r) ? Outcome::kOverflow : Outcome::kOk;
}
Outcome subtract_ints(Context&, Int& r, Int a, Int b) {
  return __builtin_sub_overflow(a, b, &r) ? Outcome::kOverflow : Outcome::kOk;
}
Outcome multiply_ints(Context&, Int& r, Int a, Int b) {
  return __builtin_mul_overflow(a, b, &r) ? Outcome::kOverflow : Outcome::kOk;
}
Outcome divide_ints(Context&, Int& r, Int a, Int b) {
  if (b == 0) return Outcome::kNull;
  if (b == -1) return __builtin_sub_overflow(Int{0}, a, &r) ? Outcome::kOverflow : Outcome::kOk;
  r = a / b;
  return Outcome::kOk;
}
Outcome modulo_ints(Context&, Int& r, Int a, Int b) {
  if (b == 0) return Outcome::kNull;
  r = b == -1 ? 0 : a % b;
  return Outcome::kOk;
}
Outcome negate_int(Context&, Int& r, Int a) {
  return __builtin_sub_overflow(Int{0}, a, &r) ? Outcome::kOverflow : Outcome::kOk;
}
Outcome absolute_int(Context&, Int& r, Int a) {
  if (a == std::numeric_limits<Int>::min()) return Outcome::kOverflow;
  r = a < 0 ? -a : a;
  return Outcome::kOk;
}
Outcome sign_of_int(Context&, Int& r, Int a) {
  r = (a > 0) - (a < 0);
  return Outcome::kOk;
}
Outcome same_int(Context&, Int& r, Int a) {
  r = a;
  return Outcome::kOk;
}

Outcome add_reals(Context&, double& r, double a, double b) {
  r = a + b;
  return Outcome::kOk;
}
Outcome subtract_reals(Context&, double& r, double a, double b) {
  r = a - b;
  return Outcome::kOk;
}
Outcome multiply_reals(Context&, double& r, double a, double b) {
  r = a * b;
  return Outcome::kOk;
}
Outcome divide_reals(Context&, double& r, double a, double b) {
  if (b == 0) return Outcome::kNull;
  r = a / b;
  return Outcome::kOk;
}
Outcome modulo_reals(Context&, double& r, double a, double b) {
  if (b == 0) return Outcome::kNull;
  r = std::fmod(a, b);
  return Outcome::kOk;
}
Outcome negate_real(Context&, double& r, double a) {
  r = -a;
  return Outcome::kOk;
}

/// What is no number is outside of the function's domain, unless an argument was none.
template <class... A>
Outcome in_domain(double result, A... arguments) {
  return std::isnan(result) && !(... || std::isnan(arguments)) ? Outcome::kDomain : Outcome::kOk;
}

template <double (*F)(double)>
Outcome real_function(Context&, double& r, double a) {
  r = F(a);
  return in_domain(r, a);
}
template <double (*F)(double)>
Outcome logarithm(Context&, double& r, double a) {
  if (a <= 0) return Outcome::kDomain;
  r = F(a);
  return Outcome::kOk;
}
Outcome power(Context&, double& r, double a, double b) {
  if (a == 0 && b < 0) return Outcome::kDomain;
  r = std::pow(a, b);
  return in_domain(r, a, b);
}
Outcome arc_tangent2(Context&, double& r, double a, double b) {
  r = std::atan2(a, b);
  return Outcome::kOk;
}
Outcome sign_of_real(Context&, Int& r, double a) {
  if (std::isnan(a)) return Outcome::kDomain;
  r = (a > 0) - (a < 0);
  return Outcome::kOk;
}
Outcome round_digits(Context&, double& r, double a, Int digits) {
  if (digits < -15 || digits > 15) return Outcome::kDomain;
  const double scale = std::pow(10.0, std::abs(static_cast<double>(digits)));
  const double scaled = digits < 0 ? a / scale : a * scale;
  r = a;
  if (!std::isfinite(scaled)) return Outcome::kOk;  // so large that it has no such digits
  r = digits < 0 ? std::round(scaled) * scale : std::round(scaled) / scale;
  return Outcome::kOk;
}
Outcome pi(Context&, double& r) {
  r = 3.141592653589793;
  return Outcome::kOk;
}
Outcome to_radians(Context&, double& r, double a) {
  r = a * (3.141592653589793 / 180);
  return Outcome::kOk;
}
Outcome to_degrees(Context&, double& r, double a) {
  r = a * (180 / 3.141592653589793);
  return Outcome::kOk;
}
Outcome is_nan(Context&, bool& r, double a) {
  r = std::isnan(a);
  return Outcome::kOk;
}
Outcome is_finite(Context&, bool& r, double a) {
  r = std::isfinite(a);
  return Outcome::kOk;
}

/// Great-circle distance by the haversine formula on a sphere of radius 6,371,008.8 m.
Outcome geo_distance(Context& c, double& r, double lat1, double lon1, double lat2, double lon2) {
  if (std::abs(lat1) > 90 || std::abs(lat2) > 90) return Outcome::kDomain;
  double phi1 = 0, phi2 = 0, dphi = 0, dlambda = 0;
  to_radians(c, phi1, lat1);
  to_radians(c, phi2, lat2);
  to_radians(c, dphi, lat2 - lat1);
  to_radians(c, dlambda, lon2 - lon1);
  const double s = std::sin(dphi / 2), t = std::sin(dlambda / 2);
  const double h = s * s + std::cos(phi1) * std::cos(phi2) * t * t;
  r = 2 * 6'371'008.8 * std::asin(std::sqrt(std::min(1.0, h)));
  return in_domain(r, lat1, lon1, lat2, lon2);
}

// ---- buckets: FNV-1a of the bytes, then MurmurHash3's last mix; stored results depend on it

Outcome bucket_of(const char* data, std::size_t size, Int count, Int& r) {
  if (count <= 0) return Outcome::kDomain;
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (std::size_t i = 0; i < size; ++i) {
    hash = (hash ^ static_cast<unsigned char>(data[i])) * 1'099'511'628'211u;
  }
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  hash ^= hash >> 33;
  r = static_cast<Int>(hash % static_cast<std::uint64_t>(count));
  return Outcome::kOk;
}
Outcome bucket_of_text(Context&, Int& r, Text text, Int count) {
  return bucket_of(text.data(), text.size(), count, r);
}
Outcome bucket_of_int(Context&, Int& r, Int value, Int count) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
  return bucket_of(bytes, sizeof bytes, count, r);
}

// ---- texts; continuation bytes belong to the code point before them, also in broken UTF-8

bool begins_code_point(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

/// The byte at which code point `number` (from 0) begins, or the end.
std::size_t offset_of(Text text, Int number) {
  std::size_t i = 0;
  for (Int seen = -1; i < text.size(); ++i) {
    if (begins_code_point(text[i]) && ++seen == number) break;
  }
  return i;
}
Int length_of(Text text) {
  return static_cast<Int>(std::count_if(text.begin(), text.end(), begins_code_point));
}

Outcome copied(Context& c, Text& r, Text text) {
  char* place = c.arena.allocate(text.size());
  std::copy(text.begin(), text.end(), place);
  r = {place, text.size()};
  return Outcome::kOk;
}

/// Room for a text that a function makes; null beyond the limit.
char* room_for(Context& c, std::size_t bytes) {
  return bytes > kTextBytesMax ? nullptr : c.arena.allocate(bytes);
}

Outcome length(Context&, Int& r, Text text) {
  r = length_of(text);
  return Outcome::kOk;
}
template <char kFirst, char kLast, int kShift>
Outcome shift_case(Context& c, Text& r, Text text) {
  char* place = room_for(c, text.size());
  if (place == nullptr) return Outcome::kOverflow;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char x = text[i];
    place[i] = static_cast<char>(x >= kFirst && x <= kLast ? x + kShift : x);
  }
  r = {place, text.size()};
  return Outcome::kOk;
}
Outcome substring(Context&, Text& r, Text text, Int start, Int count) {
  if (count < 0) return Outcome::kDomain;
  Int end = 0;  // positions before the first count too, as in standard SQL
  if (__builtin_add_overflow(start, count, &end)) end = std::numeric_limits<Int>::max();
  start = std::max<Int>(start, 1);
  if (end <= start) return Outcome::kOk;
  const std::size_t from = offset_of(text, start - 1);
  const Text rest = text.substr(from);
  r = rest.substr(0, offset_of(rest, end - start));
  return Outcome::kOk;
}
Outcome substring_to_end(Context& c, Text& r, Text text, Int start) {
  if (start < 1) {
    r = text;
    return Outcome::kOk;
  }
  return substring(c, r, text, start, std::numeric_limits<Int>::max());
}
Outcome left_of(Context& c, Text& r, Text text, Int count) {
  return substring(c, r, text, 1, count);
}
Outcome right_of(Context& c, Text& r, Text text, Int count) {
  if (count < 0) return Outcome::kDomain;
  return substring_to_end(c, r, text, count > length_of(text) ? 1 : length_of(text) - count + 1);
}
template <bool kLeft, bool kRight>
Outcome trim_set(Context&, Text& r, Text text, Text set) {
  const auto in_set = [&](Text point) { return !point.empty() && set.find(point) != Text::npos; };
  while (kLeft && !text.empty()) {
    const std::size_t size = offset_of(text, 1);
    if (!in_set(text.substr(0, size))) break;
    text.remove_prefix(size);
  }
  while (kRight && !text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && !begins_code_point(text[at])) --at;
    if (!in_set(text.substr(at))) break;
    text = text.substr(0, at);
  }
  r = text;
  return Outcome::kOk;
}
template <bool kLeft, bool kRight>
Outcome trim_blanks(Context& c, Text& r, Text text) {
  return trim_set<kLeft, kRight>(c, r, text, " ");
}
Outcome starts_with(Context&, bool& r, Text text, Text part) {
  r = text.substr(0, part.size()) == part;
  return Outcome::kOk;
}
Outcome ends_with(Context&, bool& r, Text text, Text part) {
  r = text.size() >= part.size() && text.substr(text.size() - part.size()) == part;
  return Outcome::kOk;
}
Outcome contains(Context&, bool& r, Text text, Text part) {
  r = text.find(part) != Text::npos;
  return Outcome::kOk;
}
Outcome position(Context&, Int& r, Text text, Text part) {
  const std::size_t at = text.find(part);
  r = at == Text::npos ? 0 : length_of(text.substr(0, at)) + 1;
  return Outcome::kOk;
}
Outcome replaced(Context& c, Text& r, Text text, Text from, Text to) {
  if (from.empty()) {
    r = text;
    return Outcome::kOk;
  }
  std::size_t hits = 0;
  for (std::size_t at = text.find(from); at != Text::npos; at = text.find(from, at + from.size())) {
    ++hits;
  }
  char* place = room_for(c, text.size() - hits * from.size() + hits * to.size());
  if (place == nullptr) return Outcome::kOverflow;
  char* end = place;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t hit = std::min(text.find(from, at), text.size());
    end = std::copy(text.begin() + static_cast<std::ptrdiff_t>(at),
                    text.begin() + static_cast<std::ptrdiff_t>(hit), end);
    if (hit < text.size()) end = std::copy(to.begin(), to.end(), end);
    at = hit + from.size();
  }
  r = {place, static_cast<std::size_t>(end - place)};
  return Outcome::kOk;
}
Outcome split_part(Context&, Text& r, Text text, Text separator, Int number) {
  if (number < 1) return Outcome::kDomain;
  if (separator.empty()) {
    if (number == 1) r = text;
    return Outcome::kOk;
  }
  for (Int i = 1; i < number; ++i) {
    const std::size_t at = text.find(separator);
    if (at == Text::npos) return Outcome::kOk;
    text.remove_prefix(at + separator.size());
  }
  r = text.substr(0, text.find(separator));
  return Outcome::kOk;
}
Outcome joined(Context& c, Text& r, Text a, Text b) {
  char* place = room_for(c, a.size() + b.size());
  if (place == nullptr) return Outcome::kOverflow;
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), place));
  r = {place, a.size() + b.size()};
  return Outcome::kOk;
}

/// % is any text, _ one code point. Goes back to the last % only, so no more than length x pattern.
Outcome matches(Context&, bool& r, Text text, Text pattern) {
  std::size_t t = 0, p = 0;
  std::size_t star = Text::npos, star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = ++p;
      star_text = t;
    } else if (p < pattern.size() && pattern[p] == '_') {
      t += offset_of(text.substr(t), 1);
      ++p;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++t;
      ++p;
    } else if (star != Text::npos) {
      star_text += offset_of(text.substr(star_text), 1);
      t = star_text;
      p = star;
    } else {
      return Outcome::kOk;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  r = p == pattern.size();
  return Outcome::kOk;
}

// ---- dates

DatePart part_in(const Context& c) {
  return static_cast<DatePart>(c.immediate);
}

Outcome date_part(Context& c, Int& r, Timestamp t) {
  r = part_of(part_in(c), t.us);
  return Outcome::kOk;
}
template <DatePart kPart>
Outcome date_part_named(Context&, Int& r, Timestamp t) {
  r = part_of(kPart, t.us);
  return Outcome::kOk;
}
Outcome date_trunc(Context& c, Timestamp& r, Timestamp t) {
  r.us = *truncate(part_in(c), t.us);
  return is_in_calendar(r.us) ? Outcome::kOk : Outcome::kOverflow;
}
Outcome date_diff(Context& c, Int& r, Timestamp from, Timestamp to) {
  r = *difference(part_in(c), from.us, to.us);
  return Outcome::kOk;
}
Outcome date_add(Context& c, Timestamp& r, Int count, Timestamp t) {
  const std::optional<std::int64_t> sum = add(part_in(c), count, t.us);
  if (!sum) return Outcome::kOverflow;
  r.us = *sum;
  return Outcome::kOk;
}
Outcome epoch_us(Context&, Int& r, Timestamp t) {
  r = t.us;
  return Outcome::kOk;
}
Outcome timestamp_of_us(Context&, Timestamp& r, Int us) {
  r.us = us;
  return is_in_calendar(us) ? Outcome::kOk : Outcome::kOverflow;
}

// ---- casts

Outcome int_to_real(Context&, double& r, Int a) {
  r = static_cast<double>(a);
  return Outcome::kOk;
}
Outcome real_to_int(Context&, Int& r, double a) {
  const double whole = std::nearbyint(a);  // ties to even: nobody changes the rounding mode
  if (!(whole >= -9'223'372'036'854'775'808.0 && whole < 9'223'372'036'854'775'808.0)) {
    return Outcome::kCast;
  }
  r = static_cast<Int>(whole);
  return Outcome::kOk;
}
Outcome bool_to_int(Context&, Int& r, bool a) {
  r = a ? 1 : 0;
  return Outcome::kOk;
}
Outcome bool_to_real(Context&, double& r, bool a) {
  r = a ? 1 : 0;
  return Outcome::kOk;
}
Outcome int_to_bool(Context&, bool& r, Int a) {
  r = a != 0;
  return Outcome::kOk;
}
template <class T>
Outcome to_text(Context& c, Text& r, T a) {
  return copied(c, r, features::to_text(Value(a)));
}
template <class T>
Outcome from_text(Context&, T& r, Text text) {
  const std::optional<Value> value = parse_value(Traits<T>::kType, trim(text));
  if (!value) return Outcome::kCast;
  r = std::get<T>(*value);
  return Outcome::kOk;
}

// ---- comparison

struct Less {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a <= b;
  }
};
struct Equal {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a != b;
  }
};
struct Greater {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a > b;
  }
};
struct GreaterEqual {
  template <class T>
  static bool test(const T& a, const T& b) {
    return a >= b;
  }
};

template <class Op, class T>
Outcome compare(Context&, bool& r, T a, T b) {
  r = Op::test(a, b);
  return Outcome::kOk;
}

template <class Op>
Kernel compare_kernel(Type type) {
  switch (type) {
    case Type::kBool:
      return kernel<&compare<Op, bool>>();
    case Type::kInt64:
      return kernel<&compare<Op, Int>>();
    case Type::kFloat64:
      return kernel<&compare<Op, double>>();
    case Type::kString:
      return kernel<&compare<Op, Text>>();
    case Type::kTimestamp:
      return kernel<&compare<Op, Timestamp>>();
  }
  return nullptr;
}

// ---- what has an answer for null

void set_bool(Lane& out, std::size_t row, bool value) {
  out.valid[row] = 1;
  out.ints[row] = value ? 1 : 0;
}

/// `kDecisive` alone decides: false for AND, true for OR.
template <bool kDecisive>
void run_logic(Frame& frame, const Instruction& in) {
  Lane& out = frame.lanes[in.out];
  const Lane& a = frame.lanes[in.arguments[0]];
  const Lane& b = frame.lanes[in.arguments[1]];
  for (std::size_t i = 0; i < frame.rows; ++i) {
    const bool a_decides = a.valid[i] != 0 && (a.ints[i] != 0) == kDecisive;
    const bool b_decides = b.valid[i] != 0 && (b.ints[i] != 0) == kDecisive;
    if (a_decides || b_decides)
      set_bool(out, i, kDecisive);
    else if (a.valid[i] != 0 && b.valid[i] != 0)
      set_bool(out, i, !kDecisive);
    else
      out.valid[i] = 0;
  }
}
Outcome invert(Context&, bool& r, bool a) {
  r = !a;
  return Outcome::kOk;
}

void run_is_null(Frame& frame, const Instruction& in) {
  for (std::size_t i = 0; i < frame.rows; ++i) {
    set_bool(frame.lanes[in.out], i, frame.lanes[in.arguments[0]].valid[i] == 0);
  }
}

template <class T>
void run_is_distinct(Frame& frame, const Instruction& in) {
  const Lane& a = frame.lanes[in.arguments[0]];
  const Lane& b = frame.lanes[in.arguments[1]];
  for (std::size_t i = 0; i < frame.rows; ++i) {
    const bool distinct = a.valid[i] != b.valid[i] ||
                          (a.valid[i] != 0 && !(Traits<T>::get(a, i) == Traits<T>::get(b, i)));
    set_bool(frame.lanes[in.out], i, distinct);
  }
}

void run_narrow(Frame& frame, const Instruction& in) {
  const Lane& mask = frame.lanes[in.arguments[0]];
  const Lane& condition = frame.lanes[in.arguments[1]];
  for (std::size_t i = 0; i < frame.rows; ++i) {
    const bool is_true = condition.valid[i] != 0 && condition.ints[i] != 0;
    set_bool(frame.lanes[in.out], i, mask.ints[i] != 0 && is_true == (in.immediate != 0));
  }
}

template <class T>
void copy_value(Lane& out, const Lane& from, std::size_t row) {
  out.valid[row] = from.valid[row];
  if (from.valid[row] != 0) Traits<T>::set(out, row, Traits<T>::get(from, row));
}

template <class T>
void run_select(Frame& frame, const Instruction& in) {
  const Lane& condition = frame.lanes[in.arguments[0]];
  for (std::size_t i = 0; i < frame.rows; ++i) {
    const bool is_true = condition.valid[i] != 0 && condition.ints[i] != 0;
    copy_value<T>(frame.lanes[in.out], frame.lanes[in.arguments[is_true ? 1 : 2]], i);
  }
}

template <class T>
bool is_nan_value(const T& value) {
  if constexpr (std::is_same_v<T, double>)
    return std::isnan(value);
  else
    return false;
}

/// NaN is passed on, whatever it meets.
template <bool kGreatest, class T>
void run_extreme(Frame& frame, const Instruction& in) {
  const Lane& a = frame.lanes[in.arguments[0]];
  const Lane& b = frame.lanes[in.arguments[1]];
  for (std::size_t i = 0; i < frame.rows; ++i) {
    bool take_b = a.valid[i] == 0;
    if (a.valid[i] != 0 && b.valid[i] != 0) {
      const T x = Traits<T>::get(a, i), y = Traits<T>::get(b, i);
      take_b = !is_nan_value(x) && (is_nan_value(y) || (kGreatest ? y > x : y < x));
    }
    copy_value<T>(frame.lanes[in.out], take_b ? b : a, i);
  }
}

void run_join_present(Frame& frame, const Instruction& in) {
  Lane& out = frame.lanes[in.out];
  const Lane& a = frame.lanes[in.arguments[0]];
  const Lane& b = frame.lanes[in.arguments[1]];
  Context context{*frame.arena, 0};
  for (std::size_t i = 0; i < frame.rows; ++i) {
    copy_value<Text>(out, a, i);
    if (a.valid[i] == 0 || b.valid[i] == 0) continue;  // a is null when it became too long
    const Outcome outcome = joined(context, out.texts[i], a.texts[i], b.texts[i]);
    out.valid[i] = outcome == Outcome::kOk ? 1 : 0;
    if (counts(frame, in, i)) count(*frame.faults, outcome);
  }
}

template <template <class> class K>
Kernel by_type(Type type) {
  switch (type) {
    case Type::kBool:
      return K<bool>::kKernel;
    case Type::kInt64:
      return K<Int>::kKernel;
    case Type::kFloat64:
      return K<double>::kKernel;
    case Type::kString:
      return K<Text>::kKernel;
    case Type::kTimestamp:
      return K<Timestamp>::kKernel;
  }
  return nullptr;
}
template <class T>
struct Select {
  static constexpr Kernel kKernel = &run_select<T>;
};
template <class T>
struct Distinct {
  static constexpr Kernel kKernel = &run_is_distinct<T>;
};
template <class T>
struct Greatest {
  static constexpr Kernel kKernel = &run_extreme<true, T>;
};
template <class T>
struct Least {
  static constexpr Kernel kKernel = &run_extreme<false, T>;
};

// std's overload sets have no address of their own
double square_root(double x) {
  return std::sqrt(x);
}
double cube_root(double x) {
  return std::cbrt(x);
}
double exponential(double x) {
  return std::exp(x);
}
double natural(double x) {
  return std::log(x);
}
double decimal(double x) {
  return std::log10(x);
}
double binary(double x) {
  return std::log2(x);
}
double sine(double x) {
  return std::sin(x);
}
double cosine(double x) {
  return std::cos(x);
}
double tangent(double x) {
  return std::tan(x);
}
double arc_sine(double x) {
  return std::asin(x);
}
double arc_cosine(double x) {
  return std::acos(x);
}
double arc_tangent(double x) {
  return std::atan(x);
}
double round_down(double x) {
  return std::floor(x);
}
double round_up(double x) {
  return std::ceil(x);
}
double round_to_zero(double x) {
  return std::trunc(x);
}
double round_away(double x) {
  return std::round(x);
}
double absolute(double x) {
  return std::fabs(x);
}

const std::vector<Function>& functions() {
  static const std::vector<Function> kFunctions = {
      function<&absolute_int>("abs"),
      function<&real_function<absolute>>("abs"),
      function<&sign_of_int>("sign"),
      function<&sign_of_real>("sign"),
      function<&same_int>("floor"),
      function<&real_function<round_down>>("floor"),
      function<&same_int>("ceil"),
      function<&real_function<round_up>>("ceil"),
      function<&same_int>("trunc"),
      function<&real_function<round_to_zero>>("trunc"),
      function<&same_int>("round"),
      function<&real_function<round_away>>("round"),
      function<&round_digits>("round"),
      function<&modulo_ints>("mod"),
      function<&modulo_reals>("mod"),
      function<&real_function<square_root>>("sqrt"),
      function<&real_function<cube_root>>("cbrt"),
      function<&real_function<exponential>>("exp"),
      function<&logarithm<natural>>("ln"),
      function<&logarithm<decimal>>("log10"),
      function<&logarithm<binary>>("log2"),
      function<&power>("pow"),
      function<&power>("power"),
      function<&real_function<sine>>("sin"),
      function<&real_function<cosine>>("cos"),
      function<&real_function<tangent>>("tan"),
      function<&real_function<arc_sine>>("asin"),
      function<&real_function<arc_cosine>>("acos"),
      function<&real_function<arc_tangent>>("atan"),
      function<&arc_tangent2>("atan2"),
      function<&pi>("pi"),
      function<&to_radians>("radians"),
      function<&to_degrees>("degrees"),
      function<&is_nan>("isnan"),
      function<&is_finite>("isfinite"),
      function<&geo_distance>("geo_distance_m"),
      function<&bucket_of_text>("hash_bucket"),
      function<&bucket_of_int>("hash_bucket"),
      function<&length>("length"),
      function<&shift_case<'A', 'Z', 32>>("lower"),
      function<&shift_case<'a', 'z', -32>>("upper"),
      function<&substring_to_end>("substr"),
      function<&substring>("substr"),
      function<&left_of>("left"),
      function<&right_of>("right"),
      function<&trim_blanks<true, true>>("trim"),
      function<&trim_set<true, true>>("trim"),
      function<&trim_blanks<true, false>>("ltrim"),
      function<&trim_set<true, false>>("ltrim"),
      function<&trim_blanks<false, true>>("rtrim"),
      function<&trim_set<false, true>>("rtrim"),
      function<&starts_with>("starts_with"),
      function<&ends_with>("ends_with"),
      function<&contains>("contains"),
      function<&position>("strpos"),
      function<&replaced>("replace"),
      function<&split_part>("split_part"),
      function<&date_part_named<DatePart::kYear>>("year"),
      function<&date_part_named<DatePart::kQuarter>>("quarter"),
      function<&date_part_named<DatePart::kMonth>>("month"),
      function<&date_part_named<DatePart::kWeek>>("week"),
      function<&date_part_named<DatePart::kDay>>("day"),
      function<&date_part_named<DatePart::kHour>>("hour"),
      function<&date_part_named<DatePart::kMinute>>("minute"),
      function<&date_part_named<DatePart::kSecond>>("second"),
      function<&date_part_named<DatePart::kDayOfWeek>>("dayofweek"),
      function<&date_part_named<DatePart::kIsoDayOfWeek>>("isodow"),
      function<&date_part_named<DatePart::kDayOfYear>>("dayofyear"),
      function<&date_part_named<DatePart::kEpoch>>("epoch"),
      function<&epoch_us>("epoch_us"),
      function<&timestamp_of_us>("make_timestamp"),
  };
  return kFunctions;
}

const std::vector<Function>& date_functions() {
  static const std::vector<Function> kFunctions = {
      function<&date_part>("date_part"), function<&date_trunc>("date_trunc"),
      function<&date_diff>("date_diff"), function<&date_add>("date_add")};
  return kFunctions;
}

}  // namespace

std::vector<const Function*> find_functions(std::string_view name) {
  std::vector<const Function*> found;
  for (const Function& candidate : functions()) {
    if (candidate.name == name) found.push_back(&candidate);
  }
  return found;
}

std::vector<std::string> function_names() {
  std::vector<std::string> names = {"coalesce", "nullif", "greatest", "least", "concat"};
  for (const auto* list : {&functions(), &date_functions()}) {
    for (const Function& each : *list) {
      if (names.back() != each.name) names.emplace_back(each.name);
    }
  }
  return names;
}

std::string signature(const Function& function) {
  std::vector<std::string> arguments;
  for (Type type : function.arguments) arguments.emplace_back(features::to_string(type));
  return std::string(function.name) + "(" + join(arguments, ", ") + ")";
}

bool takes_date_part(std::string_view name) {
  const auto& all = date_functions();
  return std::any_of(all.begin(), all.end(), [&](const Function& f) { return f.name == name; });
}

const Function* find_date_function(std::string_view name, DatePart part) {
  if (name != "date_part" && !truncate(part, 0)) return nullptr;
  for (const Function& candidate : date_functions()) {
    if (candidate.name == name) return &candidate;
  }
  return nullptr;
}

Kernel arithmetic(std::string_view op, Type type) {
  struct Entry {
    std::string_view op;
    Kernel ints, reals;
  };
  static constexpr Entry kTable[] = {{"+", kernel<&add_ints>(), kernel<&add_reals>()},
                                     {"-", kernel<&subtract_ints>(), kernel<&subtract_reals>()},
                                     {"*", kernel<&multiply_ints>(), kernel<&multiply_reals>()},
                                     {"/", nullptr, kernel<&divide_reals>()},
                                     {"//", kernel<&divide_ints>(), nullptr},
                                     {"%", kernel<&modulo_ints>(), kernel<&modulo_reals>()},
                                     {"negate", kernel<&negate_int>(), kernel<&negate_real>()}};
  for (const Entry& entry : kTable) {
    if (entry.op != op) continue;
    if (type == Type::kInt64) return entry.ints;
    return type == Type::kFloat64 ? entry.reals : nullptr;
  }
  return nullptr;
}

Kernel comparison(std::string_view op, Type type) {
  if (op == "=") return compare_kernel<Equal>(type);
  if (op == "<>") return compare_kernel<NotEqual>(type);
  if (op == "<") return compare_kernel<Less>(type);
  if (op == "<=") return compare_kernel<LessEqual>(type);
  if (op == ">") return compare_kernel<Greater>(type);
  if (op == ">=") return compare_kernel<GreaterEqual>(type);
  return nullptr;
}

Kernel cast(Type from, Type to) {
  struct Entry {
    Type from, to;
    Kernel kernel;
  };
  static constexpr Entry kTable[] = {
      {Type::kBool, Type::kInt64, kernel<&bool_to_int>()},
      {Type::kBool, Type::kFloat64, kernel<&bool_to_real>()},
      {Type::kBool, Type::kString, kernel<&to_text<bool>>()},
      {Type::kInt64, Type::kBool, kernel<&int_to_bool>()},
      {Type::kInt64, Type::kFloat64, kernel<&int_to_real>()},
      {Type::kInt64, Type::kString, kernel<&to_text<Int>>()},
      {Type::kFloat64, Type::kInt64, kernel<&real_to_int>()},
      {Type::kFloat64, Type::kString, kernel<&to_text<double>>()},
      {Type::kString, Type::kBool, kernel<&from_text<bool>>()},
      {Type::kString, Type::kInt64, kernel<&from_text<Int>>()},
      {Type::kString, Type::kFloat64, kernel<&from_text<double>>()},
      {Type::kString, Type::kTimestamp, kernel<&from_text<Timestamp>>()},
      {Type::kTimestamp, Type::kString, kernel<&to_text<Timestamp>>()}};
  for (const Entry& entry : kTable) {
    if (entry.from == from && entry.to == to) return entry.kernel;
  }
  return nullptr;
}

Kernel widen() {
  return kernel<&int_to_real>();
}
Kernel logic(std::string_view op) {
  return op == "and" ? &run_logic<false> : &run_logic<true>;
}
Kernel logic_not() {
  return kernel<&invert>();
}
Kernel is_null() {
  return &run_is_null;
}
Kernel is_distinct(Type type) {
  return by_type<Distinct>(type);
}
Kernel narrow() {
  return &run_narrow;
}
Kernel select(Type type) {
  return by_type<Select>(type);
}
Kernel extreme(bool greatest, Type type) {
  return greatest ? by_type<Greatest>(type) : by_type<Least>(type);
}
Kernel like() {
  return kernel<&matches>();
}
Kernel join_texts() {
  return kernel<&joined>();
}
Kernel join_present() {
  return &run_join_present;
}

}  // namespace kernels
}  // namespace slipway::features
