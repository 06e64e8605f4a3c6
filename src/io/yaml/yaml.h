#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// YAML documents as trees whose nodes know where they stand in the text, and an emitter that writes
// the block style of DVC's files byte for byte. Values only: no I/O. Any thread.
namespace slipway::yaml {

/// Where a node begins; both from 1, columns in bytes.
struct Position {
  int line = 0;
  int column = 0;
};

/// What a scalar is by the rules of the schema it was read with.
enum class Type { kNull, kBool, kInteger, kFloat, kDate, kString, kSequence, kMapping };

/// YAML 1.1 (what MLmodel and conda files are read with) or 1.2 core as DVC's reader applies it.
enum class Schema { kYaml11, kYaml12 };

struct Entry;

/// A value. Scalars keep their text; a number, boolean or null keeps the spelling it was read with.
struct Node {
  Type type = Type::kNull;
  std::string text;            // of a scalar, unescaped
  std::vector<Node> items;     // of a sequence
  std::vector<Entry> entries;  // of a mapping, in file order
  Position at;
  std::size_t begin = 0;  // byte range in the text it was read from; both 0 if it was made
  std::size_t end = 0;
  bool quoted = false;  // it was written in quotes or as a block scalar; made: it is to be
  bool flow = false;    // [..] or {..}

  // Defined below, where Entry is complete: clang 14 asks for that.
  Node();
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();
  static Node string(std::string text);
  static Node integer(std::int64_t value);
  static Node real(double value);
  static Node boolean(bool value);
  static Node null() { return {}; }
  static Node sequence();
  static Node mapping();

  bool is_null() const { return type == Type::kNull; }
  bool is_string() const { return type == Type::kString; }
  bool is_scalar() const { return type != Type::kSequence && type != Type::kMapping; }
  bool is_sequence() const { return type == Type::kSequence; }
  bool is_mapping() const { return type == Type::kMapping; }

  /// The value of `key` in a mapping; null when absent or when this is no mapping.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  /// Appends to a mapping, or replaces the value of a key that is there.
  Node& set(std::string key, Node value);
  Node& add(Node item);

  /// Preconditions: kBool; kInteger (kInvalid beyond 64 bits); kInteger or kFloat.
  bool as_bool() const;
  Result<std::int64_t> as_int64() const;
  double as_double() const;
  /// A scalar as the emitter spells it when it is not a string: "16" for 0x10, "1e-05" for 1e-5,
  /// "true", "".
  std::string canonical() const;
};

struct Entry {
  Node key;  // a scalar
  Node value;
};

inline Node::Node() = default;
inline Node::Node(const Node&) = default;
inline Node::Node(Node&&) noexcept = default;
inline Node& Node::operator=(const Node&) = default;
inline Node& Node::operator=(Node&&) noexcept = default;
inline Node::~Node() = default;

/// Equality as Python has it after loading: 1 equals 1.0 and true, order of keys does not count.
bool equal(const Node& a, const Node& b);

struct Limits {
  std::size_t bytes_max = 64u << 20;
  int depth_max = 100;
  std::size_t nodes_max = 4'000'000;
  std::size_t alias_nodes_max = 100'000;  // that aliases add, so that no small text grows huge
};

/// The only document of `text`; an empty text is null. kInvalid begins with "NAME:LINE:COLUMN: ".
/// Duplicate keys, keys that are no scalars, a second document and unknown tags are errors.
Result<Node> parse(std::string_view text, const std::string& name, Schema schema = Schema::kYaml12,
                   const Limits& limits = {});

/// What a plain (unquoted) scalar would be read as.
Type resolve(std::string_view plain, Schema schema);

/// The document in DVC's style: block, width 80, lists not indented under their key, quotes only
/// where needed, final newline. `indent` columns stand before each line (width counts them); empty
/// maps and lists are {} and [].
std::string emit(const Node& node, int indent = 0);

/// An error that begins with "NAME:LINE:COLUMN: ".
Error error_at(const std::string& name, Position at, std::string message);

/// `text`, which parsed to `before`, with the least edits after which it parses to `after`: scalars
/// are replaced, keys and items added and removed in place; comments, order and all other bytes
/// stay. Keys keep the order of `before`, new ones come last. Falls back to emit(after) when
/// `before` is no block mapping.
std::string edit(std::string_view text, const Node& before, const Node& after);

}  // namespace slipway::yaml
