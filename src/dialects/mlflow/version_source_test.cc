#include "dialects/mlflow/version_source.h"

#include <gtest/gtest.h>

namespace slipway::mlflow {
namespace {

using Kind = SourceOwner::Kind;

Result<> check(std::string_view source, const SourceOwner& owner = {}) {
  Result<> checked = check_source(source, owner);
  EXPECT_TRUE(checked.ok() || checked.error().code == Code::kInvalid);
  return checked;
}

bool accepted(std::string_view source, const SourceOwner& owner = {}) {
  return check(source, owner).ok();
}

SourceOwner run(std::string id, std::string location) {
  return {Kind::kRun, std::move(id), std::move(location)};
}
SourceOwner run_in(std::string location) {
  return run("0af", std::move(location));
}
SourceOwner model(std::string id, std::string location) {
  return {Kind::kModel, std::move(id), std::move(location)};
}

TEST(VersionSource, AcceptsRemotePlacesAndRegisteredVersions) {
  EXPECT_TRUE(accepted("models:/bikes/1"));
  EXPECT_TRUE(accepted("models:/bikes@champion"));
  EXPECT_TRUE(accepted("s3://bucket/a%20b/model"));
  EXPECT_TRUE(accepted("s3://bucket//a/"));
  EXPECT_TRUE(accepted("dbfs:/x"));
}

TEST(VersionSource, AcceptsOnlyTheRunAndTheLoggedModelThatTheRequestNames) {
  EXPECT_TRUE(accepted("runs:/0af/model", run("0af", "")));
  EXPECT_FALSE(accepted("runs:/0af/model"));
  EXPECT_FALSE(accepted("runs:/0af/model", run("0b", "")));
  EXPECT_FALSE(accepted("runs://host/0af/model", run("0af", "")));
  EXPECT_FALSE(accepted("runs:/0af/model", model("m-1", "")));
  EXPECT_TRUE(accepted("models:/m-1", model("m-1", "")));
  EXPECT_FALSE(accepted("models:/m-1", model("m-2", "")));
  EXPECT_FALSE(accepted("models:/m-1", run("0af", "")));
  EXPECT_EQ(check("models:/m-1").error().message,
            "Invalid model version source: 'models:/m-1'. The model_id request parameter must "
            "identify the resource that contains the source.");
}

TEST(VersionSource, AcceptsArtifactsOnlyBelowTheirOwner) {
  const SourceOwner owner = run_in("mlflow-artifacts:/1/0af/artifacts");
  EXPECT_TRUE(accepted("mlflow-artifacts:/1/0af/artifacts/model", owner));
  EXPECT_TRUE(accepted("mlflow-artifacts:/1/0af/artifacts", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/0af/artifacts-2/model", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/0b/artifacts/model", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/0af/artifacts/model"));
  EXPECT_TRUE(accepted("mlflow-artifacts:/1/models/m-1/artifacts/x",
                       model("m-1", "mlflow-artifacts:/1/models/m-1/artifacts")));
}

TEST(VersionSource, AcceptsALocalPathOnlyInsideTheRunsOwnFolder) {
  EXPECT_TRUE(accepted("/data/1/run/artifacts/model", run_in("/data/1/run/artifacts")));
  EXPECT_TRUE(
      accepted("file:///data/1/run/artifacts/model", run_in("file:///data/1/run/artifacts/")));
  EXPECT_FALSE(accepted("/data/1/run/artifacts/model"));
  EXPECT_FALSE(accepted("/data/1/run/artifacts-of-another/model", run_in("/data/1/run/artifacts")));
  EXPECT_FALSE(accepted("/etc", run_in("/data/1/run/artifacts")));
  EXPECT_FALSE(accepted("FILE:///etc", run_in("/data/1/run/artifacts")));
  EXPECT_FALSE(accepted("/data/model", run_in("mlflow-artifacts:/data")));
  EXPECT_FALSE(accepted("/data/model", run_in("/")));
  EXPECT_FALSE(accepted("", run_in("/data/1/run/artifacts")));
}

TEST(VersionSource, RefusesPlacesThatWouldMakeTheServerAskAnotherHost) {
  EXPECT_FALSE(accepted("http://127.0.0.1/latest/meta-data"));
  EXPECT_FALSE(accepted("HTTPS://x/y"));
  EXPECT_FALSE(accepted("ftp://x/y"));
  EXPECT_FALSE(accepted("sftp://x/y"));
  EXPECT_FALSE(accepted("mlflow-artifacts://host/1/x", run_in("mlflow-artifacts:/1/x")));
}

TEST(VersionSource, RefusesToLeaveTheFolder) {
  const SourceOwner owner = run_in("mlflow-artifacts:/1");
  EXPECT_FALSE(accepted("/data/1/run/artifacts/../../other", run_in("/data/1/run/artifacts")));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/../2", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/%2e%2e/2", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/%252e%252e/2", owner));
  EXPECT_FALSE(accepted("mlflow-artifacts:/1/..%2f2", owner));
  EXPECT_FALSE(accepted("s3://1/.."));
  EXPECT_FALSE(accepted("s3://bucket?x=/../etc"));
  EXPECT_FALSE(accepted("runs:/0af/../../etc", run_in("")));
  EXPECT_FALSE(accepted("models:/bikes/.."));
}

TEST(VersionSource, RefusesStrangeBytes) {
  EXPECT_FALSE(accepted(std::string("s3://1/a\0b", 10)));
  EXPECT_FALSE(accepted("s3://1/a%00b"));
  EXPECT_FALSE(accepted("s3://1/a%2500b"));
  EXPECT_FALSE(accepted("s3://1\\..\\2"));
  EXPECT_FALSE(accepted("s3://1/./2"));
  EXPECT_FALSE(accepted("file%3a///etc/passwd"));
}

TEST(VersionSource, BoundsTheWork) {
  std::string quoted = "%2e";
  for (int i = 0; i < 30; ++i) quoted.insert(1, "25");
  EXPECT_FALSE(accepted("s3://b/" + quoted));
  EXPECT_FALSE(accepted("s3://b/" + std::string(5000, 'a')));
}

}  // namespace
}  // namespace slipway::mlflow
