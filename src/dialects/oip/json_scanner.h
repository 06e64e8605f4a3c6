#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::oip {

/// Walks one JSON text forward without building anything. Bare NaN, Infinity and -Infinity are
/// numbers. Errors are kInvalid and name the byte. One thread.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, int depth_max)
      : begin_(text.data()), at_(begin_), end_(begin_ + text.size()), depth_max_(depth_max) {}

  /// The next character that is no blank; 0 at the end.
  char peek() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
    return at_ < end_ ? *at_ : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted || at_ == end_) return false;
    ++at_;
    return true;
  }
  Result<> expect(char wanted);

  /// each() is called with the key and must read or skip exactly one value.
  template <class Each>
  Result<> object(Each&& each) {
    TRY(enter('{'));
    std::string key;
    if (take('}')) return leave();
    for (;;) {
      TRY(text(key));
      TRY(expect(':'));
      TRY(each(std::string_view(key)));
      if (take('}')) return leave();
      TRY(expect(','));
    }
  }
  template <class Each>
  Result<> array(Each&& each) {
    TRY(enter('['));
    if (take(']')) return leave();
    for (;;) {
      TRY(each());
      if (take(']')) return leave();
      TRY(expect(','));
    }
  }
  /// Arrays in arrays, as deep as they like, each() for everything that is none.
  template <class Each>
  Result<> flattened(Each&& each) {
    TRY(enter('['));
    const int outside = depth_ - 1;
    bool may_close = true;
    for (;;) {
      const char next = peek();
      if (next == '[') {
        TRY(enter('['));
        may_close = true;
        continue;
      }
      if (next != ']' || !may_close) TRY(each());
      for (;;) {
        if (!take(']')) break;
        TRY(leave());
        if (depth_ == outside) return {};
      }
      TRY(expect(','));
      may_close = false;
    }
  }

  Result<> text(std::string& out);
  Result<double> number();
  /// The characters of a number or a word: "true", "12", "-Infinity".
  std::string_view token();
  Result<> skip();
  /// Skips one value and gives its text, to be read later.
  Result<std::string_view> span();
  Result<> end();
  /// How far it has come.
  const char* position() const { return at_; }

  Error wrong(std::string_view what) const;

 private:
  Result<> enter(char opening);
  Result<> leave() {
    --depth_;
    return {};
  }
  Result<double> slow_number(const char* start);

  const char* begin_;
  const char* at_;
  const char* end_;
  const int depth_max_;
  int depth_ = 0;
};

}  // namespace slipway::oip
