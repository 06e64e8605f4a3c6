#include "base/base64.h"

#include <gtest/gtest.h>

#include <random>

namespace slipway {
namespace {

TEST(Base64, KnowsTheVectorsOfRfc4648) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Base64, ReadsBackAnyBytes) {
  std::mt19937 random(1);
  for (int size = 0; size < 200; ++size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random()));
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
  }
}

TEST(Base64, RefusesTheRest) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", " Zg==", "Zg==\n",
                           "Zm9v\n\n\n\n", "Zm=v", "Zm9*", "Zg==Zg=="}) {
    EXPECT_EQ(base64_decode(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace slipway
