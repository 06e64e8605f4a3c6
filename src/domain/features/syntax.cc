#include "domain/features/syntax.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/text.h"
#include "domain/features/calendar.h"
#include "domain/features/expression.h"

namespace slipway::features {
namespace {

enum class TokenKind { kEnd, kNumber, kText, kWord, kQuotedName, kSymbol };

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::size_t at = 0;
  std::string text;  // words as written, texts and names unquoted
  std::string word;  // of a word: in lower case
};

constexpr std::string_view kReserved[] = {"and",   "or",   "not",     "is",   "null", "true",
                                          "false", "in",   "between", "like", "case", "when",
                                          "then",  "else", "end",     "cast", "as",   "distinct"};

bool is_reserved(std::string_view word) {
  return std::find(std::begin(kReserved), std::end(kReserved), word) != std::end(kReserved);
}

bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end";
    case TokenKind::kText:
      return "the text " + python_repr(std::string_view(token.text));
    case TokenKind::kQuotedName:
      return "\"" + token.text + "\"";
    default:
      return in_quotes(token.text);
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> tokens() {
    std::vector<Token> all;
    while (true) {
      Token token = TRY(next());
      const bool end = token.kind == TokenKind::kEnd;
      all.push_back(std::move(token));
      if (end) return all;
    }
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  Result<Token> next() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
    Token token;
    token.at = at_;
    if (at_ == text_.size()) return token;
    const char c = peek();
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return number(std::move(token));
    if (is_word_start(c)) return word(std::move(token));
    if (c == '\'' || c == '"') return quotation(std::move(token), c);
    return symbol(std::move(token));
  }

  Token word(Token token) {
    while (is_word_start(peek()) || is_digit(peek())) ++at_;
    token.kind = TokenKind::kWord;
    token.text = text_.substr(token.at, at_ - token.at);
    token.word = to_lower(token.text);
    return token;
  }

  Result<Token> number(Token token) {
    auto digits = [&] {
      while (is_digit(peek())) ++at_;
    };
    digits();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    if (is_word_start(peek())) ++at_;  // "1x" is no number
    token.kind = TokenKind::kNumber;
    token.text = text_.substr(token.at, at_ - token.at);
    if (!to_double(token.text)) {
      return expression_error(text_, token.at,
                              "found " + in_quotes(token.text) + ", expected a number");
    }
    return token;
  }

  Result<Token> quotation(Token token, char quote) {
    ++at_;
    while (at_ < text_.size()) {
      if (peek() == quote && peek(1) == quote)
        ++at_;
      else if (peek() == quote)
        break;
      token.text.push_back(text_[at_++]);
    }
    if (at_ == text_.size()) {
      return expression_error(text_, token.at, std::string("found no closing ") + quote);
    }
    ++at_;
    token.kind = quote == '"' ? TokenKind::kQuotedName : TokenKind::kText;
    return token;
  }

  Result<Token> symbol(Token token) {
    static constexpr std::string_view kSymbols[] = {
        "||", "<>", "!=", "<=", ">=", "::", "//", "+", "-",
        "*",  "/",  "%",  "=",  "<",  ">",  "(",  ")", ","};
    const std::string_view rest = text_.substr(at_);
    for (std::string_view comment : {"--", "/*"}) {
      if (rest.substr(0, 2) == comment) {
        return expression_error(text_, at_, "found a comment, which can't stand here");
      }
    }
    for (std::string_view candidate : kSymbols) {
      if (rest.substr(0, candidate.size()) != candidate) continue;
      token.kind = TokenKind::kSymbol;
      token.text = candidate;
      at_ += candidate.size();
      return token;
    }
    return expression_error(
        text_, at_, "found " + python_repr(take_code_points(rest, 1)) + ", expected a value");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens)
      : text_(text), tokens_(std::move(tokens)) {}

  Result<Ast> parse() {
    Ast ast = TRY(disjunction());
    if (peek().kind != TokenKind::kEnd) return unexpected("an operator or the end");
    return ast;
  }

 private:
  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool is_word(std::string_view word, std::size_t ahead = 0) const {
    return peek(ahead).kind == TokenKind::kWord && peek(ahead).word == word;
  }
  bool is_symbol(std::string_view symbol) const {
    return peek().kind == TokenKind::kSymbol && peek().text == symbol;
  }
  bool take_word(std::string_view word) {
    if (!is_word(word)) return false;
    ++at_;
    return true;
  }
  bool take_symbol(std::string_view symbol) {
    if (!is_symbol(symbol)) return false;
    ++at_;
    return true;
  }
  Result<> expect_symbol(std::string_view symbol) {
    if (take_symbol(symbol)) return {};
    return unexpected(in_quotes(symbol));
  }
  Result<> expect_word(std::string_view word) {
    if (take_word(word)) return {};
    return unexpected(to_upper(word));
  }
  Error unexpected(const std::string& expected) const {
    return expression_error(text_, peek().at,
                            "found " + describe(peek()) + ", expected " + expected);
  }

  Result<Ast> made(Ast ast) {
    if (++nodes_ > kExpressionNodesMax) {
      return expression_error(text_, ast.at,
                              "found more than " + std::to_string(kExpressionNodesMax) + " parts");
    }
    return ast;
  }

  Result<Ast> made(AstKind kind, std::size_t at, std::string name, std::vector<Ast> children,
                   bool negated = false) {
    Ast ast;
    ast.kind = kind;
    ast.at = at;
    ast.name = std::move(name);
    ast.children = std::move(children);
    ast.negated = negated;
    return made(std::move(ast));
  }

  template <class... T>
  static std::vector<Ast> list(T... ast) {
    std::vector<Ast> all;
    all.reserve(sizeof...(ast));
    (all.push_back(std::move(ast)), ...);
    return all;
  }

  Result<Ast> binary(const std::string& name, std::size_t at, Ast left, Ast right) {
    return made(AstKind::kBinary, at, name, list(std::move(left), std::move(right)));
  }

  Error too_deep(std::size_t at) const {
    return expression_error(text_, at,
                            "found more than " + std::to_string(kExpressionDepthMax) + " levels");
  }

  Result<Ast> disjunction() {
    if (++depth_ > kExpressionDepthMax) return too_deep(peek().at);
    Ast left = TRY(conjunction());
    while (is_word("or")) {
      const std::size_t at = tokens_[at_++].at;
      left = TRY(binary("or", at, std::move(left), TRY(conjunction())));
    }
    --depth_;
    return left;
  }

  Result<Ast> conjunction() {
    Ast left = TRY(negation());
    while (is_word("and")) {
      const std::size_t at = tokens_[at_++].at;
      left = TRY(binary("and", at, std::move(left), TRY(negation())));
    }
    return left;
  }

  Result<Ast> negation() {
    if (!is_word("not")) return predicate();
    const std::size_t at = tokens_[at_++].at;
    if (++depth_ > kExpressionDepthMax) return too_deep(at);
    Ast operand = TRY(negation());
    --depth_;
    return made(AstKind::kUnary, at, "not", list(std::move(operand)));
  }

  Result<Ast> predicate() {
    Ast left = TRY(joined());
    while (true) {
      const std::size_t at = peek().at;
      if (std::optional<std::string> comparison = take_comparison()) {
        left = TRY(binary(*comparison, at, std::move(left), TRY(joined())));
      } else if (take_word("is")) {
        left = TRY(is_predicate(std::move(left), at));
      } else if (begins_set_predicate()) {
        left = TRY(set_predicate(std::move(left), at));
      } else {
        return left;
      }
    }
  }

  std::optional<std::string> take_comparison() {
    for (std::string_view symbol : {"=", "<>", "!=", "<=", ">=", "<", ">"}) {
      if (take_symbol(symbol)) return std::string(symbol == "!=" ? "<>" : symbol);
    }
    return std::nullopt;
  }

  Result<Ast> is_predicate(Ast left, std::size_t at) {
    const bool negated = take_word("not");
    if (take_word("null")) return made(AstKind::kIsNull, at, "", list(std::move(left)), negated);
    if (!take_word("distinct")) return unexpected("NULL or DISTINCT FROM");
    TRY(expect_word("from"));
    Ast right = TRY(joined());
    return made(AstKind::kDistinct, at, "", list(std::move(left), std::move(right)), negated);
  }

  bool begins_set_predicate() const {
    const std::size_t ahead = is_word("not") ? 1 : 0;
    return is_word("in", ahead) || is_word("between", ahead) || is_word("like", ahead);
  }

  Result<Ast> set_predicate(Ast left, std::size_t at) {
    const bool negated = take_word("not");
    if (take_word("like")) {
      Ast pattern = TRY(joined());
      return made(AstKind::kLike, at, "", list(std::move(left), std::move(pattern)), negated);
    }
    if (take_word("between")) {
      Ast low = TRY(joined());
      TRY(expect_word("and"));
      Ast high = TRY(joined());
      return made(AstKind::kBetween, at, "", list(std::move(left), std::move(low), std::move(high)),
                  negated);
    }
    TRY(expect_word("in"));
    TRY(expect_symbol("("));
    std::vector<Ast> children = TRY(arguments());
    if (children.empty()) return unexpected("a value");
    children.insert(children.begin(), std::move(left));
    return made(AstKind::kIn, at, "", std::move(children), negated);
  }

  Result<Ast> joined() {
    Ast left = TRY(sum());
    while (is_symbol("||")) {
      const std::size_t at = tokens_[at_++].at;
      left = TRY(binary("||", at, std::move(left), TRY(sum())));
    }
    return left;
  }

  Result<Ast> sum() {
    Ast left = TRY(product());
    while (is_symbol("+") || is_symbol("-")) {
      const Token token = tokens_[at_++];
      left = TRY(binary(token.text, token.at, std::move(left), TRY(product())));
    }
    return left;
  }

  Result<Ast> product() {
    Ast left = TRY(sign());
    while (is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%")) {
      const Token token = tokens_[at_++];
      left = TRY(binary(token.text, token.at, std::move(left), TRY(sign())));
    }
    return left;
  }

  Result<Ast> sign() {
    if (!is_symbol("-") && !is_symbol("+")) return casted(false);
    const Token token = tokens_[at_++];
    if (peek().kind == TokenKind::kNumber) return casted(token.text == "-");
    if (++depth_ > kExpressionDepthMax) return too_deep(token.at);
    Ast operand = TRY(sign());
    --depth_;
    if (token.text == "+") return operand;
    return made(AstKind::kUnary, token.at, "-", list(std::move(operand)));
  }

  Result<Ast> casted(bool negative) {
    Ast ast = TRY(primary(negative));
    while (is_symbol("::")) {
      const std::size_t at = tokens_[at_++].at;
      ast = TRY(made(AstKind::kCast, at, "", list(std::move(ast))));
      ast.type = TRY(type_name());
    }
    return ast;
  }

  Result<Type> type_name() {
    struct Spelling {
      std::string_view name;
      Type type;
    };
    static constexpr Spelling kSpellings[] = {
        {"bool", Type::kBool},       {"boolean", Type::kBool},   {"int64", Type::kInt64},
        {"bigint", Type::kInt64},    {"integer", Type::kInt64},  {"int", Type::kInt64},
        {"float64", Type::kFloat64}, {"double", Type::kFloat64}, {"string", Type::kString},
        {"varchar", Type::kString},  {"text", Type::kString},    {"timestamp", Type::kTimestamp}};
    if (peek().kind == TokenKind::kWord) {
      for (const Spelling& spelling : kSpellings) {
        if (take_word(spelling.name)) return spelling.type;
      }
    }
    return unexpected("bool, int64, float64, string or timestamp");
  }

  Result<Ast> literal(std::size_t at, Value value) {
    Ast ast;
    ast.at = at;
    ast.value = std::move(value);
    return made(std::move(ast));
  }

  Result<Ast> primary(bool negative) {
    const Token token = peek();
    switch (token.kind) {
      case TokenKind::kNumber:
        ++at_;
        return number(token, negative);
      case TokenKind::kText:
        ++at_;
        return literal(token.at, token.text);
      case TokenKind::kQuotedName:
        ++at_;
        return made(AstKind::kColumn, token.at, token.text, {});
      case TokenKind::kWord:
        return word(token);
      default:
        break;
    }
    if (!take_symbol("(")) return unexpected("a value");
    Ast inner = TRY(disjunction());
    TRY(expect_symbol(")"));
    return inner;
  }

  Result<Ast> number(const Token& token, bool negative) {
    const std::string text = (negative ? "-" : "") + token.text;
    if (token.text.find_first_of(".eE") != std::string::npos) {
      return literal(token.at, *to_double(text));
    }
    if (std::optional<std::int64_t> whole = to_int64(text)) return literal(token.at, *whole);
    return expression_error(text_, token.at,
                            "found " + in_quotes(text) + ", which is beyond 64 bits");
  }

  Result<Ast> word(const Token& token) {
    ++at_;
    if (token.word == "null") return literal(token.at, {});
    if (token.word == "true") return literal(token.at, true);
    if (token.word == "false") return literal(token.at, false);
    if (token.word == "case") return case_expression(token.at);
    if (token.word == "cast" || token.word == "try_cast") return cast_call(token.at);
    if (token.word == "timestamp" && peek().kind == TokenKind::kText) return timestamp(token.at);
    if (is_reserved(token.word)) {
      --at_;
      return unexpected("a value (a column of that name is written in double quotes)");
    }
    if (!take_symbol("(")) return made(AstKind::kColumn, token.at, token.text, {});
    if (token.word == "extract") return extract(token.at);
    return made(AstKind::kCall, token.at, token.word, TRY(arguments()));
  }

  Result<Ast> timestamp(std::size_t at) {
    const std::optional<std::int64_t> us = parse_timestamp(peek().text);
    if (!us) return unexpected("a time such as '2026-01-31T10:30:00Z'");
    ++at_;
    return literal(at, Timestamp{*us});
  }

  /// After the opening parenthesis, up to and with the closing one.
  Result<std::vector<Ast>> arguments() {
    std::vector<Ast> all;
    if (take_symbol(")")) return all;
    do {
      all.push_back(TRY(disjunction()));
    } while (take_symbol(","));
    TRY(expect_symbol(")"));
    return all;
  }

  Result<Ast> cast_call(std::size_t at) {
    TRY(expect_symbol("("));
    Ast operand = TRY(disjunction());
    TRY(expect_word("as"));
    const Type type = TRY(type_name());
    TRY(expect_symbol(")"));
    Ast ast = TRY(made(AstKind::kCast, at, "", list(std::move(operand))));
    ast.type = type;
    return ast;
  }

  /// EXTRACT(part FROM x) is date_part('part', x).
  Result<Ast> extract(std::size_t at) {
    const Token part = peek();
    if (part.kind != TokenKind::kWord) return unexpected("a part such as HOUR");
    ++at_;
    TRY(expect_word("from"));
    Ast operand = TRY(disjunction());
    TRY(expect_symbol(")"));
    Ast name = TRY(literal(part.at, part.word));
    return made(AstKind::kCall, at, "date_part", list(std::move(name), std::move(operand)));
  }

  /// CASE x WHEN v ... has the name "of" and x as its first child.
  Result<Ast> case_expression(std::size_t at) {
    std::vector<Ast> children;
    const bool simple = !is_word("when");
    if (simple) children.push_back(TRY(disjunction()));
    if (!is_word("when")) return unexpected("WHEN");
    while (take_word("when")) {
      children.push_back(TRY(disjunction()));
      TRY(expect_word("then"));
      children.push_back(TRY(disjunction()));
    }
    if (take_word("else")) {
      children.push_back(TRY(disjunction()));
    } else {
      children.push_back(TRY(literal(peek().at, {})));
    }
    TRY(expect_word("end"));
    return made(AstKind::kCase, at, simple ? "of" : "", std::move(children));
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::size_t nodes_ = 0;
};

}  // namespace

Error expression_error(std::string_view text, std::size_t at, const std::string& message) {
  std::size_t character = 1;
  for (std::size_t i = 0; i < at && i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) ++character;
  }
  return invalid("character " + std::to_string(character) + ": " + message);
}

Result<Ast> parse_expression(std::string_view text) {
  if (text.size() > kExpressionBytesMax) {
    return invalid("character 1: found an expression of " + std::to_string(text.size()) +
                   " bytes, expected at most " + std::to_string(kExpressionBytesMax));
  }
  if (!is_valid_utf8(text)) return invalid("character 1: found bytes that are no UTF-8");
  return Parser(text, TRY(Lexer(text).tokens())).parse();
}

}  // namespace slipway::features
