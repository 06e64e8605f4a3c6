#include "domain/evidence/lines.h"

#include <gtest/gtest.h>

namespace slipway::evidence {
namespace {

graph::Node node(const char* kind, const char* id, std::string_view attributes) {
  return {{kind, id}, *wire::parse(attributes), 0};
}

TEST(Lines, AnAttemptSaysWhatRanHowItEndedAndWhatItTook) {
  EXPECT_EQ(line_of(node("attempt", "a1",
                         R"({"stage":"train","pipeline":"dvc.yaml","command":"python t.py",
      "state":"succeeded","started_ms":1000,"ended_ms":8600,"cpu_us":6250000,"memory_max_kb":265160,
      "exit_code":0,"host":"vm"})")),
            "attempt a1  stage train of dvc.yaml: `python t.py`  succeeded in 7.6 s (6.2 s CPU, "
            "258.9 MiB)  on vm  at 1970-01-01T00:00:01Z");
  EXPECT_EQ(line_of(node("attempt", "a2",
                         R"({"stage":"train","state":"failed","exit_code":3,"signal":9})")),
            "attempt a2  stage train  failed  exit status 3  signal 9");
}

TEST(Lines, WhatATriggerHeardOfIsForPeople) {
  EXPECT_EQ(line_of(node("commit", "0123456789abcdef",
                         R"({"kind":"commit","id":"0123456789abcdef","type":"commit",
      "subject":"main","time_ms":1000})")),
            "commit 0123456789ab  on branch main  seen 1970-01-01T00:00:01Z");
  EXPECT_EQ(line_of(node("commit", "0123456789abcdef", "{}")), "commit 0123456789ab");
  EXPECT_EQ(line_of(node("message", "/labels/1",
                         R"({"kind":"message","id":"1","type":"org.ready","source":"/labels",
      "subject":"day","time_ms":1000})")),
            "message /labels/1  of type org.ready  about day  at 1970-01-01T00:00:01Z");
  EXPECT_EQ(line_of(node("tick", "nightly/2011-05-01T02:30",
                         R"({"kind":"tick","id":"2011","type":"tick","time_ms":1000})")),
            "tick nightly/2011-05-01T02:30  at 1970-01-01T00:00:01Z");
}

TEST(Lines, SizesAndDigestsAreForPeople) {
  EXPECT_EQ(line_of(node("data", "d1.dir", R"({"size":40360,"nfiles":2})")),
            "data d1.dir  39.4 KiB  in 2 files");
  EXPECT_EQ(line_of(node("data", "d2", R"({"size":907})")), "data d2  907 bytes");
  EXPECT_EQ(line_of(node("params", "298882797971aaaaaaaa", R"({"values":{"depth":5}})")),
            R"(params 298882797971  {"depth": 5})");
  EXPECT_EQ(line_of(node("environment", "9ebb6dab6c2faaaa", R"({"interpreter":{"kind":"python",
      "version":"3.11.2","packages":["a","b"]},"system":{"distribution":"Debian"},"seeds":{}})")),
            "environment 9ebb6dab6c2f  python 3.11.2  2 packages  Debian");
}

TEST(Lines, AStepOfARolloutSaysWhatWasDoneAndWhy) {
  EXPECT_EQ(line_of(node("rollout_step", "r1/4",
                         R"({"action":"roll_back","phase":"aborting","deployment":"live",
      "percent":50.0,"step":1,"reason":"error_rate is harmful","started_ms":1000})")),
            "rollout step r1/4  roll back  to aborting  of live  at 50.0 %  because error_rate is "
            "harmful  at 1970-01-01T00:00:01Z");
  EXPECT_EQ(line_of(node("verdict", "r1/integrity",
                         R"({"check":"gate integrity","status":"pass","words":"5 files",
      "evidence":{"files":5}})")),
            "verdict r1/integrity  gate integrity  pass  5 files");
  EXPECT_EQ(line_of(node("verdict", "v1", R"({"status":"fail","rows":7})")),
            "verdict v1  status=fail  rows=7");
  EXPECT_EQ(line_of(node("prediction", "live.x/2", R"({"time":"2011-05-01T00:00:00.000Z"})")),
            "prediction live.x/2  at 2011-05-01T00:00:00.000Z");
}

TEST(Lines, LongValuesAreCutAndUnknownKindsShowAll) {
  std::string line =
      line_of(node("thing", "x", "{\"note\":\"" + std::string(500, 'n') + "\",\"none\":null}"));
  EXPECT_TRUE(line.starts_with("thing x  note=nnn"));
  EXPECT_TRUE(line.ends_with("nnn..."));
  EXPECT_LT(line.size(), 130u);
}

TEST(Lines, WrongTypesDoNotHarm) {
  EXPECT_EQ(
      line_of(node("attempt", "a", R"({"stage":7,"started_ms":"x","ended_ms":{},"cpu_us":[]})")),
      "attempt a  stage 7");
  EXPECT_EQ(line_of(node("environment", "e", R"({"interpreter":3,"system":[],"seeds":1})")),
            "environment e");
  EXPECT_EQ(line_of(node("data", "d", "[]")), "data d");
}

TEST(Lines, AnEdgeSaysPathAndDirt) {
  graph::Edge edge;
  edge.attributes.set("path", "data/hour.csv");
  EXPECT_EQ(addition_of(edge), "  as data/hour.csv");
  edge.attributes = {};
  edge.attributes.set("dirty", false);
  EXPECT_EQ(addition_of(edge), "");
}

TEST(Lines, AnEdgeSaysWhatIsNotProven) {
  graph::Edge edge;
  edge.attributes.set("claimed", true);
  EXPECT_EQ(addition_of(edge), "  claimed by a tag");
  edge.attributes = {};
  edge.attributes.set("told_by", "client");
  EXPECT_EQ(addition_of(edge),
            "  as the client told; whether the work tree had changes is not known");
}

TEST(Lines, ACommitSaysHowManyFilesItDoesNotHave) {
  graph::Edge edge;
  edge.attributes.set("dirty", false);
  edge.attributes.set("untracked", 2);
  EXPECT_EQ(addition_of(edge), "  with 2 untracked files");
  edge.attributes.set("untracked", 1);
  EXPECT_EQ(addition_of(edge), "  with 1 untracked file");
}

TEST(Lines, ADatasetSaysWhereItIsFrom) {
  EXPECT_EQ(line_of(node("dataset", "hours@1a2b", R"({"name":"hours","digest":"1a2b",
      "source_type":"local","source":"{\"uri\": \"data/hour.csv\"}"})")),
            "dataset hours@1a2b  from data/hour.csv (local)");
  EXPECT_EQ(line_of(node("dataset", "d@1", R"({"source_type":"code",
      "source":"{\"tags\": {\"mlflow.user\": \"u\", \"mlflow.source.name\": \"train.py\"}}"})")),
            "dataset d@1  from code: train.py (code)");
  EXPECT_EQ(line_of(node("dataset", "d@2", R"({"source_type":"code","source":"{}"})")),
            "dataset d@2  from code");
}

}  // namespace
}  // namespace slipway::evidence
