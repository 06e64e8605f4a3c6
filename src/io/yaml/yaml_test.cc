#include "io/yaml/yaml.h"

#include <gtest/gtest.h>

namespace slipway::yaml {
namespace {

Node read(std::string_view text) {
  Result<Node> node = parse(text, "t.yaml");
  EXPECT_TRUE(node.ok()) << (node.ok() ? "" : node.error().message);
  return node.ok() ? *node : Node();
}

std::string fault(std::string_view text, const Limits& limits = {}) {
  Result<Node> node = parse(text, "t.yaml", Schema::kYaml12, limits);
  return node.ok() ? "no error" : node.error().message;
}

TEST(Resolve, FollowsTheRulesOfYaml12) {
  for (const char* text : {"1", "-5", "010", "0o10", "0x1f", "0b11", "1_000", "+1"}) {
    EXPECT_EQ(resolve(text, Schema::kYaml12), Type::kInteger) << text;
  }
  for (const char* text : {"1.", ".5", "1e5", "1e-5", "1.5", ".inf", "-.inf", ".nan",
                           "12e45678901234567890123456789012"}) {
    EXPECT_EQ(resolve(text, Schema::kYaml12), Type::kFloat) << text;
  }
  for (const char* text : {"yes", "no", "on", "off", "y", "12:30:45",
                           "1234567890123456789012345678901e", "a", "-", "."}) {
    EXPECT_EQ(resolve(text, Schema::kYaml12), Type::kString) << text;
  }
  EXPECT_EQ(resolve("2020-01-02", Schema::kYaml12), Type::kDate);
  EXPECT_EQ(resolve("~", Schema::kYaml12), Type::kNull);
}

TEST(Resolve, FollowsTheRulesOfYaml11) {
  EXPECT_EQ(resolve("yes", Schema::kYaml11), Type::kBool);
  EXPECT_EQ(resolve("12:30:45", Schema::kYaml11), Type::kInteger);
}

TEST(Parse, KnowsWhereNodesStand) {
  Node root = read("a: 1\nb:\n  - x\n  - y: 2\n");
  EXPECT_EQ(root.find("b")->items[1].find("y")->at.line, 4);
  EXPECT_EQ(root.find("b")->items[1].find("y")->at.column, 8);
}

TEST(Parse, CountsColumnsInBytes) {
  Node root = read("ä: ü x\n");
  EXPECT_EQ(root.entries[0].value.begin, 4u);
  EXPECT_EQ(root.entries[0].value.end, 8u);
}

TEST(Parse, RefusesWhatIsNotOneSoundDocument) {
  EXPECT_EQ(fault("a: 1\na: 2\n"), "t.yaml:2:1: the key \"a\" stands here a second time");
  EXPECT_EQ(fault("1: x\ntrue: y\n"), "t.yaml:2:1: the key \"true\" stands here a second time");
  EXPECT_EQ(fault("a: [1\n").substr(0, 7), "t.yaml:");
  EXPECT_EQ(fault("a: 1\n---\nb: 2\n").substr(0, 10), "t.yaml:2:1");
  EXPECT_EQ(fault("a: !python/object x\n"), "t.yaml:1:4: the tag !python/object is not known");
  EXPECT_EQ(fault("a: *nope\n"), "t.yaml:1:4: no anchor is called &nope");
  EXPECT_EQ(fault("a: \xff\n"), "t.yaml:1:1: is not valid UTF-8");
}

TEST(Parse, BoundsDepthAndAliases) {
  EXPECT_EQ(fault(std::string(5000, '[')).find("nested too deep") != std::string::npos, true);
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k ? "," : "") + before;
    laughs += "]\n";
  }
  EXPECT_NE(fault(laughs).find("aliases expand to too many values"), std::string::npos);
}

TEST(Parse, MergesMaps) {
  Node root = read("base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n");
  EXPECT_EQ(root.find("d")->find("x")->text, "1");
  EXPECT_EQ(root.find("d")->find("y")->text, "3");
}

TEST(Equal, IsThatOfPython) {
  EXPECT_TRUE(equal(read("[1, 1.0, true]"), read("[true, 1, 0x1]")));
  EXPECT_FALSE(equal(read("1"), read("'1'")));
  EXPECT_TRUE(equal(read("{a: 1, b: 2}"), read("{b: 2, a: 1}")));
}

TEST(Emit, QuotesDigestsThatReadAsNumbers) {
  Node root = Node::mapping();
  root.set("a", Node::string("12345678901234567890123456789012"));
  root.set("b", Node::string("12e45678901234567890123456789012"));
  root.set("c", Node::string("0e123456789012345678901234567890"));
  root.set("d", Node::string("1234567890123456789012345678901e"));
  root.set("e", Node::string("12:30:45"));
  EXPECT_EQ(
      emit(root),
      "a: '12345678901234567890123456789012'\nb: '12e45678901234567890123456789012'\n"
      "c: '0e123456789012345678901234567890'\nd: 1234567890123456789012345678901e\ne: 12:30:45\n");
}

TEST(Emit, WritesListsNullsAndNestedLists) {
  EXPECT_EQ(emit(read("{a: [1, [2, 3], null, {b: c, d: []}], e: null, f: {}}")),
            "a:\n- 1\n- - 2\n  - 3\n- \n- b: c\n  d: []\ne:\nf: {}\n");
}

TEST(Emit, FoldsAfterEightyColumns) {
  Node root = Node::mapping();
  root.set("cmd", Node::string("python train.py --data data/prepared --epochs 100 --learning-rate "
                               "0.001 --batch-size 64 --seed 1"));
  EXPECT_EQ(
      emit(root),
      "cmd: python train.py --data data/prepared --epochs 100 --learning-rate 0.001 \n"
            "  --batch-size 64 --seed 1\n");
}

TEST(Emit, EscapesControlCharacters) {
  Node root = Node::mapping();
  root.set("cmd", Node::string("line1\nline2\n"));
  root.set("t", Node::string("a\tb"));
  EXPECT_EQ(emit(root), "cmd: \"line1\\nline2\\n\"\nt: \"a\\tb\"\n");
}

TEST(Edit, LeavesCommentsAndOrderAlone) {
  std::string text =
      "# top\nouts:\n- path: f  # the file\n  md5: aa\n  # size follows\n  size: 1\n  isexec: "
      "true\nmeta: {a: [1, 2]}\n";
  Node before = read(text), after = before;
  Node& out = after.find("outs")->items[0];
  out.set("md5", Node::string("12345678901234567890123456789012"));
  out.set("size", Node::integer(22));
  std::erase_if(out.entries, [](const Entry& entry) { return entry.key.text == "isexec"; });
  out.set("nfiles", Node::integer(3));
  EXPECT_EQ(edit(text, before, after),
            "# top\nouts:\n- path: f  # the file\n  md5: '12345678901234567890123456789012'\n  # "
            "size follows\n  size: 22\n"
            "  nfiles: 3\nmeta: {a: [1, 2]}\n");
}

}  // namespace
}  // namespace slipway::yaml
