#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::checks {

/// A regular expression that a whole text has to match: RE2's, which is Perl's kind as far as one
/// pass over a text can tell, so that no pattern and no text take more than linear time. Texts are
/// UTF-8. Any thread.
class Pattern {
 public:
  static constexpr std::size_t kBytesMax = 1000;
  /// kInvalid, with what is not supported, and why.
  static Result<std::shared_ptr<const Pattern>> compile(std::string_view text);
  virtual ~Pattern() = default;
  virtual bool matches(std::string_view text) const = 0;
  virtual const std::string& text() const = 0;
};

}  // namespace slipway::checks
