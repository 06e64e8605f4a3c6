#include "domain/registry/version_source.h"

#include <gtest/gtest.h>

namespace slipway::registry {
namespace {

bool accepted(std::string_view source, std::string_view folder = "") {
  Result<> checked = check_source(source, folder);
  EXPECT_TRUE(checked.ok() || checked.error().code == Code::kInvalid);
  return checked.ok();
}

TEST(VersionSource, AcceptsRemotePlaces) {
  EXPECT_TRUE(accepted("mlflow-artifacts:/1/0af/artifacts/model"));
  EXPECT_TRUE(accepted("models:/m-0af"));
  EXPECT_TRUE(accepted("models:/bikes/1"));
  EXPECT_TRUE(accepted("runs:/0af/model"));
  EXPECT_TRUE(accepted("s3://bucket/a%20b/model"));
}

TEST(VersionSource, AcceptsALocalPathOnlyInsideTheRunsOwnFolder) {
  EXPECT_TRUE(accepted("/data/1/run/artifacts/model", "/data/1/run/artifacts"));
  EXPECT_TRUE(accepted("file:///data/1/run/artifacts/model", "file:///data/1/run/artifacts/"));
  EXPECT_FALSE(accepted("/data/1/run/artifacts/model"));
  EXPECT_FALSE(accepted("/data/1/run/artifacts-of-another/model", "/data/1/run/artifacts"));
  EXPECT_FALSE(accepted("/etc", "/data/1/run/artifacts"));
  EXPECT_FALSE(accepted("FILE:///etc", "/data/1/run/artifacts"));
  EXPECT_FALSE(accepted("/data/model", "mlflow-artifacts:/data"));
  EXPECT_FALSE(accepted("", "/data/1/run/artifacts"));
}

TEST(VersionSource, RefusesToLeaveTheFolder) {
  EXPECT_FALSE(accepted("/data/1/run/artifacts/../../other", "/data/1/run/artifacts"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/../2"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/%2e%2e/2"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/%252e%252e/2"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/..%2f2"));
  EXPECT_FALSE(accepted("mlflow-artifacts://1/.."));
  EXPECT_FALSE(accepted("s3://bucket?x=/../etc"));
}

TEST(VersionSource, RefusesStrangeBytes) {
  EXPECT_FALSE(accepted(std::string("mlflow-artifacts:/1/a\0b", 23)));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/a%00b"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/a%2500b"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1\\..\\2"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/./2"));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1//2"));
  EXPECT_FALSE(accepted("file%3a///etc/passwd"));
}

TEST(VersionSource, BoundsTheWork) {
  std::string quoted = "%2e";
  for (int i = 0; i < 30; ++i) quoted.insert(1, "25");
  EXPECT_FALSE(accepted("mlflow-artifacts:/" + quoted));
  EXPECT_FALSE(accepted("s3://b/" + std::string(5000, 'a')));
}

}  // namespace
}  // namespace slipway::registry
