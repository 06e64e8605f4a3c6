#include "dialects/mlflow/artifact_path.h"

#include <gtest/gtest.h>

namespace slipway::mlflow {
namespace {

TEST(ArtifactPath, IsMadeNormal) {
  EXPECT_EQ(*safe_path("model/MLmodel"), "model/MLmodel");
  EXPECT_EQ(*safe_path("a//b/./c/"), "a/b/c");
  EXPECT_EQ(*safe_path(""), "");
  EXPECT_EQ(*safe_path("./"), "");
  EXPECT_EQ(*safe_path("with blank é漢.txt"), "with blank é漢.txt");
  EXPECT_EQ(*safe_path("..."), "...");
  EXPECT_EQ(*safe_path("a..b"), "a..b");
}

TEST(ArtifactPath, IsTheSameHoweverOftenItIsEscaped) {
  for (const char* path : {"a b", "a%20b", "a%2520b", "a%252520b"}) {
    EXPECT_EQ(*safe_path(path), "a b") << path;
    EXPECT_EQ(*path_to_write(path), "a b") << path;
  }
  EXPECT_EQ(*safe_path("a%2fb%2F"), "a/b");
  EXPECT_EQ(*safe_path("%C3%A9"), "é");
  EXPECT_EQ(*artifact_key("mlflow-artifacts:/a%20b/x"), "a b/x");
}

TEST(ArtifactPath, KeepsAPercentSignThatEscapesNothing) {
  EXPECT_EQ(*safe_path("100%"), "100%");
  EXPECT_EQ(*safe_path("100%25"), "100%");
  EXPECT_EQ(*safe_path("5%x"), "5%x");
}

TEST(ArtifactPath, NeverLeavesItsFolder) {
  for (const char* path :
       {"..",       "../a",     "a/../b",       "a/..",      "/etc/passwd", "//etc",
        "%2e%2e/a", "a/%2E%2e", "%252e%252e/a", "..%2fa",    "%2fetc",      "..\\a",
        "a%5c..",   "C:/a",     "file:///etc",  "FILE:/etc", "a#b",         "a%23b",
        "a%00b",    "a%0ab",    "a\nb",         "\x7f"}) {
    Result<std::string> safe = safe_path(path);
    ASSERT_FALSE(safe.ok()) << path;
    EXPECT_EQ(safe.error().code, Code::kInvalid);
    EXPECT_EQ(safe.error().message, "Invalid path");
  }
  EXPECT_FALSE(safe_path(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(safe_path("\xc0\xae\xc0\xae/a").ok());
  EXPECT_FALSE(safe_path("%c0%ae%c0%ae/a").ok());
}

TEST(ArtifactPath, BoundsTheDecoding) {
  std::string deep = "%2e";
  for (int i = 0; i < 1000; ++i) deep.insert(1, "25");
  EXPECT_FALSE(safe_path(deep).ok());
}

TEST(ArtifactPath, IsWrittenOnlyUnderItsOwnName) {
  EXPECT_EQ(*path_to_write("a/b.txt"), "a/b.txt");
  EXPECT_FALSE(path_to_write("").ok());
  EXPECT_FALSE(path_to_write("a/").ok());
  EXPECT_FALSE(path_to_write(".").ok());
  EXPECT_EQ(path_to_write("a//b").error().message,
            "Invalid artifact path: 'a//b'. Names may be treated as files in certain cases, and "
            "must not resolve to other names when treated as such. This name would resolve to "
            "'a/b'");
}

TEST(ArtifactKey, IsWhereTheServersOwnFilesAre) {
  EXPECT_EQ(*artifact_key("mlflow-artifacts:/1/0af/artifacts"), "1/0af/artifacts");
  EXPECT_EQ(*artifact_key("mlflow-artifacts:/"), "");
  EXPECT_EQ(*artifact_key("mlflow-artifacts:/1/x?y=z"), "1/x");
  for (const char* elsewhere :
       {"s3://b/x", "/data/x", "file:///x", "mlflow-artifacts://host/x", ""}) {
    EXPECT_EQ(artifact_key(elsewhere).error().tag, "not_servable") << elsewhere;
  }
  EXPECT_EQ(artifact_key("mlflow-artifacts:/../x").error().code, Code::kInvalid);
}

TEST(ContentType, GoesByTheName) {
  EXPECT_EQ(content_type_of("a.txt"), "text/plain");
  EXPECT_EQ(content_type_of("MLmodel"), "text/plain");
  EXPECT_EQ(content_type_of("a.JSON"), "application/octet-stream");
  EXPECT_EQ(content_type_of("a.json"), "text/plain");
  EXPECT_EQ(content_type_of("P.PNG"), "image/png");
  EXPECT_EQ(content_type_of("a.tar.gz"), "application/x-tar");
  EXPECT_EQ(content_type_of("a.gz"), "application/octet-stream");
  EXPECT_EQ(content_type_of("png"), "application/octet-stream");
  EXPECT_EQ(content_type_of(".png"), "application/octet-stream");
}

TEST(Attachment, QuotesNames) {
  EXPECT_EQ(attachment("a.txt"), "attachment; filename=a.txt");
  EXPECT_EQ(attachment("a b.txt"), "attachment; filename=\"a b.txt\"");
  EXPECT_EQ(attachment("q\"u\\o.txt"), "attachment; filename=\"q\\\"u\\\\o.txt\"");
  EXPECT_EQ(attachment("é.txt"), "attachment; filename=.txt; filename*=UTF-8''%C3%A9.txt");
  EXPECT_EQ(attachment("漢"), "attachment; filename=download; filename*=UTF-8''%E6%BC%A2");
}

}  // namespace
}  // namespace slipway::mlflow
