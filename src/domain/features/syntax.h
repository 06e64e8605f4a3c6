#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/features/column.h"

// The syntax of row expressions: text to tree. expression.h gives it a meaning.
namespace slipway::features {

enum class AstKind {
  kLiteral,   // `value`; null without a type
  kColumn,    // `name`
  kUnary,     // `name` is "-" or "not"
  kBinary,    // `name` is the operator: "+", "=", "and", "||", ...
  kIsNull,    // `negated`
  kDistinct,  // a IS [NOT] DISTINCT FROM b; `negated` for NOT
  kIn,        // first child IN the others; `negated`
  kBetween,   // three children; `negated`
  kLike,      // two children; `negated`
  kCase,      // WHEN, THEN pairs, then ELSE
  kCast,      // to `type`
  kCall,      // `name` in lower case
};

struct Ast {
  AstKind kind = AstKind::kLiteral;
  std::size_t at = 0;  // byte in the text
  std::string name;
  Value value;
  Type type = Type::kFloat64;
  bool negated = false;
  std::vector<Ast> children;
};

/// Limits of expression.h hold. kInvalid as compile() gives it.
Result<Ast> parse_expression(std::string_view text);

/// "character N: MESSAGE", where N counts code points of `text` from 1.
Error expression_error(std::string_view text, std::size_t at, const std::string& message);

}  // namespace slipway::features
