#pragma once

#include <boost/describe.hpp>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/wire/json.h"

// JSON to typed values and back from one list of fields per type:
//
//   struct LogParam { std::string run_id, key, value; };
//   WIRE(LogParam, run_id, key, value)
//   LogParam request = TRY(wire::decode<LogParam>(body));
//   std::string text = wire::encode(request);
//
// Members may be std::string, bool, std::int64_t, int, double, wire::Json, another WIRE struct, and
// std::optional, std::vector or std::map<std::string, ...> of these. At most 52 members (a limit of
// Boost.Describe).
//
// Reading: unknown keys are ignored; null is absent, and an absent key leaves the member as it was;
// int64 may be a number (1, 1.0) or a string of digits; double may be a number, a numeric string,
// "NaN", "Infinity", "-Infinity", or a bare NaN/Infinity token; of duplicate keys the last wins; an
// error names the path: "metrics[3].value: ...". Writing: an empty optional is left out; everything
// else is written (see Style for proto-like omission).
#define WIRE(Type, ...) BOOST_DESCRIBE_STRUCT(Type, (), (__VA_ARGS__))

namespace slipway::wire {

struct Limits {
  std::size_t bytes_max = 64u << 20;
  int depth_max = 100;                // arrays and objects inside one another
  std::size_t values_max = 4u << 20;  // a value of two bytes of text takes up to 80 of memory
};

struct Style {
  bool omit_empty =
      false;  // leave out empty strings, lists and maps, as protobuf's JSON does for unset fields
  bool ascii = false;                // \uXXXX for everything beyond ASCII
  bool int64_as_string = false;      // as canonical proto3 JSON does
  int indent = 0;                    // 0: one line
  bool non_finite_as_string = true;  // "NaN" instead of the bare token NaN
};

/// One direction over one value. Reader and writer are the two implementations, hidden in their .cc
/// files, so that no includer sees a JSON library.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual void value(std::string& v) = 0;
  virtual void value(bool& v) = 0;
  virtual void value(std::int64_t& v) = 0;
  virtual void value(int& v) = 0;
  virtual void value(double& v) = 0;
  virtual void value(Json& v) = 0;

  using Visit = void (*)(Codec&, void* target);
  /// Enters member `key` of the current object and calls `visit`. Reading: not called if absent or
  /// null. Writing: `present` says whether to write it at all, `empty` whether it counts as empty.
  virtual void member(std::string_view key, void* target, Visit visit, bool present,
                      bool empty) = 0;
  virtual void object(void* target, Visit visit_members) = 0;
  /// Whether the value of an optional is to be visited. Reading: it is not null. Writing:
  /// `present`, else null is written (an optional inside a list or map; an absent member is left
  /// out before).
  virtual bool optional(bool present) = 0;

  /// Lists and maps, through type-erased containers.
  struct List {
    void* target;
    std::size_t size;
    void* (*at)(void* target, std::size_t index);   // writing
    void* (*append)(void* target);                  // reading
    void (*clear)(void* target, std::size_t room);  // reading: empty, with room for so many
  };
  virtual void list(const List& list, Visit visit) = 0;
  struct Map {
    void* target;
    void (*each)(void* target, void* context,
                 void (*call)(void* context, const std::string&, void*));
    void* (*insert)(void* target, std::string key);
    void (*clear)(void* target);
  };
  virtual void map(const Map& map, Visit visit) = 0;
  virtual bool reading() const = 0;
};

template <class T>
void visit_value(Codec& codec, void* target);

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
bool is_empty(const T& v) {
  if constexpr (requires { v.empty(); })
    return v.empty();
  else
    return false;
}

template <class T>
void visit_members(Codec& codec, void* target) {
  T& object = *static_cast<T*>(target);
  boost::mp11::mp_for_each<boost::describe::describe_members<T, boost::describe::mod_public>>(
      [&](auto descriptor) {
        auto& member = object.*descriptor.pointer;
        using M = std::remove_reference_t<decltype(member)>;
        if constexpr (IsOptional<M>::value) {
          codec.member(descriptor.name, &member, &visit_value<M>, member.has_value(), false);
        } else {
          codec.member(descriptor.name, &member, &visit_value<M>, true, is_empty(member));
        }
      });
}

}  // namespace detail

template <class T>
void visit_value(Codec& codec, void* target) {
  T& v = *static_cast<T*>(target);
  if constexpr (detail::IsOptional<T>::value) {
    if (!codec.optional(v.has_value())) return;
    if (!v) v.emplace();
    visit_value<typename T::value_type>(codec, &*v);
  } else if constexpr (detail::IsVector<T>::value) {
    using E = typename T::value_type;
    codec.list(
        {&v, v.size(), [](void* t, std::size_t i) -> void* { return &(*static_cast<T*>(t))[i]; },
         [](void* t) -> void* { return &static_cast<T*>(t)->emplace_back(); },
         [](void* t, std::size_t room) {
           static_cast<T*>(t)->clear();
           static_cast<T*>(t)->reserve(room);
         }},
        &visit_value<E>);
  } else if constexpr (detail::IsMap<T>::value) {
    using E = typename T::mapped_type;
    codec.map(
        {&v,
         [](void* t, void* context, void (*call)(void*, const std::string&, void*)) {
           for (auto& [key, value] : *static_cast<T*>(t)) call(context, key, &value);
         },
         [](void* t, std::string key) -> void* { return &(*static_cast<T*>(t))[std::move(key)]; },
         [](void* t) { static_cast<T*>(t)->clear(); }},
        &visit_value<E>);
  } else if constexpr (boost::describe::has_describe_members<T>::value) {
    codec.object(&v, &detail::visit_members<T>);
  } else {
    codec.value(v);
  }
}

/// The untyped halves; use decode and encode.
Result<> decode_into(std::string_view text, void* target, Codec::Visit visit, const Limits& limits);
Result<> decode_json_into(const Json& json, void* target, Codec::Visit visit);
std::string encode_from(void* target, Codec::Visit visit, const Style& style);

/// kInvalid with the path of the first thing that is wrong.
template <class T>
Result<T> decode(std::string_view text, const Limits& limits = {}) {
  T v{};
  TRY(decode_into(text, &v, &visit_value<T>, limits));
  return v;
}
/// Of a Json and nothing that merely converts to one: a text is parsed.
template <class T, std::same_as<Json> J>
Result<T> decode(const J& json) {
  T v{};
  TRY(decode_json_into(json, &v, &visit_value<T>));
  return v;
}
template <class T>
std::string encode(const T& v, const Style& style = {}) {
  return encode_from(const_cast<T*>(&v), &visit_value<T>,
                     style);  // the writer never changes its target
}

}  // namespace slipway::wire
