#include "io/wire/json.h"

#include <algorithm>
#include <cmath>

#include "io/wire/members.h"

namespace slipway::wire {

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

/// Exact: 2^53 + 1 as an integer is not the double 2^53.
bool same_number(std::int64_t a, double b) {
  return b >= -kTwoTo63 && b < kTwoTo63 && b == std::trunc(b) && a == static_cast<std::int64_t>(b);
}
bool same_number(std::uint64_t a, double b) {
  return b >= 0 && b < kTwoTo64 && b == std::trunc(b) && a == static_cast<std::uint64_t>(b);
}

std::vector<const Json::Member*> sorted_members(const Json::Object& object) {
  std::vector<const Json::Member*> sorted;
  sorted.reserve(object.size());
  for (const Json::Member& member : object) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(),
            [](const Json::Member* a, const Json::Member* b) { return a->first < b->first; });
  return sorted;
}

bool same_members(const Json::Object& a, const Json::Object& b) {
  if (a.size() != b.size()) return false;
  std::vector<const Json::Member*> left = sorted_members(a);
  std::vector<const Json::Member*> right = sorted_members(b);
  return std::equal(left.begin(), left.end(), right.begin(),
                    [](const Json::Member* x, const Json::Member* y) {
                      return x->first == y->first && x->second == y->second;
                    });
}

}  // namespace

std::int64_t Json::as_int64() const {
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return *v;
  if (const auto* v = std::get_if<std::uint64_t>(&value_)) return static_cast<std::int64_t>(*v);
  double v = std::get<double>(value_);
  if (std::isnan(v)) return 0;
  if (v >= kTwoTo63) return INT64_MAX;
  if (v < -kTwoTo63) return INT64_MIN;
  return static_cast<std::int64_t>(v);
}

double Json::as_double() const {
  if (const auto* v = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*v);
  if (const auto* v = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*v);
  return std::get<double>(value_);
}

const Json* Json::find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  Object& object = as_object();
  for (Member& member : object) {
    if (member.first == key) return member.second = std::move(value);
  }
  return object.emplace_back(std::move(key), std::move(value)).second;
}

bool Json::operator==(const Json& other) const {
  if (is_number() && other.is_number()) {
    return std::visit(
        [](const auto& a, const auto& b) {
          using A = std::decay_t<decltype(a)>;
          using B = std::decay_t<decltype(b)>;
          if constexpr (!std::is_arithmetic_v<A> || !std::is_arithmetic_v<B>)
            return false;
          else if constexpr (std::is_same_v<A, B>)
            return a == b;
          else if constexpr (std::is_same_v<A, bool> || std::is_same_v<B, bool>)
            return false;
          else if constexpr (std::is_same_v<B, double>)
            return same_number(a, b);
          else if constexpr (std::is_same_v<A, double>)
            return same_number(b, a);
          else
            return std::cmp_equal(a, b);
        },
        value_, other.value_);
  }
  if (value_.index() != other.value_.index()) return false;
  if (is_object()) return same_members(as_object(), other.as_object());
  return value_ == other.value_;
}

void keep_last_of_each_key(Json::Object& object) {
  auto by_key_then_place = [&](std::size_t a, std::size_t b) {
    int order = object[a].first.compare(object[b].first);
    return order != 0 ? order < 0 : a < b;
  };
  if (object.size() < 2) return;
  std::vector<std::size_t> order(object.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), by_key_then_place);
  std::vector<bool> drop;
  for (std::size_t i = 0, first = 0; i + 1 < order.size(); ++i) {
    if (object[order[i]].first != object[order[i + 1]].first) {
      first = i + 1;
      continue;
    }
    if (drop.empty()) drop.resize(object.size());
    drop[order[i + 1]] = true;
    object[order[first]].second = std::move(object[order[i + 1]].second);
  }
  if (drop.empty()) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < object.size(); ++i) {
    if (drop[i]) continue;
    if (kept != i) object[kept] = std::move(object[i]);
    ++kept;
  }
  object.resize(kept);
}

}  // namespace slipway::wire
