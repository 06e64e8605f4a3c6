#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "domain/engine/document.h"

namespace slipway::engine {
namespace {

constexpr int kDepthMax = 64;
constexpr std::size_t kTextBytesMax = 1u << 20;

class JsonDocument final : public DocumentReader {
 public:
  explicit JsonDocument(std::string_view bytes)
      : begin_(bytes.data()), at_(begin_), end_(begin_ + bytes.size()) {}

  Result<> object(const EachMember& each) override {
    TRY(enter('{'));
    if (take('}')) return leave();
    for (;;) {
      const std::string key = TRY(text());
      TRY(expect(':'));
      TRY(each(key));
      if (take('}')) return leave();
      TRY(expect(','));
    }
  }

  Result<> array(const EachItem& each) override {
    TRY(enter('['));
    if (take(']')) return leave();
    for (;;) {
      TRY(each());
      if (take(']')) return leave();
      TRY(expect(','));
    }
  }

  Result<std::string> text() override {
    TRY(expect('"'));
    std::string out;
    while (at_ < end_ && *at_ != '"') {
      if (out.size() >= kTextBytesMax) return wrong("a text longer than 1 MiB");
      if (static_cast<unsigned char>(*at_) < 0x20) return wrong("a control character in a text");
      if (*at_ == '\\')
        TRY(escape(out));
      else
        out += *at_++;
    }
    if (at_ == end_) return wrong("the end of the file within a text");
    ++at_;
    return out;
  }

  Result<std::int64_t> integer() override {
    blanks();
    std::string quoted;
    std::string_view digits;
    if (at_ < end_ && *at_ == '"') {
      quoted = TRY(text());
      digits = quoted;
    } else {
      digits = token();
    }
    const auto value = to_int64(digits);
    if (!value)
      return wrong("'" + std::string(digits.substr(0, 40)) + "' where an integer belongs");
    return *value;
  }

  Result<> floats(std::vector<float>& out) override {
    return array([&]() -> Result<> {
      out.push_back(TRY(one_float()));
      return {};
    });
  }

  Result<> ints(std::vector<std::int32_t>& out) override {
    return array([&]() -> Result<> {
      out.push_back(TRY(one_int()));
      return {};
    });
  }

  Result<> skip() override {
    blanks();
    if (at_ == end_) return wrong("the end of the file");
    if (*at_ == '{') return object([&](std::string_view) { return skip(); });
    if (*at_ == '[') return array([&] { return skip(); });
    if (*at_ == '"') {
      TRY(text());
      return {};
    }
    if (token().empty()) return wrong("no value");
    return {};
  }

  Result<> end() override {
    blanks();
    if (at_ != end_) return wrong("more after the end of the document");
    return {};
  }

 private:
  Error wrong(const std::string& found) const {
    return invalid("byte " + std::to_string(at_ - begin_) + ": " + found);
  }
  void blanks() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
  }
  bool take(char wanted) {
    blanks();
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  Result<> expect(char wanted) {
    if (take(wanted)) return {};
    if (at_ == end_)
      return wrong("the end of the file where '" + std::string(1, wanted) + "' belongs");
    return wrong("no '" + std::string(1, wanted) + "'");
  }
  Result<> enter(char opening) {
    TRY(expect(opening));
    if (++depth_ > kDepthMax) return wrong("nesting deeper than 64");
    return {};
  }
  Result<> leave() {
    --depth_;
    return {};
  }

  /// The characters of a number or a word.
  std::string_view token() {
    blanks();
    const char* start = at_;
    while (at_ < end_ &&
           ((*at_ >= '0' && *at_ <= '9') || (*at_ >= 'a' && *at_ <= 'z') ||
            (*at_ >= 'A' && *at_ <= 'Z') || *at_ == '-' || *at_ == '+' || *at_ == '.')) {
      ++at_;
    }
    return {start, static_cast<std::size_t>(at_ - start)};
  }

  Result<float> one_float() {
    const std::string_view word = token();
    float value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc() && stop == word.data() + word.size()) return value;
    if (word == "NaN") return std::numeric_limits<float>::quiet_NaN();
    if (word == "Infinity") return std::numeric_limits<float>::infinity();
    if (word == "-Infinity") return -std::numeric_limits<float>::infinity();
    if (error == std::errc::result_out_of_range) return out_of_range(word);
    return wrong("'" + std::string(word.substr(0, 40)) + "' where a number belongs");
  }

  /// What rounding to the nearest float gives for a number that from_chars calls too large or too
  /// small.
  static float out_of_range(std::string_view word) {
    const auto wide = to_double(word);
    return wide ? static_cast<float>(*wide) : std::numeric_limits<float>::quiet_NaN();
  }

  Result<std::int32_t> one_int() {
    const std::string_view word = token();
    if (word == "true") return 1;
    if (word == "false") return 0;
    std::int32_t value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size()) {
      return wrong("'" + std::string(word.substr(0, 40)) + "' where a 32-bit integer belongs");
    }
    return value;
  }

  Result<> escape(std::string& out) {
    if (end_ - at_ < 2) return wrong("the end of the file within an escape");
    const char kind = at_[1];
    at_ += 2;
    const std::string_view plain = "\"\\/", codes = "bfnrt", meanings = "\b\f\n\r\t";
    if (plain.find(kind) != std::string_view::npos) {
      out += kind;
      return {};
    }
    if (const auto i = codes.find(kind); i != std::string_view::npos) {
      out += meanings[i];
      return {};
    }
    if (kind != 'u') return wrong("an unknown escape");
    std::uint32_t point = TRY(four_hex());
    if (point >= 0xD800 && point < 0xDC00 && end_ - at_ >= 2 && at_[0] == '\\' && at_[1] == 'u') {
      at_ += 2;
      const std::uint32_t low = TRY(four_hex());
      if (low < 0xDC00 || low > 0xDFFF) return wrong("half of a surrogate pair");
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
    } else if (point >= 0xD800 && point <= 0xDFFF) {
      return wrong("half of a surrogate pair");
    }
    append_utf8(out, point);
    return {};
  }

  Result<std::uint32_t> four_hex() {
    if (end_ - at_ < 4) return wrong("the end of the file within an escape");
    std::uint32_t value = 0;
    const auto [stop, error] = std::from_chars(at_, at_ + 4, value, 16);
    if (error != std::errc() || stop != at_ + 4) return wrong("a broken \\u escape");
    at_ += 4;
    return value;
  }

  static void append_utf8(std::string& out, std::uint32_t point) {
    if (point < 0x80) {
      out += static_cast<char>(point);
    } else if (point < 0x800) {
      out += static_cast<char>(0xC0 | (point >> 6));
      out += static_cast<char>(0x80 | (point & 0x3F));
    } else if (point < 0x10000) {
      out += static_cast<char>(0xE0 | (point >> 12));
      out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (point & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (point >> 18));
      out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (point & 0x3F));
    }
  }

  const char* begin_;
  const char* at_;
  const char* end_;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<DocumentReader> read_json(std::string_view bytes) {
  return std::make_unique<JsonDocument>(bytes);
}

}  // namespace slipway::engine
