#include "domain/checks/pattern.h"

#include <re2/re2.h>

namespace slipway::checks {
namespace {

RE2::Options options() {
  RE2::Options options;  // Perl's syntax, UTF-8
  options.set_log_errors(false);
  options.set_never_capture(true);
  return options;
}

/// RE2 runs every pattern over a text once, in time that grows with the text and no faster.
class LinearPattern final : public Pattern {
 public:
  explicit LinearPattern(const std::string& text) : regex_(text, options()) {}

  bool matches(std::string_view subject) const override {
    return RE2::FullMatch({subject.data(), subject.size()}, regex_);
  }
  const std::string& text() const override { return regex_.pattern(); }
  const RE2& regex() const { return regex_; }

 private:
  RE2 regex_;
};

struct Missing {
  std::string_view begins;  // how the pattern goes on where RE2 stumbled
  std::string_view words;
};
/// What Perl or JSON Schema have and patterns here have not: because no one pass over a text can
/// tell, or because it is written otherwise.
constexpr Missing kMissing[] = {
    {"(?=", "looking ahead"},
    {"(?!", "looking ahead"},
    {"(?<=", "looking behind"},
    {"(?<!", "looking behind"},
    {"(?<", "a group's name is written (?P<name>...)"},
    {"(?'", "a group's name is written (?P<name>...)"},
    {"(?P=", "going back to what a group has matched"},
    {"(?>", "an atomic group"},
    {"(?(", "a condition"},
    {"(?R", "recursion"},
    {"(?P>", "recursion"},
    {"(?&", "recursion"},
    {"\\k", "going back to what a group has matched"},
    {"\\g", "going back to what a group has matched"},
    {"\\u", "a code point is written \\x{00e9}"},
};

std::string_view missing_at(std::string_view there) {
  for (const Missing& missing : kMissing)
    if (there.starts_with(missing.begins)) return missing.words;
  if (there.size() > 1 && there[0] == '\\' && there[1] >= '1' && there[1] <= '9')
    return "going back to what a group has matched";
  return "";
}

/// "" for what is simply wrong.
std::string_view missing_in(const RE2& regex) {
  const RE2::ErrorCode code = regex.error_code();
  const std::string_view pattern = regex.pattern(), part = regex.error_arg();
  if (code == RE2::ErrorRepeatSize)
    return "a repetition is at most 1000 times, nested ones together";
  if (code == RE2::ErrorPatternTooLarge) return "it is too large";
  if (code == RE2::ErrorRepeatOp && part.ends_with('+')) return "a possessive repetition";
  if (part.empty()) return "";
  // RE2 tells what it stumbled over ("(?P"), not where nor what follows, which says more.
  for (std::size_t at = pattern.find(part); at != pattern.npos; at = pattern.find(part, at + 1)) {
    const std::string_view words = missing_at(pattern.substr(at));
    if (!words.empty()) return words;
  }
  return "";
}

Error no_pattern(const RE2& regex) {
  const std::string_view words = missing_in(regex);
  std::string message = "'" + regex.pattern() + "' is no pattern: " + regex.error();
  if (!words.empty()) {
    message += " (" + std::string(words) +
               "; patterns are those of RE2, which needs one pass over the text and is never slow)";
  }
  return invalid(std::move(message));
}

}  // namespace

Result<std::shared_ptr<const Pattern>> Pattern::compile(std::string_view text) {
  if (text.size() > kBytesMax)
    return invalid("a pattern has at most " + std::to_string(kBytesMax) + " bytes");
  auto pattern = std::make_shared<LinearPattern>(std::string(text));
  if (!pattern->regex().ok()) return no_pattern(pattern->regex());
  return std::shared_ptr<const Pattern>(std::move(pattern));
}

}  // namespace slipway::checks
