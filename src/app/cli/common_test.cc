#include "app/cli/common.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

TEST(HintOf, NamesTheNearestElseWhatThereIs) {
  EXPECT_EQ(hint_of("rids", {"flats", "rides"}), "; did you mean 'rides'?");
  EXPECT_EQ(hint_of("nope", {"flats", "rides"}), "; known: flats, rides");
  EXPECT_EQ(hint_of("nope", {"f1", "f2", "f3", "f4", "f5", "f6", "f7"}),
            "; known: f1, f2, f3, f4, f5 and 2 more");
  EXPECT_EQ(hint_of("nope", {}), "");
}

}  // namespace
}  // namespace slipway::app
