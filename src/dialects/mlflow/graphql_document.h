#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/wire/json.h"

// A GraphQL document, read without knowing what there is to ask for. Pure. Errors are kInvalid and
// say where in the text the trouble is.
namespace slipway::mlflow::graphql {

/// A constant, or what holds variables.
struct Value {
  enum class Shape { kConstant, kVariable, kList, kObject };
  Shape shape = Shape::kConstant;
  wire::Json constant;   // kConstant; a name that stands alone (an enum's) is a text
  std::string variable;  // kVariable
  std::vector<Value> items;
  std::vector<std::pair<std::string, Value>> members;

  // Where it is complete: clang asks for them while pairs of it are still being defined.
  Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();
};
using Arguments = std::vector<std::pair<std::string, Value>>;

struct Directive {
  std::string name;
  Arguments arguments;
};

struct Selection {
  enum class Kind { kField, kSpread, kInline };
  Kind kind = Kind::kField;
  std::string name;       // of a field or of the fragment that is spread
  std::string alias;      // "" for none
  std::string condition;  // the type that kInline is on; "" for any
  Arguments arguments;
  std::vector<Directive> directives;
  std::vector<Selection> selections;

  const std::string& key() const { return alias.empty() ? name : alias; }
};
using Selections = std::vector<Selection>;

struct Operation {
  bool mutation = false;
  std::string name;
  std::map<std::string, std::optional<Value>> variables;  // with what stands for one not given
  Selections selections;
};
struct Fragment {
  std::string condition;
  Selections selections;
};
struct Document {
  std::vector<Operation> operations;
  std::map<std::string, Fragment> fragments;
};

inline constexpr std::size_t kDocumentBytesMax = 64u << 10;
inline constexpr int kNestingMax = 32;  // of selections and values, before any is counted

Result<Document> parse_document(std::string_view text);
/// With the variables' values in it. A variable that has none leaves a member out, and is null in a
/// list.
wire::Json fill(const Value& value, const wire::Json& variables);

}  // namespace slipway::mlflow::graphql
