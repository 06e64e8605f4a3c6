#include "io/http/guard.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <vector>

namespace slipway::http {
namespace {

TEST(Host, OfThisMachineAndItsNetworkIsAllowed) {
  for (const char* host : {"localhost", "LOCALHOST:5000", "127.0.0.1", "127.0.0.1:80", "127.9.9.9",
                           "[::1]", "[::1]:5000", "0.0.0.0:5000", "10.1.2.3", "172.16.0.1",
                           "172.31.255.255:1", "192.168.1.1", "[fc00::1]", "[fd12:3456::1]:80"}) {
    EXPECT_TRUE(is_allowed_host(host, {})) << host;
  }
}

TEST(Host, OfOthersIsNot) {
  for (const char* host : {"",
                           ":80",
                           "example.org",
                           "localhost.example.org",
                           "10.example.org",
                           "127.0.0.1.nip.io",
                           "172.15.0.1",
                           "172.32.0.1",
                           "192.169.0.1",
                           "8.8.8.8",
                           "[::2]",
                           "[2001:db8::1]",
                           "[::1",
                           "[::1]x",
                           "localhost:80x",
                           "::1",
                           "127.1",
                           "0x7f.0.0.1",
                           "2130706433",
                           "localhost:80:80",
                           "[::ffff:8.8.8.8]"}) {
    EXPECT_FALSE(is_allowed_host(host, {})) << host;
  }
}

TEST(Host, MayBeAllowedByPattern) {
  const std::vector<std::string> allowed = {"*.example.org", "ml.example.com:5000"};
  EXPECT_TRUE(is_allowed_host("a.example.org", allowed));
  EXPECT_TRUE(is_allowed_host("A.B.Example.org:80", allowed));
  EXPECT_TRUE(is_allowed_host("ml.example.com:5000", allowed));
  EXPECT_FALSE(is_allowed_host("ml.example.com:5001", allowed));
  EXPECT_FALSE(is_allowed_host("example.org", allowed));
  EXPECT_FALSE(is_allowed_host("a.example.org.evil.org", allowed));
}

std::vector<std::uint8_t> bytes_of(const std::string& address) {
  std::vector<std::uint8_t> bytes(address.find(':') == std::string::npos ? 4 : 16);
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  EXPECT_EQ(inet_pton(family, address.c_str(), bytes.data()), 1) << address;
  return bytes;
}

TEST(Address, OfTheInternetIsPublic) {
  for (const char* address :
       {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.1.2.3",
        "169.253.0.1", "172.15.0.1", "172.32.0.1", "192.169.0.1", "223.255.255.255",
        "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"}) {
    EXPECT_TRUE(is_public_address(bytes_of(address))) << address;
  }
}

TEST(Address, OfThisMachineItsNetworksAndCloudsIsNot) {
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.255.0.1",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.51.100.1",
                              "203.0.113.7",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd00:ec2::254",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "::ffff:127.0.0.1",
                              "::ffff:169.254.169.254",
                              "64:ff9b::10.0.0.1",
                              "2002:7f00:1::1",
                              "2002:a9fe:a9fe::"}) {
    EXPECT_FALSE(is_public_address(bytes_of(address))) << address;
  }
  EXPECT_FALSE(is_public_address({}));
}

TEST(Origin, OfThisMachineIsAllowed) {
  for (const char* origin : {"http://localhost", "http://localhost:3000", "https://127.0.0.1:5000",
                             "http://[::1]:8080"}) {
    EXPECT_TRUE(is_allowed_origin(origin, {})) << origin;
  }
  for (const char* origin :
       {"", "null", "localhost", "http://", "http://example.org", "http://localhost.example.org",
        "http://192.168.1.7", "http://localhost@example.org", "file://localhost",
        "http://localhost/x"}) {
    EXPECT_FALSE(is_allowed_origin(origin, {})) << origin;
  }
  EXPECT_TRUE(is_allowed_origin("https://ml.example.org", {"https://*.example.org"}));
  EXPECT_FALSE(is_allowed_origin("http://ml.example.org", {"https://*.example.org"}));
}

TEST(Wildcards, MatchAsTheySay) {
  EXPECT_TRUE(matches_wildcards("", "*"));
  EXPECT_TRUE(matches_wildcards("abc", "a*c"));
  EXPECT_TRUE(matches_wildcards("ac", "a*c"));
  EXPECT_TRUE(matches_wildcards("abcbc", "a*bc"));
  EXPECT_FALSE(matches_wildcards("abcb", "a*bc"));
  EXPECT_FALSE(matches_wildcards("", "a"));
  EXPECT_TRUE(matches_wildcards("a.b", "A.B"));
  // No pattern makes it slow.
  EXPECT_FALSE(matches_wildcards(std::string(5000, 'a'), "*a*a*a*a*a*a*a*b"));
}

TEST(Origin, OfTheHostThatWasAskedIsItsOwnPage) {
  EXPECT_TRUE(is_same_origin("http://192.168.1.5:5000", "192.168.1.5:5000"));
  EXPECT_TRUE(is_same_origin("https://ml.example.org", "ML.example.org"));
  EXPECT_FALSE(is_same_origin("http://192.168.1.5:5001", "192.168.1.5:5000"));
  EXPECT_FALSE(is_same_origin("http://192.168.1.5:5000.evil.org", "192.168.1.5:5000"));
  EXPECT_FALSE(is_same_origin("null", "192.168.1.5:5000"));
  EXPECT_FALSE(is_same_origin("http://", ""));
}

}  // namespace
}  // namespace slipway::http
