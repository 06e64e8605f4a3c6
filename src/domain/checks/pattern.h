#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace slipway::checks {

/// A regular expression (Perl's kind) that a whole text has to match. Any thread.
class Pattern {
 public:
  static constexpr std::size_t kBytesMax = 1000;
  static Result<std::shared_ptr<const Pattern>> compile(std::string_view text);
  virtual ~Pattern() = default;
  /// False also where matching takes too many steps.
  virtual bool matches(std::string_view text) const = 0;
  virtual const std::string& text() const = 0;
};

}  // namespace slipway::checks
