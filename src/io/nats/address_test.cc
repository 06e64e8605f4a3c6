#include "io/nats/address.h"

#include <gtest/gtest.h>

namespace slipway::nats {
namespace {

TEST(Address, IsAHostWithADefaultPort) {
  const auto all = parse_addresses("queue.example.org");
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().url, "nats://queue.example.org:4222");
  EXPECT_EQ(all->front().shown, all->front().url);
  EXPECT_EQ(all->front().host, "queue.example.org");
  EXPECT_FALSE(all->front().tls);
}

TEST(Address, ShowsNoSecrets) {
  const auto one = parse_addresses("tls://ann:p@ss@host:1");
  ASSERT_TRUE(one.ok()) << one.error().message;
  EXPECT_EQ(one->front().url, "tls://ann:p@ss@host:1");
  EXPECT_EQ(one->front().shown, "tls://host:1");
  EXPECT_TRUE(one->front().tls);
  const auto token = parse_addresses("nats://t0ken@[::1]:4223/");
  ASSERT_TRUE(token.ok()) << token.error().message;
  EXPECT_EQ(token->front().shown, "nats://[::1]:4223");
  EXPECT_EQ(token->front().host, "::1");
}

TEST(Address, SeveralAreDividedByCommas) {
  const auto all = parse_addresses(" nats://a , nats://b:5 ,");
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[1].shown, "nats://b:5");
  EXPECT_TRUE(parse_addresses("")->empty());
}

TEST(Address, RefusesWhatIsNone) {
  for (const char* text : {"http://a", "nats://", "nats://a:0", "nats://a:65536", "nats://a:b",
                           "nats://a b", "nats://user@", "nats://[::1", "nats://a/path", "[]"}) {
    EXPECT_EQ(parse_addresses(text).error().code, Code::kInvalid) << text;
  }
  std::string many;
  for (std::size_t i = 0; i <= kAddressesMax; ++i) many += "a,";
  EXPECT_FALSE(parse_addresses(many).ok());
}

TEST(Address, ASecretIsNotInTheErrorEither) {
  for (const char* text : {"http://ann:s3cret@a", "nats://ann:s3cret@", "nats://s3cret@a:99999"}) {
    const auto all = parse_addresses(text);
    ASSERT_FALSE(all.ok()) << text;
    EXPECT_EQ(all.error().message.find("s3cret"), std::string::npos) << all.error().message;
  }
}

}  // namespace
}  // namespace slipway::nats
