#include "base/terminal.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

TEST(ForTerminal, LetsNoTextSpeakToTheTerminal) {
  EXPECT_EQ(for_terminal("plain é 日本 🚲"), "plain é 日本 🚲");
  EXPECT_EQ(for_terminal("a\x1b[31mred\x1b]0;title\x07"), "a\\x1b[31mred\\x1b]0;title\\x07");
  EXPECT_EQ(for_terminal("two\nlines\r\t\x7f"), "two\\nlines\\r\\t\\x7f");
  EXPECT_EQ(for_terminal("\xc2\x9b" "31m \xe2\x80\xae" "back"), "\\x9b31m \\u202eback");
  EXPECT_EQ(for_terminal(""), "");
}

}  // namespace
}  // namespace slipway
