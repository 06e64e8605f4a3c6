#include "base/hash.h"

#include <gtest/gtest.h>

#include <set>

#include "base/ids.h"

namespace slipway {
namespace {

// Vectors of RFC 1321, FIPS 180-4 and RFC 4231.
TEST(Hash, KnownVectors) {
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hmac_sha256_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, PiecesGiveTheDigestOfTheWhole) {
  Hasher pieces(Hasher::Kind::kSha256);
  pieces.update("a");
  pieces.update("");
  pieces.update("bc");
  EXPECT_EQ(pieces.finish_hex(), sha256_hex("abc"));
}

// The examples of RFC 3720, appendix B.4.
TEST(Crc32c, KnownVectors) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
}

TEST(Crc32c, PiecesGiveTheSumOfTheWhole) {
  const std::string text = "whatever is cut anywhere has one sum";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << cut;
  }
}

TEST(Ids, UuidsSortByTimeAndDiffer) {
  EXPECT_LT(uuid7(1'700'000'000'000), uuid7(1'700'000'000'001));
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    std::string id = uuid7(1'700'000'000'000);
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '7');
    EXPECT_NE(std::string_view("89ab").find(id[19]), std::string_view::npos);
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(Ids, SecretsCompareWhole) {
  EXPECT_TRUE(equal_secrets("abc", "abc"));
  EXPECT_FALSE(equal_secrets("abc", "abd"));
  EXPECT_FALSE(equal_secrets("abc", "abcd"));
  EXPECT_FALSE(equal_secrets("", "a"));
  EXPECT_EQ(random_hex32().size(), 32u);
  EXPECT_NE(random_hex32(), random_hex32());
}

}  // namespace
}  // namespace slipway
