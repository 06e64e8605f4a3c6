#include "domain/features/service.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "io/db/db_testing.h"

namespace slipway::features {
namespace {

constexpr char kView[] =
    "kind: feature_view\nname: w\nentity: {id: int64}\n"
    "source: {file: w.csv, event_time: ts}\nfeatures: {x: float64}\n";

struct ServiceTest : ::testing::Test {
  db::TemporaryFolder folder;
  Metrics metrics;
  std::filesystem::path root = folder.path() / "project", state = folder.path() / "features";

  void SetUp() override {
    std::filesystem::create_directories(root);
    write("w.yaml", kView);
    write("w.csv", "id,ts,x\n1,1970-01-01T00:00:10Z,1.5\n1,1970-01-01T00:00:20Z,2.5\n");
  }
  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_quick(root / name, text).ok());
  }
  std::string asked(Service& service) const {
    Result<std::shared_ptr<const Lookup>> lookup = service.find("w");
    if (!lookup.ok()) return to_string(lookup.error().code);
    Result<Answer> answer =
        (*lookup)->get(std::vector<Value>{std::int64_t{1}}, {}, 100 * kSecondUs);
    std::string text = to_string(answer->presence);
    for (const Value& value : answer->values) text += " " + to_text(value);
    return text;
  }
};

TEST_F(ServiceTest, MakesNothingBeforeItIsNeeded) {
  Service service(state, metrics);
  EXPECT_EQ(asked(service), "missing");
  EXPECT_FALSE(std::filesystem::exists(state));
}

TEST_F(ServiceTest, KnowsItsViewsAfterARestart) {
  {
    Service service(state, metrics);
    ASSERT_TRUE(service.materialize(root, "w.yaml", 15 * kSecondUs).ok());
    EXPECT_EQ(asked(service), "present 1.5");
  }
  Service service(state, metrics);
  EXPECT_EQ(asked(service), "present 1.5");
  EXPECT_EQ(service.all()->size(), 1u);
}

TEST_F(ServiceTest, AChangedViewIsAVersionOfItsOwn) {
  Service service(state, metrics);
  ASSERT_TRUE(service.materialize(root, "w.yaml", 30 * kSecondUs).ok());
  std::shared_ptr<const Lookup> first = *service.find("w");
  write("w.yaml", std::string(kView) + "aggregates: [{of: x, fn: [sum], windows: [1h]}]\n");
  write("w.csv", "id,ts,x\n2,1970-01-01T00:00:10Z,1\n");
  ASSERT_TRUE(service.materialize(root, "w.yaml", 30 * kSecondUs).ok());
  EXPECT_EQ(asked(service), "missing  ");  // the new version has only what it was given
  Result<Answer> old = first->get(std::vector<Value>{std::int64_t{1}}, {}, 100 * kSecondUs);
  EXPECT_EQ(to_text(old->values[0]), "2.5");
}

TEST_F(ServiceTest, AViewThatIsWrongChangesNothing) {
  Service service(state, metrics);
  ASSERT_TRUE(service.materialize(root, "w.yaml", 30 * kSecondUs).ok());
  write("w.yaml", "kind: feature_view\n");
  EXPECT_EQ(service.materialize(root, "w.yaml", 30 * kSecondUs).error().code, Code::kInvalid);
  write("w.yaml", std::string(kView) + "ttl: 5d\n");
  write("w.csv", "id,ts,x\n1,yesterday,1\n");
  EXPECT_EQ(service.materialize(root, "w.yaml", 30 * kSecondUs).error().code, Code::kInvalid);
  EXPECT_EQ(asked(service), "present 2.5");
}

}  // namespace
}  // namespace slipway::features
