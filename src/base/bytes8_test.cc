#include "base/bytes8.h"

#include <gtest/gtest.h>

#include <string>

namespace slipway::bytes8 {
namespace {

// Every byte at every place among plain ones.
TEST(Bytes8, FindsWhatIsSpecialAndNothingElse) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t place = 0; place < 8; ++place) {
      std::string text(8, 'a');
      text[place] = static_cast<char>(byte);
      const std::uint64_t word = load(text.data());
      EXPECT_EQ(any_below(word, 0x20) != 0, byte < 0x20) << byte << " at " << place;
      EXPECT_EQ(any_equal(word, '"') != 0, byte == '"') << byte << " at " << place;
      EXPECT_EQ(any_high(word) != 0, byte >= 0x80) << byte << " at " << place;
    }
  }
}

}  // namespace
}  // namespace slipway::bytes8
