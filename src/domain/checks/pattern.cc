#include "domain/checks/pattern.h"

#include <boost/regex.hpp>
#include <stdexcept>

namespace slipway::checks {
namespace {

class BoostPattern final : public Pattern {
 public:
  explicit BoostPattern(std::string text)
      : text_(std::move(text)), regex_(text_, boost::regex::perl) {}

  bool matches(std::string_view subject) const override {
    try {
      return boost::regex_match(subject.begin(), subject.end(), regex_);
    } catch (const std::runtime_error&) {
      return false;  // too complex: the library counts its steps
    }
  }
  const std::string& text() const override { return text_; }

 private:
  std::string text_;
  boost::regex regex_;
};

}  // namespace

Result<std::shared_ptr<const Pattern>> Pattern::compile(std::string_view text) {
  if (text.size() > kBytesMax)
    return invalid("a pattern has at most " + std::to_string(kBytesMax) + " bytes");
  try {
    return std::shared_ptr<const Pattern>(std::make_shared<BoostPattern>(std::string(text)));
  } catch (const std::runtime_error& error) {
    return invalid("'" + std::string(text) + "' is no pattern: " + error.what());
  }
}

}  // namespace slipway::checks
