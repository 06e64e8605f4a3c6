#include "dialects/mlflow/filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"

namespace slipway::mlflow {
namespace {

using db::Op;

constexpr std::size_t kFilterBytesMax = 512u << 10;  // a list of 14,000 run ids
constexpr std::size_t kOrderBytesMax = 64u << 10;
constexpr std::size_t kClausesMax = 500;
constexpr std::size_t kPiecesMax = 100;  // that a message names
constexpr int kGroupsMax = 20;           // inside one another

// --- tokens -------------------------------------------------------------------------------------

enum class TokenKind { kName, kText, kInteger, kReal, kComparator, kOpen, kClose, kComma, kOther };

struct Token {
  TokenKind kind;
  std::string_view text;  // as written, quotes included
  std::size_t at;         // byte in the filter
};

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_comparator(char c) {
  return std::string_view("<>=~!").find(c) != std::string_view::npos;
}

/// Bytes of the quoted text that `rest` starts with; 0 when it does not end. A doubled quote and
/// one after a backslash stay inside, unless the text would not end then: '\' is a backslash.
std::size_t quoted_length(std::string_view rest) {
  const char quote = rest.front();
  std::size_t else_ends = 0;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    const bool pair = i + 1 < rest.size() && rest[i + 1] == quote;
    if (quote != '`' && pair && (rest[i] == quote || rest[i] == '\\')) {
      else_ends = rest[i] == quote ? i + 1 : i + 2;
      ++i;
    } else if (rest[i] == quote) {
      return i + 1;
    }
  }
  return else_ends;
}

std::size_t word_length(std::string_view rest) {
  std::size_t length = 0;
  while (length < rest.size() && is_word(rest[length])) ++length;
  return length;
}

/// `a.b`, `a."b c"`, `a.`b``: parts joined by dots.
std::size_t name_length(std::string_view rest) {
  std::size_t length = 0;
  while (length < rest.size()) {
    std::string_view part = rest.substr(length);
    const bool quoted =
        part.front() == '`' || part.front() == '"' || (part.front() == '\'' && length > 0);
    const std::size_t part_length = quoted ? quoted_length(part) : word_length(part);
    if (part_length == 0) return length;
    length += part_length;
    if (length >= rest.size() || rest[length] != '.') return length;
    ++length;
  }
  return length;
}

std::size_t digits_length(std::string_view rest) {
  std::size_t length = 0;
  while (length < rest.size() && is_digit(rest[length])) ++length;
  return length;
}

struct NumberToken {
  std::size_t length = 0;
  bool real = false;
};
NumberToken number_at(std::string_view rest) {
  NumberToken number;
  std::size_t at = rest.front() == '-' ? 1 : 0;
  const std::size_t whole = digits_length(rest.substr(at));
  at += whole;
  std::size_t fraction = 0;
  if (at < rest.size() && rest[at] == '.') {
    fraction = digits_length(rest.substr(at + 1));
    if (whole + fraction == 0) return {};
    at += 1 + fraction;
    number.real = true;
  }
  if (whole + fraction == 0) return {};
  if (at < rest.size() && (rest[at] == 'e' || rest[at] == 'E')) {
    std::size_t exponent = at + 1;
    if (exponent < rest.size() && (rest[exponent] == '-' || rest[exponent] == '+')) ++exponent;
    const std::size_t digits = digits_length(rest.substr(exponent));
    if (digits > 0) {
      at = exponent + digits;
      number.real = true;
    }
  }
  if (at < rest.size() && is_word(rest[at])) return {};
  number.length = at;
  return number;
}

Token token_at(std::string_view filter, std::size_t at) {
  std::string_view rest = filter.substr(at);
  const char c = rest.front();
  auto token = [&](TokenKind kind, std::size_t length) {
    return Token{kind, rest.substr(0, length), at};
  };
  if (c == '\'') {
    const std::size_t length = quoted_length(rest);
    return length > 0 ? token(TokenKind::kText, length) : token(TokenKind::kOther, rest.size());
  }
  if (is_digit(c) || c == '-' || c == '.') {
    const NumberToken number = number_at(rest);
    if (number.length > 0)
      return token(number.real ? TokenKind::kReal : TokenKind::kInteger, number.length);
  }
  if (is_word(c) || c == '`' || c == '"') {
    const std::size_t length = name_length(rest);
    return length > 0 ? token(TokenKind::kName, length) : token(TokenKind::kOther, rest.size());
  }
  if (is_comparator(c)) {
    std::size_t length = 1;
    while (length < rest.size() && is_comparator(rest[length])) ++length;
    return token(TokenKind::kComparator, length);
  }
  if (c == '(') return token(TokenKind::kOpen, 1);
  if (c == ')') return token(TokenKind::kClose, 1);
  if (c == ',') return token(TokenKind::kComma, 1);
  return token(TokenKind::kOther, 1);
}

std::vector<Token> tokenize(std::string_view filter) {
  std::vector<Token> tokens;
  for (std::size_t at = 0; at < filter.size();) {
    if (is_space(filter[at])) {
      ++at;
      continue;
    }
    tokens.push_back(token_at(filter, at));
    at += tokens.back().text.size();
  }
  return tokens;
}

bool is_keyword(const Token& token, std::string_view upper) {
  return token.kind == TokenKind::kName && to_upper(token.text) == upper;
}

// --- identifiers --------------------------------------------------------------------------------

Error wrong(std::string message, std::string_view filter, std::size_t at) {
  const std::size_t character = count_code_points(filter.substr(0, at)) + 1;
  return invalid(std::move(message) + " (at character " + std::to_string(character) + ")");
}

bool is_quoted(std::string_view text, char quote) {
  return text.size() >= 2 && text.front() == quote && text.back() == quote;
}
std::string_view strip(std::string_view text, std::string_view quotes) {
  for (char quote : quotes) {
    if (is_quoted(text, quote)) return text.substr(1, text.size() - 2);
  }
  return text;
}

struct Name {
  Entity entity = Entity::kAttribute;
  std::string key;
  const AttributeRule* attribute = nullptr;
  bool quoted = false;  // the key
};

enum class Use { kFilter, kOrder };

std::string names_of(const SearchRules& rules, Use use) {
  std::vector<std::string> names;
  for (const AttributeRule& rule : rules.attributes) {
    if (use == Use::kFilter ? rule.filters : rule.orders) {
      names.push_back("'" + std::string(rule.name) + "'");
    }
  }
  return "{" + join(names, ", ") + "}";
}

Result<Name> resolve_attribute(std::string_view key, const SearchRules& rules, Use use) {
  for (const AttributeRule& rule : rules.attributes) {
    if (rule.name != key || !(use == Use::kFilter ? rule.filters : rule.orders)) continue;
    return Name{Entity::kAttribute,
                std::string(rule.stands_for.empty() ? rule.name : rule.stands_for), &rule};
  }
  return invalid("Invalid attribute key '" + std::string(key) + "' specified. Valid keys are '" +
                 names_of(rules, use) + "'");
}

bool is_span_key(std::string_view key) {
  constexpr std::string_view kAttributes = "attributes.";
  return key == "name" || key == "type" || key == "status" || key == "content" ||
         (key.starts_with(kAttributes) && key.size() > kAttributes.size());
}

Result<Name> resolve(std::string_view text, const SearchRules& rules, Use use) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return resolve_attribute(strip(text, "'\"`"), rules, use);
  const std::string_view type = strip(text.substr(0, dot), "`");
  const std::string_view key = strip(strip(text.substr(dot + 1), "'\""), "`");
  for (const EntityRule& rule : rules.entities) {
    if (rule.name != type) continue;
    if (rule.entity == Entity::kAttribute) return resolve_attribute(key, rules, use);
    if (rule.entity == Entity::kSpan && !is_span_key(key)) {
      return invalid("Invalid span attribute '" + std::string(key) +
                     "'. Supported attributes: name, status, type, attributes.<attribute_name>.");
    }
    const bool known = key == "name" || key == "digest" || key == "context";
    if (rule.entity == Entity::kDataset && !known) {
      return invalid("Invalid dataset key '" + std::string(key) +
                     "' specified. Valid keys are '{'name', 'digest', 'context'}'");
    }
    return Name{rule.entity, std::string(key), nullptr, key.size() != text.size() - dot - 1};
  }
  return invalid(replace_all(std::string(rules.entities_message), "%s", type));
}

// --- comparators and values ---------------------------------------------------------------------

struct Comparator {
  Op op;
  std::string_view text;
};
constexpr Comparator kComparators[] = {
    {Op::kEqual, "="},        {Op::kUnequal, "!="},     {Op::kLess, "<"},
    {Op::kLessOrEqual, "<="}, {Op::kGreater, ">"},      {Op::kGreaterOrEqual, ">="},
    {Op::kLike, "LIKE"},      {Op::kILike, "ILIKE"},    {Op::kIn, "IN"},
    {Op::kNotIn, "NOT IN"},   {Op::kIsNull, "IS NULL"}, {Op::kIsNotNull, "IS NOT NULL"},
};

bool is_number(const Name& name) {
  return name.entity == Entity::kMetric ||
         (name.attribute && name.attribute->kind == Kind::kNumber);
}

/// Of a trace, by a person or a judge.
bool is_assessment(const Name& name) {
  return name.entity == Entity::kFeedback || name.entity == Entity::kExpectation;
}

bool takes(const Name& name, Op op, const SearchRules& rules) {
  switch (op) {
    case Op::kEqual:
    case Op::kUnequal:
      return true;
    case Op::kLess:
    case Op::kLessOrEqual:
    case Op::kGreater:
    case Op::kGreaterOrEqual:
      return is_number(name) || is_assessment(name);
    case Op::kLike:
    case Op::kILike:
      return !is_number(name) && !(name.attribute && name.attribute->kind == Kind::kId);
    case Op::kIn:
    case Op::kNotIn:
      return !is_number(name) &&
             (rules.lists_anywhere || name.entity == Entity::kDataset ||
              name.entity == Entity::kSpan || name.entity == Entity::kAttribute);
    case Op::kIsNull:
    case Op::kIsNotNull:
      return (name.entity == Entity::kTag && rules.nullable_tags) ||
             (name.entity == Entity::kParam && rules.nullable_params) ||
             name.entity == Entity::kMetadata || is_assessment(name);
  }
  return false;
}

std::string comparators_of(const Name& name, const SearchRules& rules) {
  std::vector<std::string> texts;
  for (const Comparator& comparator : kComparators) {
    if (takes(name, comparator.op, rules))
      texts.push_back("'" + std::string(comparator.text) + "'");
  }
  return "{" + join(texts, ", ") + "}";
}

/// Reads clauses one by one; what no clause explains is collected and named together at the end.
class Parser {
 public:
  Parser(std::string_view filter, const SearchRules& rules)
      : filter_(filter), rules_(rules), tokens_(tokenize(filter)), closes_(tokens_.size()) {
    std::size_t close = tokens_.size();
    for (std::size_t at = tokens_.size(); at-- > 0;) {
      if (tokens_[at].kind == TokenKind::kClose) close = at;
      closes_[at] = close;
    }
  }

  Result<std::vector<Clause>> parse() {
    if (has_groups()) return joined_clauses();
    std::vector<Clause> clauses;
    TRY(find_strays());
    for (next_ = 0; next_ < tokens_.size();) {
      if (is_keyword(tokens_[next_], "AND")) {
        ++next_;
        continue;
      }
      TRY(check_count(clauses));
      clauses.push_back(TRY(clause()));
    }
    return clauses;
  }

 private:
  /// Whether the filter is well made of clauses, AND, OR and parentheses, and has any of the last
  /// two; what MLflow reads is left to its own rules.
  bool has_groups() const {
    bool clause_wanted = true, met = false;
    int depth = 0;
    for (std::size_t at = 0; at < tokens_.size();) {
      const std::size_t length = clause_wanted ? clause_length(at) : 0;
      const bool open = clause_wanted && tokens_[at].kind == TokenKind::kOpen;
      const bool close = !clause_wanted && tokens_[at].kind == TokenKind::kClose;
      const bool either = !clause_wanted && keyword_at(at, "OR");
      const bool both = !clause_wanted && keyword_at(at, "AND");
      if (length == 0 && !open && !close && !either && !both) return false;
      depth += open ? 1 : close ? -1 : 0;
      if (depth < 0 || depth > kGroupsMax) return false;
      met |= open || either;
      clause_wanted = length == 0 && !close;
      at += std::max<std::size_t>(length, 1);
    }
    return met && !clause_wanted && depth == 0;
  }

  /// Of a filter that has_groups().
  Result<std::vector<Clause>> joined_clauses() {
    std::vector<Clause> clauses;
    db::Joint joint;
    for (next_ = 0; next_ < tokens_.size();) {
      const Token& token = tokens_[next_];
      if (token.kind == TokenKind::kClose) {
        ++clauses.back().joint.closes;
      } else if (token.kind == TokenKind::kOpen) {
        ++joint.opens;
      } else if (clause_length(next_) > 0) {
        TRY(check_count(clauses));
        clauses.push_back(TRY(clause()));
        clauses.back().joint = std::exchange(joint, {});
        continue;
      } else {
        joint.either = is_keyword(token, "OR");
      }
      ++next_;
    }
    return clauses;
  }

  Result<> check_count(const std::vector<Clause>& clauses) const {
    if (clauses.size() < kClausesMax) return {};
    return error("The filter string has more than " + std::to_string(kClausesMax) + " clauses",
                 tokens_[next_]);
  }

  /// How many tokens the clause that starts at `at` has; 0 when none starts there.
  std::size_t clause_length(std::size_t at) const {
    if (tokens_[at].kind != TokenKind::kName || is_keyword(tokens_[at], "AND")) return 0;
    const std::size_t comparator = comparator_length(at + 1);
    if (comparator == 0) return 0;
    const std::size_t value = at + 1 + comparator;
    if (is_null_test(at + 1)) return 1 + comparator;
    if (value >= tokens_.size()) return 0;
    if (tokens_[value].kind == TokenKind::kOpen) {
      const std::size_t group = group_length(value);
      return group == 0 ? 0 : value - at + group;
    }
    if (keyword_at(value - 1, "IN")) return 0;
    return is_value(tokens_[value]) ? 2 + comparator : 0;
  }

  static bool is_value(const Token& token) {
    return token.kind == TokenKind::kText || token.kind == TokenKind::kInteger ||
           token.kind == TokenKind::kReal || token.kind == TokenKind::kName;
  }
  /// What stands for itself where a text is wanted: m1, 5, params.x.
  static bool is_bare(const Token& token) {
    const bool quoted = is_quoted(token.text, '\'') || is_quoted(token.text, '"');
    return !quoted && is_value(token) && !is_keyword(token, "AND");
  }
  /// Tokens from the parenthesis at `open` to the one that closes it; 0 when none does.
  std::size_t group_length(std::size_t open) const {
    return closes_[open] == tokens_.size() ? 0 : closes_[open] - open + 1;
  }
  std::string_view group_text(std::size_t open) const {
    const Token& close = tokens_[open + group_length(open) - 1];
    return filter_.substr(tokens_[open].at, close.at + 1 - tokens_[open].at);
  }

  bool keyword_at(std::size_t at, std::string_view upper) const {
    return at < tokens_.size() && is_keyword(tokens_[at], upper);
  }
  bool is_null_test(std::size_t at) const { return keyword_at(at, "IS"); }

  std::size_t comparator_length(std::size_t at) const {
    if (at >= tokens_.size()) return 0;
    if (tokens_[at].kind == TokenKind::kComparator) return 1;
    if (keyword_at(at, "LIKE") || keyword_at(at, "ILIKE") || keyword_at(at, "IN")) return 1;
    if (keyword_at(at, "NOT") && keyword_at(at + 1, "IN")) return 2;
    if (keyword_at(at, "IS") && keyword_at(at + 1, "NULL")) return 2;
    const bool is_not = keyword_at(at, "IS") && keyword_at(at + 1, "NOT");
    return is_not && keyword_at(at + 2, "NULL") ? 3 : 0;
  }

  Result<> find_strays() const {
    std::vector<std::string> pieces;
    const Token* first = nullptr;
    bool joined = true;
    for (std::size_t at = 0; at < tokens_.size();) {
      const bool both = is_keyword(tokens_[at], "AND");
      std::size_t length = both ? 1 : clause_length(at);
      if (!joined && length > 0) TRY(check_unjoined(at, length));
      joined = both || length == 0;
      if (length == 0) {
        TRY(check_subject(at));
        if (first == nullptr) first = &tokens_[at];
        length = tokens_[at].kind == TokenKind::kOpen ? group_length(at) : 0;
        const std::string piece(length == 0 ? tokens_[at].text : group_text(at));
        if (pieces.size() < kPiecesMax)
          pieces.push_back(rules_.quotes_pieces ? "'" + piece + "'" : piece);
      }
      at += std::max<std::size_t>(length, 1);
    }
    if (first == nullptr) return {};
    const bool several = first->text == ";" && first != &tokens_.back();
    if (several) {
      return error("Search filter contained multiple expression " + python_repr(filter_) +
                       ". Provide AND-ed expression list.",
                   *first);
    }
    return error("Invalid clause(s) in filter string: " + join(pieces, ", "), *first);
  }

  /// Clauses may stand side by side without an AND, as in MLflow, but for one with a list.
  Result<> check_unjoined(std::size_t at, std::size_t length) const {
    if (tokens_[at + length - 1].kind != TokenKind::kClose) return {};
    return error("AND is missing before '" + std::string(tokens_[at].text) + "'", tokens_[at]);
  }

  /// A comparison must start with a name.
  Result<> check_subject(std::size_t at) const {
    const Token& token = tokens_[at];
    const bool literal = token.kind == TokenKind::kText || token.kind == TokenKind::kInteger ||
                         token.kind == TokenKind::kReal;
    const std::size_t value = at + 1 + comparator_length(at + 1);
    if (!literal || value == at + 1 || value >= tokens_.size() || !is_value(tokens_[value])) {
      return {};
    }
    return error(
        "Invalid comparison clause. Expected 'Identifier' found '" + std::string(token.text) + "'",
        token);
  }

  Result<Clause> clause() {
    const Token& subject = tokens_[next_];
    Result<Name> name = resolve(subject.text, rules_, Use::kFilter);
    if (!name.ok()) return error(name.error().message, subject);
    const Token& comparator = tokens_[++next_];
    const std::size_t length = comparator_length(next_);
    std::vector<std::string> words;
    for (std::size_t i = 0; i < length; ++i) words.push_back(to_upper(tokens_[next_ + i].text));
    const std::string op_text = join(words, " ");
    next_ += length;
    const auto* found =
        std::find_if(std::begin(kComparators), std::end(kComparators),
                     [&](const Comparator& known) { return known.text == op_text; });
    const bool known = found != std::end(kComparators);
    const bool null_test = known && (found->op == Op::kIsNull || found->op == Op::kIsNotNull);
    // A wrong value is told before a wrong comparator.
    Clause clause{name->entity, name->key, known ? found->op : Op::kEqual, {}, {}, name->quoted};
    if (!null_test) clause.value = TRY(value(*name, clause.op));
    if (known && takes(*name, found->op, rules_)) return clause;
    return error(wrong_comparator(*name, op_text, null_test), comparator);
  }

  std::string wrong_comparator(const Name& name, const std::string& op, bool null_test) const {
    if (null_test && rules_.nullable_params && name.entity == Entity::kMetric) {
      return "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' '" +
             name.key + "'";
    }
    const bool open = name.entity == Entity::kMetric || name.entity == Entity::kDataset;
    return "Invalid comparator '" + op + "' not one of '" + comparators_of(name, rules_) +
           (open ? "" : "'");
  }

  Result<db::Operand> value(const Name& name, Op op) {
    const Token& token = tokens_[next_];
    if (token.kind == TokenKind::kOpen) {
      const bool wants_list = op == Op::kIn || op == Op::kNotIn;
      if (wants_list && takes(name, op, rules_)) return list(name);
      const std::string_view group = group_text(next_);
      return is_number(name) ? not_a_number(name, group, token) : expected_text(name, group, token);
    }
    ++next_;
    if (is_number(name)) return number(name, token);
    if (is_assessment(name) && token.kind != TokenKind::kText) return assessed(name, token);
    if (rules_.bare_texts && is_bare(token)) return db::Operand(std::string(token.text));
    if (token.kind != TokenKind::kText && token.kind != TokenKind::kName) {
      return expected_text(name, token.text, token);
    }
    const bool quoted = is_quoted(token.text, '\'') || is_quoted(token.text, '"');
    if (!quoted) {
      return error(
          "Parameter value is either not quoted or unidentified quote types used for "
          "string value " +
              std::string(token.text) + ". Use either single or double quotes.",
          token);
    }
    std::string text(token.text.substr(1, token.text.size() - 2));
    if (name.attribute && name.attribute->kind == Kind::kId) TRY(check_id(text, token));
    return db::Operand(std::move(text));
  }

  Result<db::Operand> assessed(const Name& name, const Token& token) {
    if (token.kind == TokenKind::kInteger || token.kind == TokenKind::kReal) {
      if (std::optional<double> real = to_double(token.text)) return db::Operand(*real);
    }
    if (token.text == "true" || token.text == "false") return db::Operand(std::string(token.text));
    if (is_quoted(token.text, '"')) return db::Operand(std::string(strip(token.text, "\"")));
    return expected_text(name, token.text, token);
  }

  Result<db::Operand> number(const Name& name, const Token& token) {
    std::string_view text = token.text;
    const bool quoted = token.kind == TokenKind::kText && name.attribute && rules_.quoted_numbers;
    if (quoted) text = text.substr(1, text.size() - 2);
    const bool plain = token.kind == TokenKind::kInteger || token.kind == TokenKind::kReal;
    if (name.attribute && (plain || quoted)) {
      if (std::optional<std::int64_t> whole = to_int64(text)) return db::Operand(*whole);
    }
    if (plain || quoted) {
      if (std::optional<double> real = to_double(text)) return db::Operand(*real);
    }
    return not_a_number(name, token.text, token);
  }

  Error not_a_number(const Name& name, std::string_view text, const Token& token) const {
    const std::string found = ". Found " + std::string(text);
    if (name.entity == Entity::kMetric) {
      return error("Expected numeric value type for metric" + found, token);
    }
    return error("Expected numeric value type for numeric attribute: " + name.key + found, token);
  }

  Result<db::Operand> list(const Name& name) {
    const Token open = tokens_[next_++];
    const bool allowed = rules_.lists_anywhere || name.entity == Entity::kDataset ||
                         name.entity == Entity::kSpan || (name.attribute && name.attribute->lists);
    if (!allowed) return error(only_these_take_lists(), open);
    std::vector<std::string> texts;
    bool comma = true;
    for (; tokens_[next_].kind != TokenKind::kClose; ++next_) {
      const Token& token = tokens_[next_];
      if (token.kind == TokenKind::kComma && !comma) {
        comma = true;
        continue;
      }
      if (!comma || token.kind == TokenKind::kComma) return ill_formed(token);
      if (!is_quoted(token.text, '\'') && !is_quoted(token.text, '"')) {
        return error(
            "While parsing a list in the query, expected string value, punctuation, or "
            "whitespace, but got different type in list: " +
                std::string(token.text),
            token);
      }
      texts.emplace_back(token.text.substr(1, token.text.size() - 2));
      if (name.attribute && name.attribute->kind == Kind::kId) TRY(check_id(texts.back(), token));
      comma = false;
    }
    if (texts.empty()) {
      return error(
          "While parsing a list in the query, expected a non-empty list of string values, "
          "but got empty list",
          open);
    }
    ++next_;
    return db::Operand(std::move(texts));
  }

  Result<> check_id(const std::string& text, const Token& token) const {
    if (to_int64(text)) return {};
    return error("Invalid experiment ID '" + text + "'. Experiment ID must be a valid integer.",
                 token);
  }

  Error ill_formed(const Token& token) const {
    return error(
        "While parsing a list in the query, expected a non-empty list of string values, "
        "but got ill-formed list.",
        token);
  }

  std::string only_these_take_lists() const {
    std::vector<std::string> names;
    for (const AttributeRule& rule : rules_.attributes) {
      if (rule.lists) names.push_back("'" + std::string(rule.name) + "'");
    }
    return "Only [" + join(names, ", ") +
           "] attributes support comparison with a list of quoted string values.";
  }

  Error expected_text(const Name& name, std::string_view text, const Token& token) const {
    const std::string found = ". Got value " + std::string(text);
    if (name.entity == Entity::kTag || name.entity == Entity::kParam) {
      const char* word = name.entity == Entity::kTag ? "tag" : "parameter";
      return error(
          "Expected a quoted string value for " + std::string(word) + " (e.g. 'my-value')" + found,
          token);
    }
    const char* what = name.entity == Entity::kDataset ? "dataset attributes" : "attributes";
    return error("Expected a quoted string value for " + std::string(what) + found, token);
  }

  Error error(std::string message, const Token& token) const {
    return wrong(std::move(message), filter_, token.at);
  }

  std::string_view filter_;
  const SearchRules& rules_;
  std::vector<Token> tokens_;
  std::vector<std::size_t> closes_;  // of each token the next ')', itself included; else the end
  std::size_t next_ = 0;
};

// --- the six tables -----------------------------------------------------------------------------

constexpr EntityRule kRunEntities[] = {
    {"metric", Entity::kMetric},
    {"metrics", Entity::kMetric},
    {"parameter", Entity::kParam},
    {"parameters", Entity::kParam},
    {"param", Entity::kParam},
    {"params", Entity::kParam},
    {"tag", Entity::kTag},
    {"tags", Entity::kTag},
    {"attribute", Entity::kAttribute},
    {"attributes", Entity::kAttribute},
    {"attr", Entity::kAttribute},
    {"run", Entity::kAttribute},
    {"dataset", Entity::kDataset},
    {"datasets", Entity::kDataset},
};
constexpr AttributeRule kRunAttributes[] = {
    {.name = "artifact_uri"},
    {.name = "end_time", .kind = Kind::kNumber},
    {.name = "run_id", .lists = true},
    {.name = "run_name"},
    {.name = "start_time", .kind = Kind::kNumber},
    {.name = "status"},
    {.name = "user_id"},
    {.name = "created", .kind = Kind::kNumber, .stands_for = "start_time"},
    {.name = "Created", .kind = Kind::kNumber, .stands_for = "start_time"},
    {.name = "run name", .orders = false, .stands_for = "run_name"},
    {.name = "Run name", .orders = false, .stands_for = "run_name"},
    {.name = "Run Name", .orders = false, .stands_for = "run_name"},
};

constexpr EntityRule kFewEntities[] = {
    {"attribute", Entity::kAttribute},
    {"tag", Entity::kTag},
    {"tags", Entity::kTag},
};
constexpr std::string_view kFewEntitiesMessage =
    "Invalid entity type '%s'. Valid entity types are ('attribute', 'tag', 'tags')";

constexpr AttributeRule kExperimentAttributes[] = {
    {.name = "name"},
    {.name = "experiment_id", .kind = Kind::kId, .lists = true},
    {.name = "creation_time", .kind = Kind::kNumber},
    {.name = "last_update_time", .kind = Kind::kNumber},
};
constexpr AttributeRule kRegisteredModelAttributes[] = {
    {.name = "name", .lists = true},
    {.name = "timestamp", .filters = false, .stands_for = "last_updated_timestamp"},
    {.name = "last_updated_timestamp", .filters = false},
};
constexpr AttributeRule kModelVersionAttributes[] = {
    {.name = "name", .lists = true},
    {.name = "version_number", .kind = Kind::kNumber},
    {.name = "run_id", .orders = false, .lists = true},
    {.name = "source_path", .orders = false},
    {.name = "creation_timestamp", .filters = false},
    {.name = "last_updated_timestamp", .filters = false},
};

constexpr EntityRule kLoggedModelEntities[] = {
    {"attributes", Entity::kAttribute},
    {"metrics", Entity::kMetric},
    {"params", Entity::kParam},
    {"tags", Entity::kTag},
};
constexpr AttributeRule kLoggedModelAttributes[] = {
    {.name = "name"},
    {.name = "model_id"},
    {.name = "model_type"},
    {.name = "status"},
    {.name = "source_run_id"},
    {.name = "experiment_id"},
    {.name = "artifact_location"},
    {.name = "creation_timestamp_ms", .kind = Kind::kNumber},
    {.name = "last_updated_timestamp_ms", .kind = Kind::kNumber},
    {.name = "creation_timestamp", .kind = Kind::kNumber, .stands_for = "creation_timestamp_ms"},
    {.name = "creation_time", .kind = Kind::kNumber, .stands_for = "creation_timestamp_ms"},
    {.name = "last_updated_timestamp",
     .kind = Kind::kNumber,
     .stands_for = "last_updated_timestamp_ms"},
    {.name = "last_updated_time", .kind = Kind::kNumber, .stands_for = "last_updated_timestamp_ms"},
};

constexpr EntityRule kTraceEntities[] = {
    {"attribute", Entity::kAttribute},
    {"attributes", Entity::kAttribute},
    {"trace", Entity::kAttribute},
    {"tag", Entity::kTag},
    {"tags", Entity::kTag},
    {"request_metadata", Entity::kMetadata},
    {"metadata", Entity::kMetadata},
    {"span", Entity::kSpan},
    {"feedback", Entity::kFeedback},
    {"expectation", Entity::kExpectation},
};
constexpr AttributeRule kTraceAttributes[] = {
    {.name = "request_id", .lists = true},
    {.name = "experiment_id", .filters = false},
    {.name = "timestamp_ms", .kind = Kind::kNumber},
    {.name = "execution_time_ms", .kind = Kind::kNumber},
    {.name = "end_time_ms", .kind = Kind::kNumber},
    {.name = "status", .lists = true},
    {.name = "client_request_id", .orders = false, .lists = true},
    {.name = "name", .lists = true},
    {.name = "run_id", .lists = true},
    {.name = "text", .orders = false},
    {.name = "timestamp", .kind = Kind::kNumber, .stands_for = "timestamp_ms"},
    {.name = "execution_time", .kind = Kind::kNumber, .stands_for = "execution_time_ms"},
    {.name = "end_time", .kind = Kind::kNumber, .stands_for = "end_time_ms"},
};

}  // namespace

const SearchRules kTraceSearch = {
    .entities = kTraceEntities,
    .entities_message =
        "Invalid entity type '%s'. Valid values are {'attribute', 'attributes', 'trace', 'tag', "
        "'tags', 'request_metadata', 'metadata', 'span', 'feedback', 'expectation', 'issue'}",
    .attributes = kTraceAttributes,
    .nullable_tags = true,
};
const SearchRules kRunSearch = {
    .entities = kRunEntities,
    .entities_message =
        "Invalid entity type '%s'. Valid values are ['metric', 'parameter', 'tag', "
        "'attribute', 'dataset']",
    .attributes = kRunAttributes,
    .nullable_tags = true,
    .nullable_params = true,
    .quotes_pieces = true,
};
const SearchRules kExperimentSearch = {
    .entities = kFewEntities,
    .entities_message = kFewEntitiesMessage,
    .attributes = kExperimentAttributes,
    .nullable_tags = true,
};
const SearchRules kRegisteredModelSearch = {
    .entities = kFewEntities,
    .entities_message = kFewEntitiesMessage,
    .attributes = kRegisteredModelAttributes,
};
const SearchRules kModelVersionSearch = {
    .entities = kFewEntities,
    .entities_message = kFewEntitiesMessage,
    .attributes = kModelVersionAttributes,
    .quoted_numbers = true,
};
const SearchRules kLoggedModelSearch = {
    .entities = kLoggedModelEntities,
    .entities_message =
        "Invalid entity type: '%s'. Expected one of ['attributes', 'metrics', "
        "'params', 'tags'].",
    .attributes = kLoggedModelAttributes,
    .lists_anywhere = true,
    .bare_texts = true,
};

Result<std::vector<Clause>> parse_filter(std::string_view filter, const SearchRules& rules) {
  if (filter.size() > kFilterBytesMax) {
    return invalid("The filter string has " + std::to_string(filter.size()) + " bytes, at most " +
                   std::to_string(kFilterBytesMax) + " are read");
  }
  if (!is_valid_utf8(filter)) return invalid("The filter string is not valid UTF-8");
  return Parser(filter, rules).parse();
}

Result<OrderTerm> parse_order(std::string_view term, const SearchRules& rules) {
  const Error unparsed =
      invalid("Invalid order_by clause '" + std::string(term) + "'. Could not be parsed.");
  if (term.size() > kOrderBytesMax || !is_valid_utf8(term)) {
    return invalid("Invalid order_by clause: it is too long or not valid UTF-8.");
  }
  std::vector<Token> tokens = tokenize(term);
  const auto is_direction = [](const Token& token) {
    return is_keyword(token, "ASC") || is_keyword(token, "DESC");
  };
  if (tokens.empty() || tokens.size() > 2 || tokens[0].kind != TokenKind::kName) return unparsed;
  if (is_direction(tokens[0])) return unparsed;
  bool ascending = true;
  if (tokens.size() == 2) {
    ascending = is_keyword(tokens[1], "ASC");
    if (!is_direction(tokens[1])) {
      return invalid("Invalid ordering key in order_by clause '" + std::string(term) + "'.");
    }
  }
  OrderTerm order = TRY(parse_order_field(tokens[0].text, rules));
  order.ascending = ascending;
  return order;
}

Result<OrderTerm> parse_order_field(std::string_view field, const SearchRules& rules) {
  Name name = TRY(resolve(trim(field), rules, Use::kOrder));
  if (name.entity == Entity::kDataset) return invalid("Invalid identifier type 'dataset'");
  return OrderTerm{name.entity, std::move(name.key), true, name.quoted};
}

}  // namespace slipway::mlflow
