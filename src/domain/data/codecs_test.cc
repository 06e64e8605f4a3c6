#include <gtest/gtest.h>

#include "base/hash.h"
#include "domain/data/data_file.h"
#include "domain/data/ignore.h"
#include "domain/data/lock_file.h"
#include "domain/data/version.h"

namespace slipway::data {
namespace {

TEST(Tree, OfNothingHasTheKnownDigest) {
  EXPECT_EQ(Tree{}.digest(), "d751713988987e9331980363e24189ce.dir");
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
}

TEST(Tree, OfOneFileHasTheKnownDigest) {
  Tree tree{{{"run.sh", "b026324c6904b2a9cb4b88d6d61c81d1"}}};
  EXPECT_EQ(tree.bytes(),
            "[{\"md5\": \"b026324c6904b2a9cb4b88d6d61c81d1\", \"relpath\": \"run.sh\"}]");
  EXPECT_EQ(tree.digest(), "5b2e7f89df2ec98432cf2c7308614dbf.dir");
}

TEST(Tree, EscapesNamesAsPythonDoes) {
  Tree tree{{{"\xC3\xA9/\xF0\x9F\x98\x80", "b026324c6904b2a9cb4b88d6d61c81d1"}}};
  EXPECT_NE(tree.bytes().find("\"\\u00e9/\\ud83d\\ude00\""), std::string::npos);
}

TEST(Tree, RefusesPathsThatLeaveTheFolder) {
  for (const char* path : {"../x", "/x", "a/../x", "", "a//b", "./a"}) {
    std::string bytes =
        R"([{"md5": "b026324c6904b2a9cb4b88d6d61c81d1", "relpath": ")" + std::string(path) + "\"}]";
    EXPECT_FALSE(Tree::parse(bytes).ok()) << path;
  }
  EXPECT_FALSE(Tree::parse("{}").ok());
  EXPECT_TRUE(
      Tree::parse(R"([{"relpath":"a","md5":"b026324c6904b2a9cb4b88d6d61c81d1","size":3}])").ok());
}

LockedStage example() {
  LockedStage stage;
  stage.cmd = yaml::Node::sequence();
  for (const char* line : {"mkdir -p out", "echo hello > out/a.txt", "cp train.py out/t.py"}) {
    stage.cmd.add(yaml::Node::string(line));
  }
  Record dep, out;
  dep.path = "train.py";
  dep.version.md5 = "5a9666a1a5967b6626242d2e0889e965";
  dep.version.size = 217;
  out.path = "out";
  out.version.md5 = "c254c5ab01d2538e986cc9e35534c581.dir";
  out.version.size = 223;
  out.version.nfiles = 2;
  stage.deps = {dep};
  stage.outs = {out};
  return stage;
}

TEST(RunCache, HasTheKnownDigests) {
  Result<RunCacheKey> key = run_cache_key(example());
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->key, "21b889458d602cd1c7a7ed6fd68f216762cc740ff44327c2d695d6c3e926c012");
  EXPECT_EQ(key->value, "1c6ba69eb34594bff533565ed48be6a160bc5c08bbf10864c84077377ca482d9");
}

TEST(LockFile, WritesDvcsBytes) {
  LockFile lock = *LockFile::parse("", "/p/dvc.lock");
  EXPECT_TRUE(lock.set("make", example()));
  EXPECT_FALSE(lock.set("make", example()));
  EXPECT_EQ(lock.text(),
            "schema: '2.0'\nstages:\n  make:\n    cmd:\n    - mkdir -p out\n    - echo hello > "
            "out/a.txt\n"
            "    - cp train.py out/t.py\n    deps:\n    - path: train.py\n      hash: md5\n"
            "      md5: 5a9666a1a5967b6626242d2e0889e965\n      size: 217\n    outs:\n    - path: "
            "out\n      hash: md5\n"
            "      md5: c254c5ab01d2538e986cc9e35534c581.dir\n      size: 223\n      nfiles: 2\n");
}

TEST(LockFile, KeepsTheBytesOfStagesThatAreNotTouched) {
  std::string text =
      "# by hand\nschema: '2.0'\nstages:\n  a:\n    cmd:   x   # odd\n  b:\n    cmd: y\n# end\n";
  LockFile lock = *LockFile::parse(text, "/p/dvc.lock");
  EXPECT_EQ(lock.text(), text);
  LockedStage changed;
  changed.cmd = yaml::Node::string("z");
  lock.set("b", changed);
  EXPECT_EQ(
      lock.text(),
      "# by hand\nschema: '2.0'\nstages:\n  a:\n    cmd:   x   # odd\n  b:\n    cmd: z\n# end\n");
}

TEST(LockFile, RefusesOtherSchemas) {
  EXPECT_FALSE(LockFile::parse("a:\n  cmd: x\n", "/p/dvc.lock").ok());
  EXPECT_FALSE(LockFile::parse("schema: '2.0'\nstages:\n  a: {cmd: 1}\n", "/p/dvc.lock").ok());
}

TEST(LockedStage, PutsParamsYamlFirst) {
  LockedStage stage;
  stage.params = {{"b.yaml", {}},
                  {"params.yaml", {{"z", yaml::Node::integer(1)}, {"a", yaml::Node::integer(2)}}}};
  stage.normalize();
  EXPECT_EQ(stage.params[0].file, "params.yaml");
  EXPECT_EQ(stage.params[0].values[0].first, "a");
}

TEST(DataFile, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(DataFile::parse("outs:\n- path: x\n  pat: y\n", "/p/x.dvc").error().message,
            "x.dvc:3:3: \"pat\" is not known here");
  EXPECT_EQ(DataFile::parse("outs:\n- path: x\n  md5: zz\n", "/p/x.dvc").error().message,
            "x.dvc:3:8: \"zz\" is no MD5");
}

TEST(DataFile, MarksDigestsOfDvc2AsLegacy) {
  DataFile file =
      *DataFile::parse("outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  path: x\n", "/p/x.dvc");
  EXPECT_TRUE(file.outs[0].record.version.legacy);
}

TEST(IgnoreRules, FollowGitignore) {
  IgnoreRules rules;
  rules.add_file("", "*.tmp\n!keep.tmp\nskip/\n/top\n**/deep/x\na/**/z\nlit\\*\n");
  EXPECT_TRUE(rules.ignores("d/a.tmp", false));
  EXPECT_FALSE(rules.ignores("d/keep.tmp", false));
  EXPECT_TRUE(rules.ignores("d/skip/inside", false));
  EXPECT_FALSE(rules.ignores("d/skip", false));
  EXPECT_TRUE(rules.ignores("top", false));
  EXPECT_FALSE(rules.ignores("d/top", false));
  EXPECT_TRUE(rules.ignores("q/deep/x", false));
  EXPECT_TRUE(rules.ignores("a/z", false));
  EXPECT_TRUE(rules.ignores("a/b/c/z", false));
  EXPECT_TRUE(rules.ignores("lit*", false));
  EXPECT_FALSE(rules.ignores("lits", false));
  EXPECT_TRUE(rules.ignores(".git/config", false));
}

TEST(IgnoreRules, TakeLinearTimeForHostilePatterns) {
  IgnoreRules rules;
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  rules.add_file("", pattern + "b\n");
  EXPECT_FALSE(rules.ignores(std::string(2000, 'a'), false));
}

}  // namespace
}  // namespace slipway::data
