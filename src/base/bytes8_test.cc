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

TEST(Bytes8, LoadsTheTailOfATextAndNothingBeyondIt) {
  const std::string text = "abcd\xffgh";
  for (std::size_t size = 0; size < 8; ++size) {
    const std::string alone = text.substr(0, size);  // what is beyond is not ours to read
    std::uint64_t expected = 0;
    for (std::size_t i = 0; i < size; ++i)
      expected |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    EXPECT_EQ(load_tail(std::string(alone).data(), size), expected) << size;
  }
}

TEST(Bytes8, CountsBytesThatGoOnWithACharacter) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(8, static_cast<char>(byte));
    EXPECT_EQ(count_continuations(load(text.data())), (byte & 0xc0) == 0x80 ? 8u : 0u) << byte;
  }
}

}  // namespace
}  // namespace slipway::bytes8
