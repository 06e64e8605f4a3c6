#include "io/blob/s3_sign.h"

#include <gtest/gtest.h>

#include "base/hash.h"

// The examples that Amazon has published ("Signature Calculations for the Authorization Header",
// "Authenticating Requests: Using Query Parameters"); tests/protocol/s3 has botocore check others.
namespace slipway::blob::s3 {
namespace {

constexpr UnixMs k24May2013 = 1'369'353'600'000;

Signer example() {
  return {{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""},
          "us-east-1",
          k24May2013};
}

Unsigned example_request(std::string method, std::string path, Pairs query = {},
                         Pairs headers = {}) {
  return {std::move(method), "https",          "examplebucket.s3.amazonaws.com",
          std::move(path),   std::move(query), std::move(headers)};
}

std::string authorization(const Unsigned& request, const std::string& body) {
  return sign(request, example(), sha256_hex(body)).back().second;
}

TEST(Signature, OfADownloadOfARange) {
  EXPECT_EQ(authorization(example_request("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}), ""),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Signature, OfAnUploadWhosePathNeedsEscapes) {
  EXPECT_EQ(authorization(example_request("PUT", "/test$file.text", {},
                                          {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                                           {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}),
                          "Welcome to Amazon S3."),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
            "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
            "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(Signature, OfAQueryWithoutAValue) {
  EXPECT_TRUE(authorization(example_request("GET", "/", {{"lifecycle", ""}}), "")
                  .ends_with("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a013678"
                             "3543"));
}

TEST(Signature, OfAListing) {
  EXPECT_TRUE(
      authorization(example_request("GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}), "")
          .ends_with(
              "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(Signature, OfAnAddress) {
  EXPECT_EQ(presign(example_request("GET", "/test.txt"), example(), std::chrono::seconds(86400)),
            "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
            "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
            "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(Signature, CoversTheSessionToken) {
  Signer signer = example();
  signer.credentials.session_token = "token/with+chars=";
  const Pairs headers = sign(example_request("GET", "/x"), signer, sha256_hex(""));
  EXPECT_NE(headers.back().second.find("x-amz-date;x-amz-security-token,"), std::string::npos);
  EXPECT_NE(presign(example_request("GET", "/x"), signer, std::chrono::seconds(1))
                .find("X-Amz-Security-Token=token%2Fwith%2Bchars%3D&"),
            std::string::npos);
}

TEST(Signature, NeverSaysTheSecret) {
  for (const auto& [name, value] : sign(example_request("GET", "/x"), example(), "")) {
    EXPECT_EQ(value.find("bPxRfiCY"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace slipway::blob::s3
