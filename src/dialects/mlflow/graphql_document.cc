#include "dialects/mlflow/graphql_document.h"

#include "base/text.h"

namespace slipway::mlflow::graphql {

Value::Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;
Value::~Value() = default;
namespace {

using wire::Json;

bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// The text of a string's token, its quotes left out.
Result<std::string> unescape(std::string_view quoted) {
  // GraphQL's escapes are JSON's.
  Result<Json> text = wire::parse(quoted);
  if (!text.ok() || !text->is_string()) return invalid("a text with a wrong escape");
  return text->as_string();
}

/// One token at a time; `at_` is where the next one starts.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) { skip(); }

  Result<Document> document() {
    Document document;
    while (!at_end()) TRY(definition(document));
    if (document.operations.empty()) return error("a query");
    return document;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char next() const { return at_end() ? '\0' : text_[at_]; }
  bool is(char c) const { return next() == c; }

  /// Blanks, commas and comments mean nothing.
  void skip() {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (at_ == 0 && text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    for (; !at_end(); ++at_) {
      if (is('#')) {
        while (!at_end() && !is('\n') && !is('\r')) ++at_;
        if (at_end()) return;
      }
      const bool blank = is(' ') || is('\t') || is('\n') || is('\r') || is(',');
      if (!blank) return;
    }
  }
  void advance(std::size_t bytes) {
    at_ += bytes;
    skip();
  }

  Error error(std::string_view expected) const {
    const std::string found =
        at_end() ? "the end" : "'" + std::string(text_.substr(at_, token_length())) + "'";
    return invalid("Syntax Error: expected " + std::string(expected) + ", found " + found +
                   " (at character " + std::to_string(count_code_points(text_.substr(0, at_)) + 1) +
                   ").");
  }

  /// Of a name, or of one character.
  std::size_t token_length() const {
    if (starts_name(next())) return name_length();
    std::size_t length = 1;
    while (at_ + length < text_.size() && (text_[at_ + length] & 0xC0) == 0x80) ++length;
    return length;
  }

  bool take(char c) {
    if (!is(c)) return false;
    advance(1);
    return true;
  }
  Result<> expect(char c) {
    if (take(c)) return {};
    return error("'" + std::string(1, c) + "'");
  }
  std::size_t name_length() const {
    std::size_t length = 0;
    while (at_ + length < text_.size() &&
           (starts_name(text_[at_ + length]) || is_digit(text_[at_ + length]))) {
      ++length;
    }
    return length;
  }
  bool is_word(std::string_view word) const {
    return starts_name(next()) && text_.substr(at_, name_length()) == word;
  }
  bool take_word(std::string_view word) {
    if (!is_word(word)) return false;
    advance(word.size());
    return true;
  }
  Result<std::string> name(std::string_view what = "a name") {
    if (!starts_name(next())) return error(what);
    std::string name(text_.substr(at_, name_length()));
    advance(name.size());
    return name;
  }

  Result<> definition(Document& document) {
    if (take_word("fragment")) return fragment(document);
    Operation operation;
    if (!is('{')) {
      operation.mutation = is_word("mutation");
      if (!take_word("query") && !take_word("mutation")) {
        return error("'query', 'mutation' or 'fragment'");
      }
      if (starts_name(next())) operation.name = TRY(name());
      if (take('(')) TRY(variables(operation));
      TRY(directives());
    }
    operation.selections = TRY(selections(0));
    document.operations.push_back(std::move(operation));
    return {};
  }

  Result<> fragment(Document& document) {
    std::string fragment_name = TRY(name("a fragment's name"));
    if (!take_word("on")) return error("'on'");
    Fragment fragment;
    fragment.condition = TRY(name("a type"));
    TRY(directives());
    fragment.selections = TRY(selections(0));
    if (document.fragments.emplace(fragment_name, std::move(fragment)).second) return {};
    return invalid("There can be only one fragment named '" + fragment_name + "'.");
  }

  Result<> variables(Operation& operation) {
    while (!take(')')) {
      TRY(expect('$'));
      const std::string variable = TRY(name());
      TRY(expect(':'));
      TRY(type(0));
      std::optional<Value> fallback;
      if (take('=')) fallback = TRY(value(0));
      operation.variables[variable] = std::move(fallback);
    }
    return {};
  }
  /// What a variable's type says is checked where the variable is used.
  Result<> type(int depth) {
    if (depth > kNestingMax) return error("a type that is nested less");
    if (take('[')) {
      TRY(type(depth + 1));
      TRY(expect(']'));
    } else {
      TRY(name("a type"));
    }
    take('!');
    return {};
  }

  Result<std::vector<Directive>> directives() {
    std::vector<Directive> found;
    while (take('@')) {
      Directive directive;
      directive.name = TRY(name());
      if (take('(')) directive.arguments = TRY(arguments());
      found.push_back(std::move(directive));
    }
    return found;
  }

  Result<Arguments> arguments() {
    Arguments found;
    while (!take(')')) {
      std::string argument = TRY(name("an argument or ')'"));
      TRY(expect(':'));
      found.emplace_back(std::move(argument), TRY(value(0)));
    }
    return found;
  }

  Result<Selections> selections(int depth) {
    if (depth > kNestingMax) return error("selections that are nested less");
    TRY(expect('{'));
    Selections found;
    while (!take('}')) found.push_back(TRY(selection(depth)));
    if (found.empty()) return error("a field before '}'");
    return found;
  }

  Result<Selection> selection(int depth) {
    Selection selection;
    if (text_.substr(at_).starts_with("...")) {
      advance(3);
      return spread(std::move(selection), depth);
    }
    selection.name = TRY(name("a field or '}'"));
    if (take(':')) {
      selection.alias = std::move(selection.name);
      selection.name = TRY(name("a field"));
    }
    if (take('(')) selection.arguments = TRY(arguments());
    selection.directives = TRY(directives());
    if (is('{')) selection.selections = TRY(selections(depth + 1));
    return selection;
  }

  Result<Selection> spread(Selection selection, int depth) {
    const bool is_inline = is('{') || is('@') || is_word("on");
    selection.kind = is_inline ? Selection::Kind::kInline : Selection::Kind::kSpread;
    if (!is_inline) selection.name = TRY(name("a fragment"));
    if (is_inline && take_word("on")) selection.condition = TRY(name("a type"));
    selection.directives = TRY(directives());
    if (is_inline) selection.selections = TRY(selections(depth + 1));
    return selection;
  }

  Result<Value> value(int depth) {
    if (depth > kNestingMax) return error("a value that is nested less");
    Value value;
    if (take('$')) {
      value.shape = Value::Shape::kVariable;
      value.variable = TRY(name());
      return value;
    }
    if (take('[')) {
      value.shape = Value::Shape::kList;
      while (!take(']')) value.items.push_back(TRY(this->value(depth + 1)));
      return value;
    }
    if (take('{')) return object(std::move(value), depth);
    value.constant = TRY(constant());
    return value;
  }
  Result<Value> object(Value value, int depth) {
    value.shape = Value::Shape::kObject;
    while (!take('}')) {
      std::string member = TRY(name("a member or '}'"));
      TRY(expect(':'));
      value.members.emplace_back(std::move(member), TRY(this->value(depth + 1)));
    }
    return value;
  }

  Result<Json> constant() {
    if (is('"')) return text();
    if (is('-') || is_digit(next())) return number();
    if (take_word("true")) return Json(true);
    if (take_word("false")) return Json(false);
    if (take_word("null")) return Json(nullptr);
    return Json(TRY(name("a value")));
  }
  Result<Json> number() {
    constexpr std::string_view kOfNumbers = "+-.eE";
    std::size_t length = 0;
    for (; at_ + length < text_.size(); ++length) {
      const char c = text_[at_ + length];
      if (!is_digit(c) && kOfNumbers.find(c) == std::string_view::npos) break;
    }
    Result<Json> number = wire::parse(text_.substr(at_, length));
    if (!number.ok() || !number->is_number()) return error("a number");
    advance(length);
    return number;
  }
  Result<Json> text() {
    constexpr std::string_view kBlock = "\"\"\"";
    if (text_.substr(at_).starts_with(kBlock)) {
      const std::size_t end = text_.find(kBlock, at_ + kBlock.size());
      if (end == std::string_view::npos) return error("a text that ends");
      const std::size_t start = at_ + kBlock.size();
      Json block(trim(text_.substr(start, end - start)));
      advance(end + kBlock.size() - at_);
      return block;
    }
    std::size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != '"' && text_[end] != '\n') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    if (end >= text_.size() || text_[end] != '"') return error("a text that ends");
    Result<std::string> unescaped = unescape(text_.substr(at_, end + 1 - at_));
    if (!unescaped.ok()) return error("a text without wrong escapes");
    advance(end + 1 - at_);
    return Json(std::move(*unescaped));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Document> parse_document(std::string_view text) {
  if (text.size() > kDocumentBytesMax) {
    return invalid("A query has at most " + std::to_string(kDocumentBytesMax) + " bytes, got " +
                   std::to_string(text.size()) + ".");
  }
  if (!is_valid_utf8(text)) return invalid("Syntax Error: the query is not UTF-8.");
  return Parser(text).document();
}

Json fill(const Value& value, const Json& variables) {
  switch (value.shape) {
    case Value::Shape::kConstant:
      return value.constant;
    case Value::Shape::kVariable: {
      const Json* given = variables.find(value.variable);
      return given == nullptr ? Json() : *given;
    }
    case Value::Shape::kList: {
      Json::Array items;
      for (const Value& item : value.items) items.push_back(fill(item, variables));
      return Json(std::move(items));
    }
    case Value::Shape::kObject: {
      Json::Object members;
      for (const auto& [name, member] : value.members) {
        const bool absent =
            member.shape == Value::Shape::kVariable && variables.find(member.variable) == nullptr;
        if (!absent) members.emplace_back(name, fill(member, variables));
      }
      return Json(std::move(members));
    }
  }
  return Json();
}

}  // namespace slipway::mlflow::graphql
