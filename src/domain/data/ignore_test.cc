#include "domain/data/ignore.h"

#include <gtest/gtest.h>

#include <vector>

namespace slipway::data {
namespace {

struct Case {
  const char *pattern, *path;
  bool matches;
  bool is_folder = false;
};

// What python-pathspec, which DVC asks, answers for the same questions.
constexpr Case kPatterns[] = {
    {"*.tmp", "a.tmp", true},
    {"*.tmp", "d/a.tmp", true},
    {"*.tmp", "a.tmp2", false},
    {"name", "name", true},
    {"name", "d/name", true},
    {"name", "d/name/x", true},
    {"name", "names", false},
    {"name/", "name", false},
    {"name/", "name", true, true},
    {"name/", "d/name", true, true},
    {"/name", "name", true},
    {"/name", "d/name", false},
    {"a/b", "a/b", true},
    {"a/b", "x/a/b", false},
    {"a/b", "a/b/c", true},
    {"a/*", "a/b", true},
    {"a/*", "a", false},
    {"a/*.c", "a/b.c", true},
    {"a/*.c", "a/d/b.c", false},
    {"**/x", "x", true},
    {"**/x", "a/b/x", true},
    {"**/x/y", "a/x/y", true},
    {"a/**", "a/b", true},
    {"a/**", "a/b/c", true},
    {"a/**", "a", false},
    {"a/**/z", "a/z", true},
    {"a/**/z", "a/b/c/z", true},
    {"a/**/z", "az", false},
    {"a/**/z", "b/a/z", false},
    {"f?o", "foo", true},
    {"f?o", "fo", false},
    {"f?o", "f/o", false},
    {"[abc].txt", "b.txt", true},
    {"[abc].txt", "d.txt", false},
    {"[a-c].txt", "c.txt", true},
    {"[!a-c].txt", "c.txt", false},
    {"[!a-c].txt", "d.txt", true},
    {"lit\\*", "lit*", true},
    {"lit\\*", "lits", false},
    {"\\#x", "#x", true},
    {"\\!x", "!x", true},
    {"  spaced  ", "spaced", true},  // DVC strips both ends, which git would not
    {"a.b", "axb", false},
    {"(x)+", "(x)+", true},
    {"(x)+", "xx", false},
    {"#comment", "#comment", false},
    {"", "x", false},
    {"/", "x", false},
    {"*", "anything/below", true},
    {"\xC3\xA9*", "\xC3\xA9t\xC3\xA9", true},
};

TEST(IgnorePattern, MatchesAsDvcDoes) {
  for (const Case& one : kPatterns) {
    IgnorePattern pattern(one.pattern, "");
    EXPECT_EQ(pattern.matches(one.path, one.is_folder), one.matches)
        << "\"" << one.pattern << "\" on " << one.path << (one.is_folder ? "/" : "");
  }
}

TEST(IgnorePattern, KnowsWhatItIs) {
  EXPECT_TRUE(IgnorePattern("!x", "").negated());
  EXPECT_TRUE(IgnorePattern("x/", "").folders_only());
  EXPECT_TRUE(IgnorePattern("# x", "").empty());
  EXPECT_TRUE(IgnorePattern("!", "").empty());
  EXPECT_FALSE(IgnorePattern("x", "").empty());
}

TEST(IgnorePattern, HoldsBelowItsOwnFolderOnly) {
  IgnorePattern anchored("/x", "a/b"), floating("x", "a");
  EXPECT_TRUE(anchored.matches("a/b/x", false));
  EXPECT_FALSE(anchored.matches("a/x", false));
  EXPECT_FALSE(anchored.matches("a/bb/x", false));
  EXPECT_FALSE(anchored.matches("a/b", true));
  EXPECT_TRUE(floating.matches("a/c/x", false));
  EXPECT_FALSE(floating.matches("b/x", false));
}

TEST(IgnoreRules, TheLastPatternThatMatchesDecides) {
  IgnoreRules rules;
  rules.add_file("", "*.csv\n!keep.csv\n");
  rules.add_file("d", "keep.csv\n!other.csv\n");
  EXPECT_TRUE(rules.ignores("x.csv", false));
  EXPECT_FALSE(rules.ignores("keep.csv", false));
  EXPECT_TRUE(rules.ignores("d/keep.csv", false));
  EXPECT_FALSE(rules.ignores("d/other.csv", false));
}

TEST(IgnoreRules, NothingBelowAnIgnoredFolderComesBack) {
  IgnoreRules rules;
  rules.add_file("", "skip/\n!skip/keep\n");
  EXPECT_TRUE(rules.ignores("skip/keep", false));
  EXPECT_TRUE(rules.ignores("a/skip/b/c", false));
  EXPECT_FALSE(rules.ignores_itself("skip/keep", false));
}

TEST(IgnoreRules, LeaveOutWhatBelongsToTheTools) {
  IgnoreRules rules;
  for (const char* path : {".git", ".hg", ".dvc", "sub/.git", "sub/.dvc"}) {
    EXPECT_TRUE(rules.ignores(path, true)) << path;
  }
  EXPECT_TRUE(rules.ignores(".git", false));  // of a worktree or submodule
  EXPECT_FALSE(rules.ignores(".gitignore", false));
  EXPECT_FALSE(rules.ignores("x.dvc", false));
}

TEST(IgnoreRules, LinesEndAsTheyLike) {
  IgnoreRules rules;
  rules.add_file("", "a\r\n\r\n# b\r\nb");
  EXPECT_TRUE(rules.ignores("a", false));
  EXPECT_TRUE(rules.ignores("b", false));
}

TEST(IgnoreRules, HostilePatternsCostNoMoreThanTheirLength) {
  IgnoreRules rules;
  std::string deep, set = "[" + std::string(10'000, 'a');
  for (int i = 0; i < 300; ++i) deep += "**/";
  rules.add_file("", deep + "x\n" + set + "\n[\n[]\n[z-a]\n\\\n");
  EXPECT_FALSE(rules.ignores(std::string(1000, 'y'), false));
}

}  // namespace
}  // namespace slipway::data
