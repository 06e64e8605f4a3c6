#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "dialects/mlflow_store/files.h"
#include "dialects/mlflow_store/metric_line.h"
#include "dialects/mlflow_store/places.h"
#include "dialects/mlflow_store/print.h"
#include "dialects/mlflow_store/revisions.h"
#include "dialects/mlflow_store/words.h"
#include "io/db/db_testing.h"

namespace slipway::mlflow_store {
namespace {

TEST(MetricLine, HasATimeAValueAndPerhapsAStepAndADataset) {
  const auto bare = parse_run_metric("12 0.5");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->point.timestamp_ms, 12);
  EXPECT_EQ(bare->point.step, 0);
  const auto full = parse_run_metric("12 -1e-05 -3 rides abc\r");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->point.step, -3);
  EXPECT_EQ(full->dataset_name, "rides");
  EXPECT_EQ(full->dataset_digest, "abc");
}

TEST(MetricLine, KnowsWhatPythonWritesForWhatIsNoNumber) {
  EXPECT_TRUE(std::isnan(parse_run_metric("1 nan 1")->point.value));
  EXPECT_EQ(parse_run_metric("1 -inf 1")->point.value, -INFINITY);
  EXPECT_EQ(parse_run_metric("1 Infinity 1")->point.value, INFINITY);
}

TEST(MetricLine, IsRefusedWhenAPartIsWrongOrMissing) {
  for (const char* line : {"", "12", "x 0.5 1", "12 y 1", "12 0.5 z", "12 0.5 1 rides", "1  2 3",
                           "12 0.5 1 a b c", "99999999999999999999 1 1"}) {
    EXPECT_FALSE(parse_run_metric(line)) << line;
  }
  EXPECT_FALSE(parse_model_metric("12 0.5 1"));
  EXPECT_FALSE(parse_model_metric("12 0.5 1 run rides"));
}

TEST(MetricLine, OfAModelNamesItsRun) {
  const auto line = parse_model_metric("3 0.25 1 f46113 ds dig");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->run_id, "f46113");
  EXPECT_EQ(line->dataset_digest, "dig");
}

TEST(Places, AreFoldersOnThisMachineOrElsewhere) {
  const PlaceOptions places{"/here", "/served"};
  EXPECT_EQ(local_folder("/a/b", places), "/a/b");
  EXPECT_EQ(local_folder("file:///a/b%20c", places), "/a/b c");
  EXPECT_EQ(local_folder("./mlruns/0", places), "/here/./mlruns/0");
  EXPECT_EQ(local_folder("mlflow-artifacts:/1/r/artifacts", places), "/served/1/r/artifacts");
  EXPECT_EQ(local_folder("mlflow-artifacts://host:5000/1/r", places), "/served/1/r");
  EXPECT_FALSE(local_folder("mlflow-artifacts:/1", {"/here", ""}));
  EXPECT_FALSE(local_folder("s3://bucket/1", places));
  EXPECT_FALSE(local_folder("", places));
}

TEST(Places, NeverClimb) {
  const PlaceOptions places{"/here", "/served"};
  for (const char* location : {"../etc", "/a/../../etc", "file:///a/%2e%2e/etc",
                               "mlflow-artifacts:/../../etc", "mlflow-artifacts:/a/.."}) {
    EXPECT_FALSE(local_folder(location, places)) << location;
  }
}

TEST(Places, OfOneFolderAreOneText) {
  EXPECT_EQ(normal_place("file:///a/b/"), "/a/b");
  EXPECT_EQ(normal_place("/a/b"), "/a/b");
  EXPECT_EQ(normal_place("s3://b/c/"), "s3://b/c");
  EXPECT_EQ(key_of("mlflow-artifacts:/1/r/"), "1/r");
  EXPECT_EQ(location_of("1/r"), "mlflow-artifacts:/1/r");
}

TEST(Revisions, OfKnownMlflowsAreTakenAndOthersAreNamed) {
  for (std::string_view revision : known_revisions())
    EXPECT_TRUE(check_revision({std::string(revision)}).ok()) << revision;
  EXPECT_NE(check_revision({"0123456789ab"}).error().message.find("'0123456789ab'"),
            std::string::npos);
  EXPECT_NE(check_revision({"bd07f7e963c5"}).error().message.find("older than MLflow 2.0"),
            std::string::npos);
  EXPECT_FALSE(check_revision({}).ok());
  EXPECT_FALSE(check_revision({"dc11669786a5", "0584bdc529eb"}).ok());
}

TEST(Words, WhatACatalogueCannotHoldIsToldFromTheRest) {
  EXPECT_TRUE(is_storable("\xc3\xbc", 2));
  EXPECT_FALSE(is_storable("\xc3", 2));
  EXPECT_FALSE(is_storable(std::string_view("a\0b", 3), 9));
  EXPECT_FALSE(is_storable("abc", 2));
  EXPECT_EQ(shown("a\nb\x1b"), "a?b?");
}

TEST(Words, IdsAreNumbersAndHexDigits) {
  EXPECT_EQ(experiment_number("728669437866307808"), 728669437866307808);
  EXPECT_FALSE(experiment_number("-1"));
  EXPECT_FALSE(experiment_number("99999999999999999999"));
  EXPECT_TRUE(is_run_id("f46113ef04d94ef2bb256718276ddfc0"));
  EXPECT_FALSE(is_run_id("f46113ef04d94ef2bb256718276ddfc0/.."));
  EXPECT_FALSE(is_logged_model_id("../x"));
}

tracking::AdoptedRun some_run() {
  tracking::AdoptedRun adopted;
  adopted.run.info.id = "f46113ef04d94ef2bb256718276ddfc0";
  adopted.run.info.name = "night";
  adopted.run.params = {{"lr", "0.1"}};
  adopted.run.tags = {{"a", "b"}};
  return adopted;
}

TEST(Prints, TellWhichPartOfARunChanged) {
  const Print before = Print::of_text(print_of(some_run()).text());
  EXPECT_TRUE(print_of(some_run()).changes_since(before).empty());
  tracking::AdoptedRun now = some_run();
  now.run.params.push_back({"depth", "3"});
  now.run.info.end_ms = 7;
  EXPECT_EQ(print_of(now).changes_since(before),
            (std::vector<std::string>{"its name, status, times or place", "its params"}));
  // The same bytes, cut otherwise, are another thing.
  now = some_run();
  now.run.tags = {{"ab", ""}};
  EXPECT_EQ(print_of(now).changes_since(before), std::vector<std::string>{"its tags"});
}

TEST(Prints, TellANewVersionAndAMovedAlias) {
  Store::RegisteredModel model;
  model.versions.resize(1);
  model.versions[0].version.number = 1;
  model.model.aliases = {{"champion", 1}};
  const Print before = print_of(model);
  model.versions.push_back(model.versions[0]);
  model.versions[1].version.number = 2;
  model.model.aliases[0].number = 2;
  EXPECT_EQ(print_of(model).changes_since(before),
            (std::vector<std::string>{"its aliases", "its versions"}));
}

TEST(Prints, OfPointsMindNoOrderAndEveryPoint) {
  const auto print = [](std::vector<tracking::Metric> points) {
    PointsPrint all;
    for (const tracking::Metric& point : points) all.add(point.key, point);
    return all.text();
  };
  const tracking::Metric a{"loss", 0.5, 1, 1}, b{"loss", 0.25, 2, 2}, nan{"loss", NAN, 3, 3};
  EXPECT_EQ(print({a, b, nan}), print({nan, b, a}));
  EXPECT_NE(print({a, b}), print({a, b, b}));
  EXPECT_NE(print({a}), print({b}));
  EXPECT_NE(print({a}), print({{"loss", 0.5, 1, 2}}));
  EXPECT_NE(print({a}), print({{"acc", 0.5, 1, 1}}));
}

class Files : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << text;
  }
  Folder open() {
    Result<Folder> folder = Folder::open(folder_.path());
    EXPECT_TRUE(folder.ok());
    return std::move(*folder);
  }
  db::TemporaryFolder folder_;
};

TEST_F(Files, AreReadWithinTheirBoundAndNoLinkIsFollowed) {
  write("a", "four");
  std::filesystem::create_symlink("/etc/passwd", folder_.path() / "link");
  std::filesystem::create_directory_symlink("/etc", folder_.path() / "etc");
  const Folder folder = open();
  EXPECT_EQ(**folder.read("a", 4), "four");
  EXPECT_EQ(folder.read("a", 3).error().code, Code::kInvalid);
  EXPECT_FALSE(folder.read("none", 9)->has_value());
  EXPECT_FALSE(folder.read("link", 9).ok());
  EXPECT_FALSE(folder.folder("etc")->has_value());
  EXPECT_FALSE(folder.folder("..")->has_value());
  EXPECT_FALSE(folder.read("../a", 9)->has_value());
}

TEST_F(Files, AreListedWithWhatIsNoFileApart) {
  write("m/loss", "1");
  write("m/val/acc", "2");
  std::filesystem::create_symlink("/etc/passwd", folder_.path() / "m/link");
  const Folder folder = open();
  std::vector<std::string> files, others;
  Result<> walked = each_file(
      **folder.folder("m"),
      [&](const Folder&, const std::string&, const std::string& path) -> Result<> {
        files.push_back(path);
        return {};
      },
      [&](const std::string& path, const std::string&) { others.push_back(path); });
  EXPECT_TRUE(walked.ok());
  EXPECT_EQ(files, (std::vector<std::string>{"loss", "val/acc"}));
  EXPECT_EQ(others, std::vector<std::string>{"link"});
}

TEST_F(Files, GiveTheirLinesOneByOneUntilOneIsTooLong) {
  write("lines", "a\nbb\n\nccc");
  const Folder folder = open();
  std::vector<std::string> lines;
  const auto keep = [&](std::string_view line) -> Result<> {
    lines.emplace_back(line);
    return {};
  };
  EXPECT_TRUE(each_line(**folder.file("lines"), 3, keep).ok());
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "bb", "", "ccc"}));
  EXPECT_FALSE(each_line(**folder.file("lines"), 2, keep).ok());
}

}  // namespace
}  // namespace slipway::mlflow_store
