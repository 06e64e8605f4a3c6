#include "domain/features/expression.h"

#include <algorithm>

#include "base/text.h"
#include "domain/features/kernels.h"
#include "domain/features/syntax.h"

// From the tree to the register program: names are resolved, types checked, and each node becomes
// an instruction whose result is a register of its own.
namespace slipway::features {
namespace {

/// What a node has become. A bare null has no type until its place asks for one.
struct Operand {
  std::uint16_t reg = 0;
  std::optional<Type> type;
};

std::string name_of(std::optional<Type> type) {
  return type ? to_string(*type) : "null";
}

class Compiler {
 public:
  Compiler(std::string_view text, std::span<const Input> inputs) : text_(text), inputs_(inputs) {}

  Result<Program> compile(const Ast& ast, std::optional<Type> declared) {
    Operand result = TRY(emit(ast, kNoMask));
    if (!result.type && !declared) return error(ast, "found only nulls, expected a type: use CAST");
    if (declared) result = TRY(converted(result, *declared, ast));
    code_->result = result.reg;
    code_->type = *result.type;
    std::sort(code_->reads.begin(), code_->reads.end());
    return Program(std::move(code_));
  }

 private:
  Error error(const Ast& ast, const std::string& message) const {
    return expression_error(text_, ast.at, message);
  }

  std::uint16_t add_register(Register spec) {
    code_->registers.push_back(std::move(spec));
    return static_cast<std::uint16_t>(code_->registers.size() - 1);
  }

  Operand constant(const Value& value, Type type) {
    Register spec;
    spec.type = type;
    spec.source = Register::Source::kConstant;
    spec.constant = value;
    return {add_register(std::move(spec)), type};
  }

  Operand run(Kernel kernel, Type type, std::initializer_list<Operand> arguments,
              std::uint16_t mask, std::int64_t immediate = 0) {
    Instruction instruction;
    instruction.kernel = kernel;
    instruction.mask = mask;
    instruction.immediate = immediate;
    std::size_t i = 0;
    for (const Operand& argument : arguments) instruction.arguments[i++] = argument.reg;
    Register spec;
    spec.type = type;
    instruction.out = add_register(std::move(spec));
    code_->instructions.push_back(instruction);
    return {instruction.out, type};
  }

  /// The operand with type `type`: itself, a null of that type, or int64 as float64.
  Result<Operand> converted(Operand operand, Type type, const Ast& ast) {
    if (!operand.type) return constant({}, type);
    if (operand.type == type) return operand;
    if (operand.type == Type::kInt64 && type == Type::kFloat64) {
      return run(kernels::widen(), Type::kFloat64, {operand}, kNoMask);
    }
    return error(ast, "found " + name_of(operand.type) + ", expected " + to_string(type));
  }

  /// One type for both; nothing when neither has one.
  Result<std::optional<Type>> common(std::optional<Type> a, std::optional<Type> b, const Ast& ast) {
    if (!a) return b;
    if (!b || a == b) return a;
    const auto is_number = [](Type type) { return type == Type::kInt64 || type == Type::kFloat64; };
    if (is_number(*a) && is_number(*b)) return std::optional(Type::kFloat64);
    return error(
        ast, "found " + name_of(a) + " and " + name_of(b) + ", expected two of one type: use CAST");
  }

  struct Pair {
    Operand a, b;
    Type type = Type::kFloat64;
  };
  Result<Pair> emit_pair(const Ast& left, const Ast& right, std::uint16_t mask, const Ast& at) {
    const Operand a = TRY(emit(left, mask));
    const Operand b = TRY(emit(right, mask));
    const std::optional<Type> type = TRY(common(a.type, b.type, at));
    return unified(a, b, type.value_or(Type::kInt64), at);
  }
  Result<Pair> unified(Operand a, Operand b, Type type, const Ast& at) {
    return Pair{TRY(converted(a, type, at)), TRY(converted(b, type, at)), type};
  }

  Result<Operand> emit_as(const Ast& ast, Type type, std::uint16_t mask) {
    return converted(TRY(emit(ast, mask)), type, ast);
  }

  Result<Operand> emit(const Ast& ast, std::uint16_t mask) {
    switch (ast.kind) {
      case AstKind::kLiteral:
        if (is_null(ast.value)) return Operand{};
        return constant(ast.value, type_of(ast.value));
      case AstKind::kColumn:
        return column(ast);
      case AstKind::kUnary:
        return unary(ast, mask);
      case AstKind::kBinary:
        return binary(ast, mask);
      case AstKind::kIsNull:
        return is_null_test(ast, mask);
      case AstKind::kDistinct:
        return distinct(ast, mask);
      case AstKind::kIn:
        return in(ast, mask);
      case AstKind::kBetween:
        return between(ast, mask);
      case AstKind::kLike:
        return like(ast, mask);
      case AstKind::kCase:
        return case_of(ast, mask);
      case AstKind::kCast:
        return cast(ast, mask);
      case AstKind::kCall:
        return call(ast, mask);
    }
    return error(ast, "found nothing known");
  }

  Result<Operand> column(const Ast& ast) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].name != ast.name) continue;
      for (std::size_t reg = 0; reg < code_->registers.size(); ++reg) {
        const Register& known = code_->registers[reg];
        if (known.source == Register::Source::kInput && known.input == i) {
          return Operand{static_cast<std::uint16_t>(reg), known.type};
        }
      }
      Register spec;
      spec.type = inputs_[i].type;
      spec.source = Register::Source::kInput;
      spec.input = i;
      code_->reads.push_back(i);
      return Operand{add_register(std::move(spec)), inputs_[i].type};
    }
    return error(ast, "found '" + ast.name + "', expected a column" + did_you_mean(ast.name));
  }

  std::string did_you_mean(const std::string& word) const {
    std::vector<std::string> known;
    for (const Input& input : inputs_) known.push_back(input.name);
    std::optional<std::string> close = nearest(word, known);
    return close ? "; did you mean '" + *close + "'?" : "";
  }

  Result<Operand> negate(const Operand& operand, std::uint16_t mask) {
    return run(kernels::logic_not(), Type::kBool, {operand}, mask);
  }
  Result<Operand> negate_if(bool negated, const Operand& operand, std::uint16_t mask) {
    if (!negated) return operand;
    return negate(operand, mask);
  }

  Result<Operand> unary(const Ast& ast, std::uint16_t mask) {
    if (ast.name == "not") {
      return negate(TRY(emit_as(ast.children[0], Type::kBool, mask)), mask);
    }
    const Operand operand = TRY(emit(ast.children[0], mask));
    const Type type = operand.type.value_or(Type::kInt64);
    if (type != Type::kInt64 && type != Type::kFloat64) {
      return error(ast, "found " + name_of(type) + ", expected a number");
    }
    return run(kernels::arithmetic("negate", type), type, {TRY(converted(operand, type, ast))},
               mask);
  }

  Result<Operand> binary(const Ast& ast, std::uint16_t mask) {
    const Ast& left = ast.children[0];
    const Ast& right = ast.children[1];
    if (ast.name == "and" || ast.name == "or") {
      const Operand a = TRY(emit_as(left, Type::kBool, mask));
      const Operand b = TRY(emit_as(right, Type::kBool, mask));
      return run(kernels::logic(ast.name), Type::kBool, {a, b}, mask);
    }
    if (ast.name == "||") {
      const Operand a = TRY(emit_as(left, Type::kString, mask));
      const Operand b = TRY(emit_as(right, Type::kString, mask));
      return run(kernels::join_texts(), Type::kString, {a, b}, mask);
    }
    Pair pair = TRY(emit_pair(left, right, mask, ast));
    if (Kernel compare = kernels::comparison(ast.name, pair.type)) {
      return run(compare, Type::kBool, {pair.a, pair.b}, mask);
    }
    if (ast.name == "/") pair = TRY(unified(pair.a, pair.b, Type::kFloat64, ast));
    Kernel arithmetic = kernels::arithmetic(ast.name, pair.type);
    if (arithmetic == nullptr) {
      return error(ast, "found " + name_of(pair.type) + " for '" + ast.name + "', expected " +
                            (ast.name == "//" ? "int64" : "numbers"));
    }
    return run(arithmetic, pair.type, {pair.a, pair.b}, mask);
  }

  Result<Operand> is_null_test(const Ast& ast, std::uint16_t mask) {
    Operand operand = TRY(emit(ast.children[0], mask));
    if (!operand.type) operand = constant({}, Type::kBool);
    return negate_if(ast.negated, run(kernels::is_null(), Type::kBool, {operand}, mask), mask);
  }

  Result<Operand> distinct(const Ast& ast, std::uint16_t mask) {
    const Pair pair = TRY(emit_pair(ast.children[0], ast.children[1], mask, ast));
    const Operand test = run(kernels::is_distinct(pair.type), Type::kBool, {pair.a, pair.b}, mask);
    return negate_if(ast.negated, test, mask);
  }

  Result<Operand> equals(const Operand& a, const Operand& b, std::uint16_t mask, const Ast& at) {
    const std::optional<Type> type = TRY(common(a.type, b.type, at));
    const Pair pair = TRY(unified(a, b, type.value_or(Type::kInt64), at));
    return run(kernels::comparison("=", pair.type), Type::kBool, {pair.a, pair.b}, mask);
  }

  /// x = a OR x = b ...
  Result<Operand> in(const Ast& ast, std::uint16_t mask) {
    const Operand x = TRY(emit(ast.children[0], mask));
    std::optional<Operand> any;
    for (std::size_t i = 1; i < ast.children.size(); ++i) {
      const Operand item = TRY(emit(ast.children[i], mask));
      const Operand same = TRY(equals(x, item, mask, ast.children[i]));
      any = any ? run(kernels::logic("or"), Type::kBool, {*any, same}, mask) : same;
    }
    return negate_if(ast.negated, *any, mask);
  }

  Result<Operand> compared(std::string_view op, const Operand& a, const Operand& b,
                           std::uint16_t mask, const Ast& at) {
    const std::optional<Type> type = TRY(common(a.type, b.type, at));
    const Pair pair = TRY(unified(a, b, type.value_or(Type::kInt64), at));
    return run(kernels::comparison(op, pair.type), Type::kBool, {pair.a, pair.b}, mask);
  }

  Result<Operand> between(const Ast& ast, std::uint16_t mask) {
    const Operand x = TRY(emit(ast.children[0], mask));
    const Operand low = TRY(emit(ast.children[1], mask));
    const Operand high = TRY(emit(ast.children[2], mask));
    const Operand above = TRY(compared(">=", x, low, mask, ast.children[1]));
    const Operand below = TRY(compared("<=", x, high, mask, ast.children[2]));
    const Operand inside = run(kernels::logic("and"), Type::kBool, {above, below}, mask);
    return negate_if(ast.negated, inside, mask);
  }

  Result<Operand> like(const Ast& ast, std::uint16_t mask) {
    const Operand text = TRY(emit_as(ast.children[0], Type::kString, mask));
    const Operand pattern = TRY(emit_as(ast.children[1], Type::kString, mask));
    return negate_if(ast.negated, run(kernels::like(), Type::kBool, {text, pattern}, mask), mask);
  }

  /// Rows of `mask` for which `condition` is true, or is not.
  std::uint16_t narrowed(std::uint16_t mask, const Operand& condition, bool wanted) {
    Operand all{mask, Type::kBool};
    if (mask == kNoMask) all = constant(true, Type::kBool);
    return run(kernels::narrow(), Type::kBool, {all, condition}, kNoMask, wanted ? 1 : 0).reg;
  }

  struct Branch {
    Operand condition, value;
    const Ast* ast = nullptr;
  };

  Result<Operand> case_of(const Ast& ast, std::uint16_t mask) {
    std::size_t i = 0;
    std::optional<Operand> subject;
    if (ast.name == "of") subject = TRY(emit(ast.children[i++], mask));
    std::vector<Branch> branches;
    std::uint16_t open = mask;  // rows that no branch has taken yet
    for (; i + 1 < ast.children.size(); i += 2) {
      Operand condition = TRY(emit(ast.children[i], open));
      if (subject) condition = TRY(equals(*subject, condition, open, ast.children[i]));
      condition = TRY(converted(condition, Type::kBool, ast.children[i]));
      const std::uint16_t taken = narrowed(open, condition, true);
      open = narrowed(open, condition, false);
      branches.push_back({condition, TRY(emit(ast.children[i + 1], taken)), &ast.children[i + 1]});
    }
    const Ast& last = ast.children.back();
    return select(branches, TRY(emit(last, open)), last, mask);
  }

  Result<Operand> select(const std::vector<Branch>& branches, Operand otherwise, const Ast& last,
                         std::uint16_t mask) {
    std::optional<Type> type = otherwise.type;
    for (const Branch& branch : branches) {
      type = TRY(common(type, branch.value.type, *branch.ast));
    }
    if (!type) return Operand{};
    Operand result = TRY(converted(otherwise, *type, last));
    for (std::size_t i = branches.size(); i-- > 0;) {
      const Operand value = TRY(converted(branches[i].value, *type, *branches[i].ast));
      result = run(kernels::select(*type), *type, {branches[i].condition, value, result}, mask);
    }
    return result;
  }

  Result<Operand> cast(const Ast& ast, std::uint16_t mask) {
    const Operand operand = TRY(emit(ast.children[0], mask));
    if (!operand.type || operand.type == ast.type) return converted(operand, ast.type, ast);
    Kernel kernel = kernels::cast(*operand.type, ast.type);
    if (kernel != nullptr) return run(kernel, ast.type, {operand}, mask);
    return error(ast, "found a CAST of " + name_of(operand.type) + " to " + to_string(ast.type) +
                          ", which there is not");
  }

  Result<Operand> call(const Ast& ast, std::uint16_t mask) {
    if (ast.name == "coalesce") return coalesce(ast, mask);
    if (ast.name == "nullif") return nullif(ast, mask);
    if (ast.name == "greatest" || ast.name == "least") return extreme(ast, mask);
    if (ast.name == "concat") return concat(ast, mask);
    if (kernels::takes_date_part(ast.name)) return date_call(ast, mask);
    return function(ast, mask);
  }

  Result<> expect_arguments(const Ast& ast, std::size_t at_least, std::size_t at_most) {
    const std::size_t count = ast.children.size();
    if (count >= at_least && count <= at_most) return {};
    return error(ast, "found " + std::to_string(count) + " arguments of " + ast.name +
                          ", expected " + (at_least == at_most ? "" : "at least ") +
                          std::to_string(at_least));
  }

  /// COALESCE(a, b, c) is CASE WHEN a IS NOT NULL THEN a WHEN b IS NOT NULL THEN b ELSE c END.
  Result<Operand> coalesce(const Ast& ast, std::uint16_t mask) {
    TRY(expect_arguments(ast, 1, kExpressionNodesMax));
    std::vector<Branch> branches;
    std::uint16_t open = mask;
    for (std::size_t i = 0; i + 1 < ast.children.size(); ++i) {
      Operand value = TRY(emit(ast.children[i], open));
      if (!value.type) continue;
      const Operand absent = run(kernels::is_null(), Type::kBool, {value}, open);
      const Operand present = TRY(negate(absent, open));
      open = narrowed(open, present, false);
      branches.push_back({present, value, &ast.children[i]});
    }
    const Ast& last = ast.children.back();
    return select(branches, TRY(emit(last, open)), last, mask);
  }

  Result<Operand> nullif(const Ast& ast, std::uint16_t mask) {
    TRY(expect_arguments(ast, 2, 2));
    const Operand a = TRY(emit(ast.children[0], mask));
    const Operand b = TRY(emit(ast.children[1], mask));
    if (!a.type) return Operand{};
    const Operand same = TRY(equals(a, b, mask, ast));
    return run(kernels::select(*a.type), *a.type, {same, constant({}, *a.type), a}, mask);
  }

  Result<Operand> extreme(const Ast& ast, std::uint16_t mask) {
    TRY(expect_arguments(ast, 1, kExpressionNodesMax));
    std::vector<Operand> values;
    std::optional<Type> type;
    for (const Ast& child : ast.children) {
      values.push_back(TRY(emit(child, mask)));
      type = TRY(common(type, values.back().type, child));
    }
    if (!type) return Operand{};
    Operand result = TRY(converted(values[0], *type, ast.children[0]));
    for (std::size_t i = 1; i < values.size(); ++i) {
      const Operand next = TRY(converted(values[i], *type, ast.children[i]));
      result = run(kernels::extreme(ast.name == "greatest", *type), *type, {result, next}, mask);
    }
    return result;
  }

  Result<Operand> concat(const Ast& ast, std::uint16_t mask) {
    Operand result = constant(std::string(), Type::kString);
    for (const Ast& child : ast.children) {
      Operand next = TRY(emit(child, mask));
      if (!next.type) continue;
      if (next.type != Type::kString) {
        next = run(kernels::cast(*next.type, Type::kString), Type::kString, {next}, mask);
      }
      result = run(kernels::join_present(), Type::kString, {result, next}, mask);
    }
    return result;
  }

  /// Functions whose first argument names a part of a date: that must stand there as a text.
  Result<Operand> date_call(const Ast& ast, std::uint16_t mask) {
    TRY(expect_arguments(ast, 2, 3));
    const Ast& name = ast.children[0];
    const std::string* text = std::get_if<std::string>(&name.value);
    std::optional<DatePart> part;
    if (name.kind == AstKind::kLiteral && text != nullptr) part = parse_date_part(*text);
    if (!part) return error(name, "found no part of a date, expected one such as 'hour' or 'day'");
    const kernels::Function* found = kernels::find_date_function(ast.name, *part);
    if (found == nullptr) return error(name, "found '" + *text + "', which is no span of time");
    TRY(expect_arguments(ast, found->arguments.size() + 1, found->arguments.size() + 1));
    std::vector<Operand> values;
    for (std::size_t i = 1; i < ast.children.size(); ++i) {
      values.push_back(TRY(emit_as(ast.children[i], found->arguments[i - 1], mask)));
    }
    return run_all(*found, values, mask, static_cast<std::int64_t>(*part));
  }

  Operand run_all(const kernels::Function& function, const std::vector<Operand>& values,
                  std::uint16_t mask, std::int64_t immediate) {
    const auto value = [&](std::size_t i) { return i < values.size() ? values[i] : Operand{}; };
    return run(function.kernel, function.result, {value(0), value(1), value(2), value(3)}, mask,
               immediate);
  }

  /// The overload that fits without conversion, else the one that fits with int64 as float64.
  static const kernels::Function* overload(const std::vector<const kernels::Function*>& candidates,
                                           const std::vector<Operand>& values, bool widening) {
    for (const kernels::Function* candidate : candidates) {
      if (candidate->arguments.size() != values.size()) continue;
      bool fits = true;
      for (std::size_t i = 0; i < values.size() && fits; ++i) {
        const Type wanted = candidate->arguments[i];
        fits = !values[i].type || values[i].type == wanted ||
               (widening && values[i].type == Type::kInt64 && wanted == Type::kFloat64);
      }
      if (fits) return candidate;
    }
    return nullptr;
  }

  Result<Operand> function(const Ast& ast, std::uint16_t mask) {
    const std::vector<const kernels::Function*> candidates = kernels::find_functions(ast.name);
    if (candidates.empty()) {
      std::optional<std::string> close = nearest(ast.name, kernels::function_names());
      return error(ast, "found '" + ast.name + "', expected a function" +
                            (close ? "; did you mean '" + *close + "'?" : ""));
    }
    std::vector<Operand> values;
    std::string found;
    for (const Ast& child : ast.children) {
      values.push_back(TRY(emit(child, mask)));
      found += (found.empty() ? "" : ", ") + name_of(values.back().type);
    }
    const kernels::Function* fit = overload(candidates, values, false);
    if (fit == nullptr) fit = overload(candidates, values, true);
    if (fit == nullptr) {
      std::string expected;
      for (const kernels::Function* candidate : candidates) {
        expected += (expected.empty() ? "" : " or ") + kernels::signature(*candidate);
      }
      return error(ast, "found " + ast.name + "(" + found + "), expected " + expected);
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = TRY(converted(values[i], fit->arguments[i], ast.children[i]));
    }
    return run_all(*fit, values, mask, 0);
  }

  std::string_view text_;
  std::span<const Input> inputs_;
  std::shared_ptr<Program::Code> code_ = std::make_shared<Program::Code>();
};

}  // namespace

Type Program::type() const {
  return code_->type;
}
const std::vector<std::size_t>& Program::reads() const {
  return code_->reads;
}

Result<Program> compile(std::string_view text, std::span<const Input> inputs,
                        std::optional<Type> declared) {
  const Ast ast = TRY(parse_expression(text));
  return Compiler(text, inputs).compile(ast, declared);
}

}  // namespace slipway::features
