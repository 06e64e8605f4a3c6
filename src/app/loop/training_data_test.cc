#include "app/loop/training_data.h"

#include <gtest/gtest.h>

#include "app/app.h"
#include "base/metrics.h"
#include "domain/checks/facts.h"
#include "domain/data/data_testing.h"
#include "domain/project/declared.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;
using wire::Json;

constexpr UnixMs kNow = 1'304'208'000'000;

constexpr char kProject[] = R"(version: 1
project: p
use_case: {problem: p, user: u, owner: o@example.org}
contracts: {data/all.csv: contract.yaml}
)";
constexpr char kContract[] = R"(
apiVersion: v3.1.0
kind: DataContract
id: all
version: 1.0.0
status: active
schema:
  - name: all
    properties:
      - {name: a, logicalType: number}
      - {name: b, logicalType: number}
)";

std::string table(const std::string& header, int rows) {
  std::string text = header + "\n";
  for (int i = 0; i < rows; ++i)
    text += std::to_string(i % 7) + "," + std::to_string(i % 5) + ",1\n";
  return text;
}

class TrainingDataTest : public data::ProjectTest {
 protected:
  TrainingDataTest() {
    pool_ = std::move(
                db::Pool::open("sqlite://" + at("catalog.db").string(), all_migrations(), metrics_))
                .value();
    declared_ = *project::declare(kProject, {{"contract.yaml", kContract}});
    std::filesystem::create_directories(at(".slipway"));
  }
  ~TrainingDataTest() override { pool_.reset(); }

  /// The version was made by an attempt that read `path`.
  void used(const std::string& path, const std::string& md5) {
    const auto done = pool_->write([&](db::Tx& tx) -> Result<> {
      const Json none(Json::Object{});
      TRY(graph::put_node(tx, {kind::kModelVersion, "m/1"}, Json(Json::Object{{"created_ms", 5}}),
                          5));
      TRY(graph::put_edge(tx,
                          {{kind::kModelVersion, "m/1"},
                           relation::kProducedBy,
                           {kind::kRun, "r"},
                           Json(Json::Object{{"created_ms", 5}})},
                          5));
      TRY(graph::put_edge(
          tx, {{kind::kRun, "r"}, relation::kProducedBy, {kind::kAttempt, "t"}, none}, 5));
      return graph::put_edge(tx,
                             {{kind::kAttempt, "t"},
                              relation::kUsed,
                              {kind::kData, md5},
                              Json(Json::Object{{"path", path}})},
                             5);
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }

  monitor::Training look() {
    auto found = training_data({*pool_, at(".slipway")}, declared_, "m", "1", {"a", "b"}, kNow);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? std::move(found).value() : monitor::Training();
  }

  Metrics metrics_;
  std::unique_ptr<db::Pool> pool_;
  project::Declared declared_;
};

TEST_F(TrainingDataTest, IsTheLargestTableOfTheFolderThatTheAttemptRead) {
  write("prepared/holdout.csv", table("a,b,y", 100));
  write("prepared/train.csv", table("a,b,y", 400));
  write("prepared/notes.txt", std::string(100'000, 'x'));
  used("prepared", saved("prepared").md5);
  const monitor::Training found = look();
  ASSERT_NE(found.profile, nullptr);
  EXPECT_EQ(found.profile->rows, 400);
  EXPECT_EQ(found.profile->table, "prepared/train.csv");
  ASSERT_NE(found.profile->find("a"), nullptr);
  EXPECT_TRUE(found.profile->find("a")->bins);
  ASSERT_NE(found.contract, nullptr) << "it speaks of all columns";
  EXPECT_EQ(found.contract->id, "all");
  // It was kept, so it is not made again at another time.
  EXPECT_EQ(look().profile_digest, found.profile_digest);
  EXPECT_EQ(pool_->read([&](db::Tx& tx) { return checks::find_profile(tx, found.profile_digest); })
                ->value()
                .made_ms,
            kNow);
}

TEST_F(TrainingDataTest, TheContractIsThatOfTheTableDeclaredFirst) {
  const std::string drawn = R"(apiVersion: v3.1.0
kind: DataContract
id: drawn
version: 1.0.0
schema:
  - name: t
    properties: [{name: a}, {name: b}]
)";
  declared_.documents["drawn.yaml"] = drawn;
  declared_.file.contracts.push_back({"data/drawn.csv", "drawn.yaml", {}});
  write("data/all.csv", table("a,b,y", 60));
  // Whichever digest is the smaller one: edges come in their order.
  for (const int rows : {70, 71, 72, 73}) {
    write("data/drawn.csv", table("a,b,y", rows));
    used("data/drawn.csv", saved("data/drawn.csv").md5);
  }
  used("data/all.csv", saved("data/all.csv").md5);
  const monitor::Training found = look();
  ASSERT_NE(found.contract, nullptr);
  EXPECT_EQ(found.contract->id, "all");
}

TEST_F(TrainingDataTest, OfAFileWithAllColumns) {
  write("data/few.csv", table("a,c,y", 400));
  used("data/few.csv", saved("data/few.csv").md5);
  EXPECT_EQ(look().profile, nullptr);
  write("data/all.csv", table("a,b,y", 50));
  used("data/all.csv", saved("data/all.csv").md5);
  EXPECT_EQ(look().profile->rows, 50);
}

TEST_F(TrainingDataTest, OfAVersionThatNothingIsKnownOfIsTheContractsTable) {
  EXPECT_EQ(look().profile, nullptr) << "it is not there";
  write("data/all.csv", table("a,b,y", 60));
  const monitor::Training found = look();
  ASSERT_NE(found.profile, nullptr);
  EXPECT_EQ(found.profile->rows, 60);
  EXPECT_EQ(found.profile->table, "data/all.csv");
}

TEST_F(TrainingDataTest, WhoseListingIsDamagedIsNone) {
  used("prepared", std::string(32, 'a') + ".dir");
  EXPECT_EQ(look().profile, nullptr);
}

}  // namespace
}  // namespace slipway::app
