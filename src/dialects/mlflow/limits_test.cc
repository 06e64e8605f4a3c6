#include "dialects/mlflow/limits.h"

#include <gtest/gtest.h>

#include <optional>

namespace slipway::mlflow {
namespace {

TEST(Name, IsLettersAndDigitsOfAnyScriptThatLeadNowhereElse) {
  const std::string long_name(1000, 'a');
  for (std::string_view good :
       {"a", "a/b", "a b", "a-b_c.d:e", "é漢字", "Ж9", "a/..b", long_name.c_str()}) {
    EXPECT_TRUE(check_name(good, "key").ok()) << good;
  }
  for (std::string_view bad : {"", "...", "a!", "a\n", "a\\b", "→", "😀", "a\xff", ".", "..", "../a",
                               "/a", "a/", "a//b", "a/./b", "a/../b"}) {
    Result<> checked = check_name(bad, "key");
    ASSERT_FALSE(checked.ok()) << bad;
    EXPECT_EQ(checked.error().code, Code::kInvalid);
  }
}

TEST(NormalPath, IsThatOfPosix) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "."},
      {".", "."},
      {"a", "a"},
      {"a/", "a"},
      {"a//b", "a/b"},
      {"a/./b", "a/b"},
      {"a/../b", "b"},
      {"a/..", "."},
      {"..", ".."},
      {"../..", "../.."},
      {"../a/..", ".."},
      {"/..", "/"},
      {"/a/../..", "/"},
      {"//a", "//a"},
      {"///a", "/a"},
      {"/", "/"},
      {"a/../../b", "../b"},
  };
  for (const auto& [path, normal] : rows) EXPECT_EQ(normal_path(path), normal) << path;
}

TEST(Length, IsCountedInCharacters) {
  EXPECT_TRUE(check_length("ééé", 3, "value").ok());
  EXPECT_EQ(check_length("éééé", 3, "value").error().message,
            "'value' exceeds the maximum length of 3 characters");
  std::string text = "éééé";
  truncate(text, 3);
  EXPECT_EQ(text, "ééé");
}

TEST(RunId, IsLettersDigitsAndDashes) {
  for (std::string_view good : {"a", "0123456789abcdef", "A-b_c"}) {
    EXPECT_TRUE(check_run_id(good).ok()) << good;
  }
  const std::string too_long(257, 'a');
  for (std::string_view bad :
       {"", "-a", "_a", "../a", "a/b", "a b", "é", "a\n", too_long.c_str()}) {
    EXPECT_FALSE(check_run_id(bad).ok()) << bad;
  }
}

TEST(ExperimentId, IsAWholeNumber) {
  EXPECT_EQ(*to_experiment_id("12"), 12);
  for (const char* bad : {"", "x", "1.5", "1x", "99999999999999999999"}) {
    EXPECT_FALSE(to_experiment_id(bad).ok()) << bad;
  }
}

TEST(ArtifactLocation, LeadsNoServerAstray) {
  for (const char* good : {"s3://b/p", "s3://b/p?region=x", "file:///srv/x", "/srv/x", "relative/x",
                           "mlflow-artifacts:/x", "gs://b/p;v", "file:/srv/x",
                           "File://LocalHost/x"}) {
    EXPECT_TRUE(check_artifact_location(good).ok()) << good;
  }
  const std::string too_long = "s3://b/" + std::string(2048, 'x');
  for (const char* bad :
       {"s3://b/x#fragment", "/srv/x;params", "s3://b/x?a=../..", "s3://b/x?a=%2e%2e",
        "s3://b/x?a=%252e%252e", "http://h/x", "HTTPS://h/x", "ftp://h/x", "hdfs://h/x",
        "mlflow-artifacts://h/x", "file://h/x", "FILE://h", "file://h:1/x", "runs:/r/x",
        too_long.c_str()}) {
    EXPECT_FALSE(check_artifact_location(bad).ok()) << bad;
  }
}

TEST(ArtifactLocation, IsToldItsParametersBeforeItsHost) {
  const std::string parameters = "'artifact_location' URL can't include fragments or params.";
  for (const char* location : {"http://x/y;p", "HTTP://x/y;p", "ftp://x/y;p", "sftp://x/y;p",
                               "sip:a;p", "/srv/x;p", "http://x/y#f"}) {
    EXPECT_EQ(check_artifact_location(location).error().message, parameters) << location;
  }
  for (const char* location : {"http://x;p/y", "http://x/y;", "http://x/a;p/y", "hdfs://x/y;p"}) {
    EXPECT_NE(check_artifact_location(location).error().message, parameters) << location;
  }
  for (const char* good : {"/srv/x;", "/srv/a;p/x", "dbfs:/x;p", "mlflow-artifacts:/x;p"}) {
    EXPECT_TRUE(check_artifact_location(good).ok()) << good;
  }
}

}  // namespace
}  // namespace slipway::mlflow
