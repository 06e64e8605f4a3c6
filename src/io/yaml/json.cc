#include "io/yaml/json.h"

#include <yaml.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "base/text.h"

namespace slipway::yaml {
namespace {

using wire::Json;

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// What a scalar without quotes means.
Json resolve(std::string_view word) {
  if (is_one_of(word, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (is_one_of(word, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(word, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"}))
    return false;
  if (is_one_of(word, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  if (is_one_of(word, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}))
    return std::numeric_limits<double>::infinity();
  if (is_one_of(word, {"-.inf", "-.Inf", "-.INF"})) return -std::numeric_limits<double>::infinity();
  const bool starts_like_number =
      word[0] == '-' || word[0] == '+' || word[0] == '.' || (word[0] >= '0' && word[0] <= '9');
  if (!starts_like_number) return word;
  const std::string_view digits = word.substr(word[0] == '-' || word[0] == '+' ? 1 : 0);
  const bool octal = digits.size() > 1 && digits[0] == '0' &&
                     digits.find_first_not_of("01234567") == std::string_view::npos;
  if (!octal) {
    if (const auto integer = to_int64(word[0] == '+' ? digits : word)) return *integer;
  }
  // A float of YAML 1.1 has a point, and a sign in its exponent: 1e5 is a text.
  if (digits.find('.') != std::string_view::npos &&
      digits.find_first_not_of("0123456789.eE+-") == std::string_view::npos) {
    if (const auto real = to_double(word[0] == '+' ? digits : word)) return *real;
  }
  return word;
}

class Reader {
 public:
  Reader(std::string_view text, const wire::Limits& limits) : limits_(limits) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<Json> run() {
    const Event stream = TRY(next());
    const Event document = TRY(next());
    if (document->type == YAML_STREAM_END_EVENT) return Json();
    const Event root = TRY(next());
    Json value = TRY(read(*root, 0));
    const Event end = TRY(next());
    const Event rest = TRY(next());
    if (rest->type != YAML_STREAM_END_EVENT) return wrong("a second document");
    return value;
  }

 private:
  struct Release {
    void operator()(yaml_event_t* event) const {
      yaml_event_delete(event);
      delete event;
    }
  };
  using Event = std::unique_ptr<yaml_event_t, Release>;

  Error wrong(const std::string& what) const {
    return invalid("line " + std::to_string(line_) + ": " + what);
  }

  Result<Event> next() {
    auto event = std::make_unique<yaml_event_t>();
    if (!yaml_parser_parse(&parser_, event.get())) {
      return invalid("line " + std::to_string(parser_.problem_mark.line + 1) + ": " +
                     (parser_.problem ? parser_.problem : "no YAML"));
    }
    line_ = event->start_mark.line + 1;
    return Event(event.release());
  }

  Result<Json> read(const yaml_event_t& event, int depth) {
    if (depth > limits_.depth_max) return wrong("nesting is too deep");
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        return scalar(event);
      case YAML_SEQUENCE_START_EVENT:
        return sequence(depth);
      case YAML_MAPPING_START_EVENT:
        return mapping(depth);
      case YAML_ALIAS_EVENT:
        return wrong("aliases are not supported here");
      default:
        return wrong("no value");
    }
  }

  static std::string text_of(const yaml_event_t& event) {
    return {reinterpret_cast<const char*>(event.data.scalar.value), event.data.scalar.length};
  }

  Result<Json> scalar(const yaml_event_t& event) {
    if (event.data.scalar.tag) return wrong("tags are not supported here");
    if (event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) return resolve(text_of(event));
    return Json(text_of(event));
  }

  Result<Json> sequence(int depth) {
    Json::Array items;
    for (;;) {
      const Event event = TRY(next());
      if (event->type == YAML_SEQUENCE_END_EVENT) return Json(std::move(items));
      items.push_back(TRY(read(*event, depth + 1)));
    }
  }

  Result<Json> mapping(int depth) {
    Json::Object members;
    for (;;) {
      const Event key = TRY(next());
      if (key->type == YAML_MAPPING_END_EVENT) return Json(std::move(members));
      if (key->type != YAML_SCALAR_EVENT) return wrong("a key that is no scalar");
      const Event value = TRY(next());
      members.emplace_back(text_of(*key), TRY(read(*value, depth + 1)));
    }
  }

  const wire::Limits& limits_;
  yaml_parser_t parser_;
  std::size_t line_ = 1;  // of the event read last
};

}  // namespace

Result<Json> to_json(std::string_view text, const wire::Limits& limits) {
  if (text.size() > limits.bytes_max)
    return invalid("longer than " + std::to_string(limits.bytes_max) + " bytes");
  return Reader(text, limits).run();
}

}  // namespace slipway::yaml
