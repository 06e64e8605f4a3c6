#include "domain/evidence/explain.h"

#include <gtest/gtest.h>

#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

using graph::NodeRef;

graph::Closure chain() {
  graph::Closure closure;
  wire::Json stage;
  stage.set("stage", "train");
  wire::Json dirty;
  dirty.set("dirty", true);
  dirty.set("diff", "fedcba9876543210");
  closure.nodes = {{{"model_version", "bikes/1"}, wire::Json(), 1},
                   {{"run", "r1"}, wire::Json(), 2},
                   {{"model", "m-1"}, wire::Json(), 2},
                   {{"attempt", "a1"}, stage, 3},
                   {{"commit", "0123456789abcdef0123"}, wire::Json(), 4}};
  closure.edges = {{{"model_version", "bikes/1"}, "produced_by", {"run", "r1"}, {}},
                   {{"model_version", "bikes/1"}, "produced_by", {"model", "m-1"}, {}},
                   {{"model", "m-1"}, "produced_by", {"run", "r1"}, {}},
                   {{"run", "r1"}, "produced_by", {"attempt", "a1"}, {}},
                   {{"attempt", "a1"}, "used", {"commit", "0123456789abcdef0123"}, dirty}};
  return closure;
}

TEST(ParseSubject, ReadsEveryForm) {
  EXPECT_EQ(*parse_subject("models:/bikes/12"), (NodeRef{"model_version", "bikes/12"}));
  EXPECT_EQ(*parse_subject("run:abc"), (NodeRef{"run", "abc"}));
  EXPECT_EQ(*parse_subject("runs:/abc/model"), (NodeRef{"run", "abc"}));
  EXPECT_EQ(*parse_subject("window:bikes/quality/1/1327190400000"),
            (NodeRef{"window", "bikes/quality/1/1327190400000"}));
  EXPECT_EQ(*parse_subject("pipeline_run:0190a5c0"), (NodeRef{"pipeline_run", "0190a5c0"}));
  EXPECT_EQ(*parse_subject("data:d41d8cd98f00b204e9800998ecf8427e.dir"),
            (NodeRef{"data", "d41d8cd98f00b204e9800998ecf8427e.dir"}));
}

TEST(ParseSubject, RefusesWhatNamesNothing) {
  for (const char* text :
       {"", "bikes", "models:/bikes", "models://1", "models:/bikes/x", "run:", "thing:1"}) {
    EXPECT_FALSE(parse_subject(text).ok()) << text;
  }
}

TEST(ToTree, DrawsEachNodeOnceAndSaysWhatIsDirty) {
  EXPECT_EQ(
      to_tree(chain(), graph::Direction::kToCauses),
      "model version bikes/1\n"
      "├─ produced by run r1\n"
      "│  └─ produced by attempt a1  stage train\n"
      "│     └─ used commit 0123456789ab  dirty: the work tree had changes (digest fedcba987654)\n"
      "└─ produced by model m-1\n"
      "   └─ produced by run r1  (see above)\n");
}

TEST(ToTree, KeepsControlCharactersOffTheTerminal) {
  graph::Closure closure;
  closure.nodes = {{{"run", "a\x1b[2Jb\n"}, wire::Json(), 0}};
  EXPECT_EQ(to_tree(closure, graph::Direction::kToCauses), "run a [2Jb \n");
}

TEST(ToJson, NamesTheSubjectAndWritesEndsAsKindAndId) {
  wire::Json json = to_json(chain());
  EXPECT_EQ(json.find("subject")->as_string(), "model_version:bikes/1");
  EXPECT_EQ(json.find("nodes")->as_array().size(), 5u);
  EXPECT_EQ(json.find("edges")->as_array()[0].find("cause")->as_string(), "run:r1");
}

}  // namespace
}  // namespace slipway::evidence
