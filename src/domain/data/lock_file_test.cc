#include "domain/data/lock_file.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

const std::string kMd5 = "b026324c6904b2a9cb4b88d6d61c81d1";

Record record(const std::string& path, const std::string& md5 = kMd5) {
  Record one;
  one.path = path;
  one.version.md5 = md5;
  return one;
}

LockedStage stage(const std::string& cmd = "cp x y") {
  LockedStage locked;
  locked.cmd = yaml::Node::string(cmd);
  locked.deps = {record("x")};
  locked.outs = {record("y")};
  return locked;
}

Error fault(const std::string& text) {
  Result<LockFile> lock = LockFile::parse(text, "/p/dvc.lock");
  return lock.ok() ? Error{Code::kInternal, "no error"} : lock.error();
}

TEST(LockedStage, IsInDvcsOrder) {
  LockedStage locked = stage();
  locked.deps = {record("b"), record("a/x"), record("a-x")};
  locked.outs = {record("z"), record("y")};
  locked.params = {
      {"z.yaml", {}},
      {"../params.yaml", {}},
      {"params.yaml", {{"b", yaml::Node::integer(1)}, {"a.c", yaml::Node::integer(2)}}}};
  locked.normalize();
  EXPECT_EQ(locked.deps[0].path, "a-x");
  EXPECT_EQ(locked.deps[1].path, "a/x");
  EXPECT_EQ(locked.outs[0].path, "y");
  EXPECT_EQ(locked.params[0].file, "params.yaml");
  EXPECT_EQ(locked.params[1].file, "../params.yaml");  // not the literal name: by the alphabet
  EXPECT_EQ(locked.params[0].values[0].first, "a.c");
}

TEST(LockedStage, EntriesHaveTheKeysOfDvcInItsOrder) {
  LockedStage locked = stage();
  locked.outs[0].version.size = 5;
  locked.outs[0].version.nfiles = 2;
  locked.outs[0].version.is_executable = true;
  locked.params = {{"params.yaml", {{"lr", yaml::Node::real(0.1)}, {"n", yaml::Node::null()}}}};
  EXPECT_EQ(yaml::emit(locked.to_node()),
            "cmd: cp x y\ndeps:\n- path: x\n  hash: md5\n  md5: " + kMd5 +
                "\nparams:\n  params.yaml:\n    lr: 0.1\n    n:\nouts:\n- path: y\n  hash: md5\n"
                "  md5: " +
                kMd5 + "\n  size: 5\n  nfiles: 2\n  isexec: true\n");
}

TEST(LockedStage, EmptyPartsAreLeftOut) {
  LockedStage locked;
  locked.cmd = yaml::Node::string("x");
  EXPECT_EQ(yaml::emit(locked.to_node()), "cmd: x\n");
}

TEST(LockedStage, ReadsBackWhatItWrites) {
  LockedStage locked = stage();
  locked.params = {{"params.yaml", {{"a.b", yaml::Node::sequence()}}}};
  locked.normalize();
  Result<LockedStage> again = LockedStage::from_node(locked.to_node(), "dvc.lock");
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(yaml::equal(again->to_node(), locked.to_node()));
}

/// What changes the names of an entry in the run cache. The expected digests of the base come from
/// Python: sha256(json.dumps(entry, sort_keys=True)).
TEST(RunCacheKey, CountsWhatDvcCounts) {
  struct Case {
    const char* what;
    std::function<void(LockedStage&)> change;
    bool other_key, other_value;
  };
  Result<RunCacheKey> base = run_cache_key(stage());
  ASSERT_TRUE(base.ok());
  for (const Case& one : std::vector<Case>{
           {"nothing", [](LockedStage&) {}, false, false},
           {"command", [](LockedStage& s) { s.cmd = yaml::Node::string("cp  x y"); }, true, true},
           {"command as a list",
            [](LockedStage& s) {
              s.cmd = yaml::Node::sequence();
              s.cmd.add(yaml::Node::string("cp x y"));
            },
            true, true},
           {"digest of a dep",
            [](LockedStage& s) { s.deps[0] = record("x", "d41d8cd98f00b204e9800998ecf8427e"); },
            true, true},
           {"path of a dep", [](LockedStage& s) { s.deps[0].path = "x2"; }, true, true},
           {"size of a dep", [](LockedStage& s) { s.deps[0].version.size = 9; }, false, false},
           {"files of a dep", [](LockedStage& s) { s.deps[0].version.nfiles = 9; }, false, false},
           {"executable dep", [](LockedStage& s) { s.deps[0].version.is_executable = true; }, true,
            true},
           {"a parameter",
            [](LockedStage& s) {
              s.params = {{"params.yaml", {{"a", yaml::Node::integer(1)}}}};
            },
            true, true},
           {"path of an out", [](LockedStage& s) { s.outs[0].path = "y2"; }, true, true},
           {"digest of an out",
            [](LockedStage& s) { s.outs[0] = record("y", "d41d8cd98f00b204e9800998ecf8427e"); },
            false, true},
           {"executable out", [](LockedStage& s) { s.outs[0].version.is_executable = true; }, false,
            true},
           {"size of an out", [](LockedStage& s) { s.outs[0].version.size = 9; }, false, false}}) {
    LockedStage changed = stage();
    one.change(changed);
    Result<RunCacheKey> key = run_cache_key(changed);
    ASSERT_TRUE(key.ok()) << one.what;
    EXPECT_EQ(key->key != base->key, one.other_key) << one.what;
    EXPECT_EQ(key->value != base->value, one.other_value) << one.what;
  }
}

TEST(RunCacheKey, IsThatOfPythonsJson) {
  LockedStage locked = stage("echo \xC3\xA9");
  locked.params = {{"params.yaml",
                    {{"big", yaml::Node::real(1e16)},
                     {"f", yaml::Node::real(0.1)},
                     {"l", *yaml::parse("[1, 2.0, 1e-5, true, null, x]", "p")},
                     {"m", *yaml::parse("{size: 3, k: {nfiles: 1, z: 2, a: 1}}", "p")}}}};
  Result<RunCacheKey> key = run_cache_key(locked);
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->key, "c0fbb484d279fe4d47f01ec94bc2b272f6b45fb3910a5406286dce4c8876f9a8");
  EXPECT_EQ(key->value, "2ae01834e0e8115294d73246a5f46b7ee8475073f3bf5dd4136396c188677565");
}

TEST(RunCacheKey, HasNoneForWhatJsonCannotSay) {
  LockedStage locked = stage();
  for (const char* text : {"2020-01-02", "2020-01-02 03:04:05"}) {
    locked.params = {{"params.yaml", {{"a", *yaml::parse(text, "p")}}}};
    Result<RunCacheKey> key = run_cache_key(locked);
    ASSERT_FALSE(key.ok()) << text;
    EXPECT_EQ(key.error().tag, "no_json");
  }
}

// Python's integers have no end, and neither has DVC's key.
TEST(RunCacheKey, CountsEveryDigitOfAnInteger) {
  LockedStage locked = stage();
  std::set<std::string> keys;
  for (const char* text : {"123456789012345678901234567890", "123456789012345678901234567891"}) {
    locked.params = {{"params.yaml", {{"a", *yaml::parse(text, "p")}}}};
    Result<RunCacheKey> key = run_cache_key(locked);
    ASSERT_TRUE(key.ok()) << text;
    keys.insert(key->value);
  }
  EXPECT_EQ(keys.size(), 2u);
}

TEST(LockFile, AppendsReplacesAndRemovesStages) {
  LockFile lock = *LockFile::parse("", "/p/dvc.lock");
  EXPECT_EQ(lock.find("a"), nullptr);
  EXPECT_TRUE(lock.set("a", stage("1")));
  EXPECT_TRUE(lock.set("b", stage("2")));
  EXPECT_TRUE(lock.set("a", stage("3")));
  EXPECT_EQ(lock.find("a")->cmd.text, "3");
  EXPECT_LT(lock.text().find("\n  a:"), lock.text().find("\n  b:"));
  EXPECT_TRUE(lock.remove("a"));
  EXPECT_FALSE(lock.remove("a"));
  EXPECT_EQ(lock.find("a"), nullptr);
  EXPECT_TRUE(lock.remove("b"));
  EXPECT_TRUE(LockFile::parse(lock.text(), "/p/dvc.lock").ok()) << lock.text();
}

std::string names_in(const LockFile& lock) {
  std::string names;
  yaml::Node root = *yaml::parse(lock.text(), "dvc.lock");
  for (const yaml::Entry& entry : root.find("stages")->entries) names += entry.key.text + " ";
  return names;
}

TEST(LockFile, ANewStageStandsBeforeThoseThatItIsSaidToPrecede) {
  LockFile lock = *LockFile::parse("", "/p/dvc.lock");
  for (const char* name : {"a", "b", "c"}) lock.set(name, stage("1"));
  lock.set("new", stage("1"), {"c", "b", "none"});
  EXPECT_EQ(names_in(lock), "a new b c ");
  lock.set("first", stage("1"), {"a"});
  lock.set("last", stage("1"), {"none"});
  EXPECT_EQ(names_in(lock), "first a new b c last ");
  lock.set("c", stage("2"), {"first"});  // one that is there stays where it is
  EXPECT_EQ(names_in(lock), "first a new b c last ");
  EXPECT_EQ(lock.find("c")->cmd.text, "2");
}

TEST(LockFile, ADifferenceInOrderOnlyIsNone) {
  LockFile lock = *LockFile::parse("", "/p/dvc.lock");
  LockedStage one = stage();
  one.deps = {record("b"), record("a")};
  lock.set("s", one);
  std::swap(one.deps[0], one.deps[1]);
  EXPECT_FALSE(lock.set("s", one));
}

TEST(LockFile, ReadsOtherShapesOfTheSameAndWritesItsOwn) {
  for (const char* text : {"{schema: '2.0', stages: {a: {cmd: x}}}",
                           "stages:\n    a:\n        cmd: x\nschema: '2.0'\n",
                           "schema: '2.0'\nstages: {a: {cmd: x}}\n"}) {
    Result<LockFile> lock = LockFile::parse(text, "/p/dvc.lock");
    ASSERT_TRUE(lock.ok()) << text << lock.error().message;
    ASSERT_NE(lock->find("a"), nullptr) << text;
    EXPECT_TRUE(lock->set("b", stage()));
    Result<LockFile> again = LockFile::parse(lock->text(), "/p/dvc.lock");
    ASSERT_TRUE(again.ok()) << lock->text();
    EXPECT_NE(again->find("a"), nullptr) << lock->text();
    EXPECT_NE(again->find("b"), nullptr) << lock->text();
  }
}

TEST(LockFile, KeepsDatasetsAndStagesThatNobodyNames) {
  std::string text =
      "schema: '2.0'\ndatasets:\n- name: ds\n  type: url\nstages:\n  gone:\n    cmd: "
      "x\n";
  LockFile lock = *LockFile::parse(text, "/p/dvc.lock");
  lock.set("new", stage());
  EXPECT_TRUE(lock.text().starts_with(text)) << lock.text();
}

TEST(LockFile, ALastLineWithoutAnEndIsCompleted) {
  LockFile lock = *LockFile::parse("schema: '2.0'\nstages:\n  a:\n    cmd: x", "/p/dvc.lock");
  lock.set("b", stage());
  EXPECT_NE(lock.text().find("cmd: x\n  b:\n"), std::string::npos) << lock.text();
}

TEST(LockFile, SaysWhereItIsWrong) {
  struct Case {
    const char *text, *message;
  };
  for (const Case& one : std::vector<Case>{
           {"[1]\n", "dvc.lock:1:1: the file must be a map"},
           {"schema: '3.0'\nstages: {}\n",
            "dvc.lock:1:1: only lock files with schema '2.0' can be read"},
           {"schema: '2.0'\nstages: [a]\n", "dvc.lock:2:9: \"stages\" takes a map"},
           {"schema: '2.0'\nstages:\n  a: x\n", "dvc.lock:3:6: a stage's entry must be a map"},
           {"schema: '2.0'\nstages:\n  a:\n    deps: []\n",
            "dvc.lock:4:5: the stage's entry has no \"cmd\""},
           {"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    odd: 1\n",
            "dvc.lock:5:5: \"odd\" is no key of a locked stage"},
           {"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    deps: x\n",
            "dvc.lock:5:11: a list is expected here"},
           {"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    params: []\n",
            "dvc.lock:5:13: \"params\" takes a map of files"},
           {"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    params: {p: 1}\n",
            "dvc.lock:5:17: a map of values is expected here"},
           {"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: y\n      md5: z\n",
            "dvc.lock:7:12: \"z\" is no MD5"}}) {
    EXPECT_EQ(fault(one.text).message, one.message);
  }
}

class LockFileOnDisk : public ProjectTest {};

TEST_F(LockFileOnDisk, AnAbsentFileIsAnEmptyLock) {
  Result<LockFile> lock = LockFile::read(at("dvc.lock"));
  ASSERT_TRUE(lock.ok());
  EXPECT_FALSE(lock->existed());
  lock->set("a", stage());
  ASSERT_TRUE(lock->write(repository().scratch()).ok());
  EXPECT_TRUE(lock->existed());
  EXPECT_EQ(read("dvc.lock"), lock->text());
  EXPECT_NE(LockFile::read(at("dvc.lock"))->find("a"), nullptr);
}

}  // namespace
}  // namespace slipway::data
