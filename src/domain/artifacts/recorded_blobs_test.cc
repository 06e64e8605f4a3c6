#include "domain/artifacts/recorded_blobs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/hash.h"
#include "base/ids.h"
#include "graph/graph.h"
#include "io/blob/blob_testing.h"
#include "io/db/db_testing.h"

namespace slipway::artifacts {
namespace {

namespace fs = std::filesystem;

class RecordedBlobsTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    root_ = fs::temp_directory_path() / ("slipway-artifacts-" + random_hex32());
    reopen();
  }
  void TearDown() override {
    blobs_.reset();
    pool_.reset();
    fs::remove_all(root_);
  }
  void reopen() {
    blobs_.reset();
    auto folder = blob::open_folder(root_);
    ASSERT_TRUE(folder.ok()) << folder.error().message;
    blobs_ = open_recorded(std::move(*folder), *pool_, clock_);
  }
  std::optional<Record> record(const std::string& key) {
    auto found = pool_->read([&](db::Tx& tx) { return record_of(tx, key); });
    EXPECT_TRUE(found.ok());
    return *found;
  }
  std::size_t below(const std::string& folder) {
    return pool_->read([&](db::Tx& tx) { return records_below(tx, folder, 100'000); })->size();
  }

  FakeClock clock_;
  std::unique_ptr<db::Pool> pool_;
  fs::path root_;
  std::unique_ptr<blob::Blobs> blobs_;
};
INSTANTIATE_TEST_SUITE_P(Engines, RecordedBlobsTest, db::every_engine(), db::engine_name);

TEST_P(RecordedBlobsTest, KnowWhatWasWritten) {
  ASSERT_TRUE(blob::put(*blobs_, "1/r/artifacts/a", "hello").ok());
  const std::optional<Record> known = record("1/r/artifacts/a");
  ASSERT_TRUE(known);
  EXPECT_EQ(known->bytes, 5);
  EXPECT_EQ(known->sha256, sha256_hex("hello"));
  EXPECT_EQ((*blobs_->open("1/r/artifacts/a"))->sha256(), sha256_hex("hello"));
  reopen();
  EXPECT_EQ((*blobs_->open("1/r/artifacts/a"))->sha256(), sha256_hex("hello"));
  ASSERT_TRUE(blob::put(*blobs_, "1/r/artifacts/a", "other").ok());
  EXPECT_EQ((*blobs_->open("1/r/artifacts/a"))->sha256(), sha256_hex("other"));
}

TEST_P(RecordedBlobsTest, KnowWhatCameInParts) {
  const std::string upload = *blobs_->begin_parts("d/x");
  for (int number : {2, 1}) {
    auto part = blobs_->create_part(upload, number);
    ASSERT_TRUE((*part)->write(number == 1 ? "one" : "two").ok());
    ASSERT_TRUE((*part)->commit().ok());
  }
  ASSERT_TRUE(blobs_->join_parts("d/x", upload, {{1, ""}, {2, ""}}).ok());
  EXPECT_EQ(record("d/x")->sha256, sha256_hex("onetwo"));
  EXPECT_EQ((*blobs_->open("d/x"))->sha256(), sha256_hex("onetwo"));
}

TEST_P(RecordedBlobsTest, HoldReadersToTheDigest) {
  ASSERT_TRUE(blob::put(*blobs_, "d/x", std::string(100'000, 'x')).ok());
  EXPECT_TRUE(blob::get(*blobs_, "d/x").ok());
  // As a bad disk would: the same length and time, other bytes.
  const auto before = fs::last_write_time(root_ / "d/x");
  std::fstream(root_ / "d/x", std::ios::in | std::ios::out).seekp(500).put('y');
  fs::last_write_time(root_ / "d/x", before);
  const Result<std::string> read = blob::get(*blobs_, "d/x");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().tag, "damaged");
  // A part is not the whole, so nothing is known of it.
  auto part = blobs_->open("d/x");
  ASSERT_TRUE((*part)->select(99'999, 1).ok());
  char byte = 0;
  EXPECT_EQ(*(*part)->read({&byte, 1}), 1u);
}

TEST_P(RecordedBlobsTest, KnowNothingOfWhatOthersHaveChanged) {
  ASSERT_TRUE(blob::put(*blobs_, "d/x", "mine").ok());
  std::ofstream(root_ / "d/x", std::ios::trunc) << "yours";
  EXPECT_EQ((*blobs_->open("d/x"))->sha256(), "");
  EXPECT_EQ(*blob::get(*blobs_, "d/x"), "yours");
}

TEST_P(RecordedBlobsTest, ForgetWhatIsRemoved) {
  for (const char* key : {"d/x", "d/deep/y", "dd", "d0", "e"}) {
    ASSERT_TRUE(blob::put(*blobs_, key, "1").ok());
  }
  ASSERT_TRUE(blobs_->remove("d").ok());
  EXPECT_EQ(below("d"), 0u);
  EXPECT_FALSE(record("d/deep/y"));
  EXPECT_TRUE(record("dd"));
  EXPECT_TRUE(record("d0"));
  ASSERT_TRUE(blobs_->remove("e").ok());
  EXPECT_FALSE(record("e"));
  EXPECT_EQ(blobs_->remove("").error().code, Code::kInvalid);
}

TEST_P(RecordedBlobsTest, TellTheGraphWhoHasLoggedWhat) {
  const std::string run(32, 'a'), model = "m-" + std::string(32, 'b');
  ASSERT_TRUE(pool_
                  ->write([&](db::Tx& tx) -> Result<> {
                    TRY(graph::put_node(tx, {"run", run}, wire::Json(wire::Json::Object{}), 1));
                    return graph::put_node(tx, {"model", model}, wire::Json(wire::Json::Object{}), 1);
                  })
                  .ok());
  for (const std::string& key :
       {"1/" + run + "/artifacts/deep/a.txt", "1/models/" + model + "/artifacts/MLmodel",
        "1/" + std::string(32, 'c') + "/artifacts/of-nobody", std::string("else/where/a"),
        "1/" + run + "/other/a", std::string("artifacts")}) {
    ASSERT_TRUE(blob::put(*blobs_, key, "content").ok()) << key;
  }
  const graph::NodeRef file{"file", sha256_hex("content")};
  const auto found = pool_->read([&](db::Tx& tx) {
    return graph::closure(tx, file, graph::Direction::kToCauses);
  });
  ASSERT_TRUE(found.ok());
  std::map<std::string, std::string> makers;
  for (const graph::Edge& edge : found->edges) {
    EXPECT_EQ(edge.relation, "produced_by");
    makers[edge.cause.id] = edge.attributes.find("path")->as_string();
  }
  EXPECT_EQ(makers, (std::map<std::string, std::string>{{run, "deep/a.txt"}, {model, "MLmodel"}}));
}

TEST_P(RecordedBlobsTest, AreHashedWhenEmpty) {
  ASSERT_TRUE(blob::put(*blobs_, "empty", "").ok());
  EXPECT_EQ((*blobs_->open("empty"))->sha256(), sha256_hex(""));
  EXPECT_EQ(*blob::get(*blobs_, "empty"), "");
}

}  // namespace
}  // namespace slipway::artifacts
