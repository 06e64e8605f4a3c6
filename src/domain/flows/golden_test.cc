#include "domain/flows/golden.h"

#include <gtest/gtest.h>

#include "io/yaml/yaml.h"

namespace slipway::flows {
namespace {

Step step_with(const std::string& meta) {
  Step step;
  step.name = "train";
  step.folder = "/project/model";
  for (const char* path : {"train.py", "hour.csv", "live.parquet"})
    step.deps.push_back({path, std::string("/project/model/") + path, {}});
  if (!meta.empty()) step.stage.meta = *yaml::parse(meta, "meta");
  return step;
}

TEST(GoldenWish, IsForTheTablesAmongTheDependencies) {
  auto wish = golden_wish(step_with(""));
  ASSERT_TRUE(wish.ok() && *wish);
  EXPECT_EQ((*wish)->places, (std::vector<std::filesystem::path>{"/project/model/hour.csv",
                                                                 "/project/model/live.parquet"}));
  EXPECT_EQ((*wish)->target, "");
}

TEST(GoldenWish, LooksIntoFoldersAndWhateverElseMayHoldRows) {
  Step step = step_with("");
  step.deps = {{"train.py", "/project/model/train.py", {}},
               {"data/split", "/project/model/data/split", {}},
               {"rows.npz", "/project/model/rows.npz", {}}};
  EXPECT_EQ(*golden_wish(step),
            (GoldenWish{{"/project/model/data/split", "/project/model/rows.npz"}, ""}));
}

TEST(GoldenWish, IsNothingForProgramsAlone) {
  Step step = step_with("");
  step.deps.resize(1);
  EXPECT_EQ(*golden_wish(step), std::nullopt);
}

TEST(GoldenWish, MetaNamesAnother) {
  EXPECT_EQ(*golden_wish(step_with("slipway: {golden: ../data/held.csv}")),
            (GoldenWish{{"/project/data/held.csv"}, ""}));
  EXPECT_EQ(*golden_wish(step_with("slipway: {golden: {table: held.csv, target: cnt}}")),
            (GoldenWish{{"/project/model/held.csv"}, "cnt"}));
  EXPECT_EQ(*golden_wish(step_with("slipway: {golden: false}")), std::nullopt);
  EXPECT_TRUE((*golden_wish(step_with("slipway: {other: 1}"))).has_value());
}

TEST(GoldenWish, AnotherFormIsRefused) {
  for (const char* meta :
       {"slipway: {golden: 7}", "slipway: {golden: true}", "slipway: {golden: {target: cnt}}",
        "slipway: {golden: [a.csv]}", "slipway: {golden: {table: a.csv, target: 1}}"}) {
    auto wish = golden_wish(step_with(meta));
    ASSERT_FALSE(wish.ok()) << meta;
    EXPECT_EQ(wish.error().message.substr(0, 33), "stage train: meta.slipway.golden ") << meta;
  }
}

}  // namespace
}  // namespace slipway::flows
