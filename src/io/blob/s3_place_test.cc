#include "io/blob/s3_place.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/ids.h"

namespace slipway::blob::s3 {
namespace {

namespace fs = std::filesystem;

class S3PlaceTest : public testing::Test {
 protected:
  S3PlaceTest() : home_(fs::temp_directory_path() / ("slipway-aws-" + random_hex32())) {
    fs::create_directories(home_ / ".aws");
    variables_["HOME"] = home_.string();
  }
  ~S3PlaceTest() override { fs::remove_all(home_); }

  void write(const char* file, const std::string& text) {
    std::ofstream(home_ / ".aws" / file) << text;
  }
  Environment environment() {
    return [this](const std::string& name) -> std::optional<std::string> {
      auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
  }
  Place place(const std::string& uri) {
    Result<Place> found = place_of(uri, environment());
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : Place{};
  }

  fs::path home_;
  std::map<std::string, std::string> variables_;
};

TEST_F(S3PlaceTest, IsAmazonsWithoutAnEndpoint) {
  variables_["AWS_REGION"] = "eu-west-1";
  const Place found = place("s3://my-bucket/some/prefix/");
  EXPECT_EQ(found.bucket, "my-bucket");
  EXPECT_EQ(found.prefix, "some/prefix");
  EXPECT_EQ(found.scheme, "https");
  EXPECT_EQ(found.host, "my-bucket.s3.eu-west-1.amazonaws.com");
  EXPECT_TRUE(found.virtual_host);
  EXPECT_EQ(place("s3://my.bucket").host, "s3.eu-west-1.amazonaws.com");
}

TEST_F(S3PlaceTest, IsWhereItIsSaid) {
  const Place found = place("s3://b-1?endpoint=http%3A%2F%2F127.0.0.1:9000/&region=r1");
  EXPECT_EQ(found.host, "127.0.0.1:9000");
  EXPECT_EQ(found.scheme, "http");
  EXPECT_EQ(found.region, "r1");
  EXPECT_FALSE(found.virtual_host);
  EXPECT_EQ(place("s3://b-1?endpoint=https://minio:443&style=virtual").host, "b-1.minio");
  variables_["AWS_ENDPOINT_URL"] = "https://one";
  variables_["AWS_ENDPOINT_URL_S3"] = "https://two";
  EXPECT_EQ(place("s3://b-1").host, "two");
  EXPECT_EQ(place("s3://b-1?endpoint=https://three").host, "three");
}

TEST_F(S3PlaceTest, IsReadFromTheProfile) {
  write("config",
        "[default]\nregion = us-west-2\n[profile team]\nregion = eu-central-1\nendpoint_url = "
        "https://store\ns3 =\n  addressing_style = virtual\n  payload_signing_enabled = true\n");
  EXPECT_EQ(place("s3://b-1").host, "b-1.s3.us-west-2.amazonaws.com");
  variables_["AWS_PROFILE"] = "team";
  EXPECT_EQ(place("s3://b-1").host, "b-1.store");
  EXPECT_EQ(place("s3://b-1").region, "eu-central-1");
}

TEST_F(S3PlaceTest, IsRefusedWithWhatIsWrong) {
  for (const char* uri : {"s3://", "s3://a", "s3://a b/x", "s3://UP/../x?endpoint=ftp://x",
                          "s3://bucket?endpoint=https://h/path", "s3://bucket?speed=9",
                          "s3://bucket?style=loud", "s3://bucket?endpoint=https://u:p@h", "/folder"}) {
    EXPECT_FALSE(place_of(uri, environment()).ok()) << uri;
  }
}

TEST_F(S3PlaceTest, CredentialsComeFromTheEnvironmentFirst) {
  write("credentials",
        "# mine\n[default]\naws_access_key_id = FILE\naws_secret_access_key=s1\n[team]\n"
        "aws_access_key_id = TEAM\naws_secret_access_key = s2=x\naws_session_token = t\n");
  EXPECT_EQ(find_credentials(environment())->key_id, "FILE");
  variables_["AWS_PROFILE"] = "team";
  const Credentials team = *find_credentials(environment());
  EXPECT_EQ(team.key_id, "TEAM");
  EXPECT_EQ(team.secret, "s2=x");
  EXPECT_EQ(team.session_token, "t");
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = "s3";
  EXPECT_EQ(find_credentials(environment())->key_id, "ENV");
  EXPECT_EQ(find_credentials(environment())->session_token, "");
}

TEST_F(S3PlaceTest, CredentialsThatAreMissingSayWhereTheyWereLookedFor) {
  write("credentials", "[other]\naws_access_key_id = A\naws_secret_access_key = very-secret\n");
  const Result<Credentials> none = find_credentials(environment());
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.error().message.find("profile 'default'"), std::string::npos);
  EXPECT_EQ(none.error().message.find("very-secret"), std::string::npos);
  write("credentials", "[default]\nvery-secret\n");
  const Result<Credentials> broken = find_credentials(environment());
  EXPECT_NE(broken.error().message.find("line 2"), std::string::npos);
  EXPECT_EQ(broken.error().message.find("very-secret"), std::string::npos);
}

}  // namespace
}  // namespace slipway::blob::s3
