#include "io/http/authorization.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace slipway::http {
namespace {

using Scheme = Credentials::Scheme;

TEST(Authorization, OfNameAndPasswordIsReadWhateverTheCaseOfItsScheme) {
  for (const char* scheme : {"Basic ", "basic ", "BASIC   "}) {
    const Credentials read = parse_authorization(scheme + base64_encode("änn:a:b c"));
    EXPECT_EQ(read.scheme, Scheme::kBasic);
    EXPECT_EQ(read.user, "änn");
    EXPECT_EQ(read.secret, "a:b c");
  }
}

TEST(Authorization, OfATokenIsRead) {
  const Credentials read = parse_authorization("Bearer slipway-attempt:0190.ab-_~+/=");
  EXPECT_EQ(read.scheme, Scheme::kBearer);
  EXPECT_EQ(read.secret, "slipway-attempt:0190.ab-_~+/=");
}

TEST(Authorization, ThatIsMissingIsNone) {
  EXPECT_EQ(parse_authorization("").scheme, Scheme::kNone);
  EXPECT_EQ(parse_authorization("  ").scheme, Scheme::kNone);
}

TEST(Authorization, ThatIsMalformedIsOfNobody) {
  for (const std::string& header :
       {std::string("Basic"), std::string("Basic "), std::string("Basic !!!"),
        "Basic " + base64_encode("no colon"), "Basic " + base64_encode("ann:a\nb"),
        "Basic " + base64_encode("ann:\xff"), std::string("Bearer a b"), std::string("Bearer ü"),
        std::string("Digest username=ann"), std::string("Negotiate abc"),
        "Bearer " + std::string(kAuthorizationBytesMax, 'a')}) {
    const Credentials read = parse_authorization(header);
    EXPECT_EQ(read.scheme, Scheme::kUnknown) << header.substr(0, 40);
    EXPECT_EQ(read.user + read.secret, "") << header.substr(0, 40);
  }
}

TEST(Cookie, IsFoundAmongOthers) {
  EXPECT_EQ(cookie_value("a=1; session=xyz;b=2", "session"), "xyz");
  EXPECT_EQ(cookie_value("session=", "session"), "");
  EXPECT_EQ(cookie_value("xsession=1; Session=2", "session"), std::nullopt);
  EXPECT_EQ(cookie_value("", "session"), std::nullopt);
}

TEST(Cookie, ThatIsThereTwiceIsNone) {
  EXPECT_EQ(cookie_value("session=a; session=b", "session"), std::nullopt);
}

}  // namespace
}  // namespace slipway::http
