#include <gtest/gtest.h>

#include "domain/project/project_file.h"

namespace slipway::project {
namespace {

Result<ProjectFile> with_subject(const std::string& subject) {
  return parse_project(
      "version: 1\nproject: p\npipelines: {t: }\ntriggers: {n: {pipeline: t, cloudevent: "
      "{type: ready, nats: \"" +
      subject + "\"}}}\n");
}

TEST(NatsSubject, MayHaveWildcards) {
  for (const char* subject : {"ready", "labels.ready", "labels.*.ready", "labels.>", "*", ">"}) {
    Result<ProjectFile> file = with_subject(subject);
    ASSERT_TRUE(file.ok()) << file.error().message;
    EXPECT_EQ(std::get<MessageSource>(file->triggers.front().source).subject, subject);
  }
}

TEST(NatsSubject, IsRefusedWhereNatsWouldNotTakeIt) {
  for (const std::string& subject :
       {std::string("a b"), std::string("a..b"), std::string("a."), std::string(".a"),
        std::string("a.>.b"), std::string("a*"), std::string("$JS.API.>"), std::string("a\\tb"),
        std::string(300, 'a')}) {
    Result<ProjectFile> file = with_subject(subject);
    ASSERT_FALSE(file.ok()) << subject;
    EXPECT_NE(file.error().message.find("slipway.yaml:4:"), std::string::npos)
        << file.error().message;
    EXPECT_NE(file.error().message.find("a subject of NATS"), std::string::npos)
        << file.error().message;
  }
}

}  // namespace
}  // namespace slipway::project
