#include "io/http/forwarded.h"

#include <gtest/gtest.h>

namespace slipway::http {
namespace {

TrustedProxies proxies(const std::vector<std::string>& texts) {
  Result<TrustedProxies> parsed = TrustedProxies::parse(texts);
  EXPECT_TRUE(parsed.ok());
  return parsed.ok() ? *parsed : TrustedProxies();
}

Headers forwarded(const std::vector<std::string>& lines) {
  Headers headers;
  for (const std::string& line : lines) headers.add("x-forwarded-for", line);
  return headers;
}

TEST(ClientAddress, IsThePeersUnlessThatIsATrustedProxy) {
  const Headers says = forwarded({"192.0.2.7"});
  EXPECT_EQ(client_address("203.0.113.9", says, {}), "203.0.113.9");
  EXPECT_EQ(client_address("203.0.113.9", says, proxies({"10.0.0.0/8"})), "203.0.113.9");
  EXPECT_EQ(client_address("10.1.2.3", says, proxies({"10.0.0.0/8"})), "192.0.2.7");
  EXPECT_EQ(client_address("10.1.2.3", {}, proxies({"10.0.0.0/8"})), "10.1.2.3");
}

TEST(ClientAddress, IsTheNearestThatNoProxyIs) {
  const TrustedProxies trusted = proxies({"10.0.0.0/8", "127.0.0.1", "fd00::/8"});
  EXPECT_EQ(client_address("127.0.0.1", forwarded({"1.1.1.1, 192.0.2.7, 10.0.0.1"}), trusted),
            "192.0.2.7")
      << "what a client says of others counts for nothing";
  EXPECT_EQ(client_address("fd00::1", forwarded({"1.1.1.1", "192.0.2.7:4711"}), trusted),
            "192.0.2.7")
      << "a proxy may add a line of its own";
  EXPECT_EQ(client_address("127.0.0.1", forwarded({"[2001:db8::7]:80"}), trusted), "2001:db8::7");
  EXPECT_EQ(client_address("127.0.0.1", forwarded({"10.0.0.2,10.0.0.1"}), trusted), "10.0.0.2");
}

TEST(ClientAddress, DoesNotGoPastWhatIsNoAddress) {
  const TrustedProxies trusted = proxies({"10.0.0.0/8"});
  for (const char* line : {"", "unknown", "1.1.1.1, _hidden", "1.1.1.1,", "1.1.1.1, [::1",
                           "1.1.1.1, 999.1.1.1"}) {
    EXPECT_EQ(client_address("10.0.0.9", forwarded({line}), trusted), "10.0.0.9") << line;
  }
}

TEST(CountedAs, OneLineIsOneHoweverItIsSpelled) {
  EXPECT_EQ(counted_as("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(counted_as("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(counted_as("2001:0db8::9"), "2001:db8::/64");
  EXPECT_EQ(counted_as("2001:db8:0:0:1:2:3:4"), "2001:db8::/64");
  EXPECT_EQ(counted_as("2001:db8:0:1::"), "2001:db8:0:1::/64");
  EXPECT_EQ(counted_as("somebody"), "somebody");
  EXPECT_EQ(counted_as(""), "");
}

TEST(TrustedProxies, AreAddressesAndNetworks) {
  const TrustedProxies trusted = proxies({"192.0.2.7", "198.51.100.128/25", "2001:db8::/32"});
  EXPECT_TRUE(trusted.has("192.0.2.7"));
  EXPECT_FALSE(trusted.has("192.0.2.8"));
  EXPECT_TRUE(trusted.has("198.51.100.200"));
  EXPECT_FALSE(trusted.has("198.51.100.100"));
  EXPECT_TRUE(trusted.has("2001:db8:1::2"));
  EXPECT_FALSE(trusted.has("2001:db9::2"));
  EXPECT_FALSE(trusted.has("somebody"));
  EXPECT_TRUE(proxies({"0.0.0.0/0"}).has("8.8.8.8"));
  EXPECT_FALSE(proxies({"0.0.0.0/0"}).has("::1")) << "of the other kind";
  EXPECT_TRUE(proxies({"::ffff:192.0.2.7"}).has("192.0.2.7")) << "one address in two spellings";
  EXPECT_TRUE(proxies({"::ffff:10.0.0.0/104"}).has("10.9.9.9"));
  EXPECT_TRUE(proxies({"10.0.0.0/8"}).has("::ffff:10.1.1.1"));
  for (const char* text : {"", "10.0.0.0/+8", "10.0.0.0/08", "::ffff:10.0.0.0/8", "proxy.example.org", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
                           "10.0.0.0/x", "fd00::/129", "10.0.0"}) {
    const Result<TrustedProxies> parsed = TrustedProxies::parse({text});
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.error().message.find("'" + std::string(text) + "'"), std::string::npos);
  }
}

}  // namespace
}  // namespace slipway::http
