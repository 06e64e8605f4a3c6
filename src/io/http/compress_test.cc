#include "io/http/compress.h"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

TEST(Compress, ComesBackAsItWas) {
  const std::string text = std::string(100'000, 'a') + "end";
  for (const Coding coding : {Coding::kGzip, Coding::kDeflate}) {
    const std::string packed = compress(coding, text);
    EXPECT_LT(packed.size(), 2000u);
    auto back = decompress(coding, packed, 1u << 20);
    ASSERT_TRUE(back.ok()) << back.error().message;
    EXPECT_EQ(*back, text);
  }
}

TEST(Compress, AnEmptyBodyIsFine) {
  auto back = decompress(Coding::kGzip, compress(Coding::kGzip, ""), 10);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, "");
}

TEST(Compress, ABombStopsAtTheLimit) {
  const std::string bomb = compress(Coding::kDeflate, std::string(50u << 20, '\0'));
  auto back = decompress(Coding::kDeflate, bomb, 1000);
  ASSERT_FALSE(back.ok());
  EXPECT_EQ(back.error().message, "decompressed body exceeds the limit of 1000 bytes");
}

TEST(Compress, BrokenDataAreRefused) {
  const std::string packed = compress(Coding::kGzip, "hello");
  EXPECT_FALSE(decompress(Coding::kGzip, "hello", 100).ok());
  EXPECT_FALSE(decompress(Coding::kDeflate, packed, 100).ok());
  EXPECT_FALSE(decompress(Coding::kGzip, packed + "more", 100).ok());
  for (std::size_t size = 0; size < packed.size(); ++size) {
    EXPECT_FALSE(decompress(Coding::kGzip, packed.substr(0, size), 100).ok()) << size;
  }
}

TEST(Compress, ReadsContentEncoding) {
  EXPECT_EQ(to_coding(""), Coding::kIdentity);
  EXPECT_EQ(to_coding("Identity"), Coding::kIdentity);
  EXPECT_EQ(to_coding("GZIP"), Coding::kGzip);
  EXPECT_EQ(to_coding(" deflate "), Coding::kDeflate);
  EXPECT_EQ(to_coding("br"), Coding::kUnknown);
  EXPECT_EQ(to_coding("gzip, deflate"), Coding::kUnknown);
}

TEST(Compress, WeighsAcceptEncoding) {
  EXPECT_EQ(preferred_coding(""), Coding::kIdentity);
  EXPECT_EQ(preferred_coding("br, *"), Coding::kIdentity);
  EXPECT_EQ(preferred_coding("deflate, gzip"), Coding::kDeflate);
  EXPECT_EQ(preferred_coding("deflate;q=0.5, gzip;q=0.8"), Coding::kGzip);
  EXPECT_EQ(preferred_coding("gzip;q=0"), Coding::kIdentity);
  EXPECT_EQ(preferred_coding("identity;q=1, gzip;q=0.5"), Coding::kIdentity);
}

}  // namespace
}  // namespace slipway::http
