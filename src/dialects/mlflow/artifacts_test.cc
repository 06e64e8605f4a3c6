#include "dialects/mlflow/artifacts.h"

#include <cstring>

#include "dialects/mlflow/mlflow_testing.h"

namespace slipway::mlflow {
namespace {

using http::Method;

constexpr char kProxy[] = "/api/2.0/mlflow-artifacts/artifacts";

/// Gives pieces; then ends, or fails.
class Pieces final : public http::BodyReader {
 public:
  explicit Pieces(std::vector<std::string> pieces, bool breaks_off = false)
      : pieces_(std::move(pieces)), breaks_off_(breaks_off) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    if (next_ == pieces_.size()) {
      if (breaks_off_) return unavailable("the peer went away");
      return std::size_t{0};
    }
    const std::string& piece = pieces_[next_++];
    EXPECT_LE(piece.size(), buffer.size());
    std::memcpy(buffer.data(), piece.data(), piece.size());
    return piece.size();
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
  bool breaks_off_;
};

class ArtifactsTest : public ApiOnEachEngine {
 protected:
  Answered put(const std::string& path, std::vector<std::string> pieces) {
    return stream(Method::kPut, kProxy + ("/" + path), std::make_shared<Pieces>(std::move(pieces)));
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, ArtifactsTest, db::every_engine(), db::engine_name);

TEST_P(ArtifactsTest, GoUpAndComeDown) {
  EXPECT_EQ(put("1/run/a.txt", {"he", "llo"}).status, 200);
  EXPECT_EQ(put("1/run/empty", {}).status, 200);
  const Answered file = get(kProxy + std::string("/1/run/a.txt"));
  EXPECT_EQ(file.status, 200);
  EXPECT_EQ(file.body, "hello");
  EXPECT_EQ(file.headers.get("Content-Type"), "text/plain");
  EXPECT_EQ(file.headers.get("Content-Disposition"), "attachment; filename=a.txt");
  EXPECT_EQ(file.headers.get("Content-Security-Policy"), "sandbox");
  EXPECT_EQ(get(kProxy + std::string("?path=1/run")).body,
            R"({"files":[{"path":"a.txt","is_dir":false,"file_size":5},)"
            R"({"path":"empty","is_dir":false}]})");
  EXPECT_EQ(get(kProxy + std::string("?path=1")).body,
            R"({"files":[{"path":"run","is_dir":true}]})");
  EXPECT_EQ(get(kProxy + std::string("?path=nothing")).body, "{}");
}

TEST_P(ArtifactsTest, InAFolderWithAPercentSignAreListedAndDownloaded) {
  const tracking::RunInfo run = new_run();
  // As clients escape the folder "a%20b": not in an address, but in a query.
  put("0/" + run.id + "/artifacts/a%20b/x.txt", {"x"});
  EXPECT_EQ(get("artifacts/list?run_id=" + run.id + "&path=a%2520b").at("files.0.path"),
            wire::Json("a b/x.txt"));
  EXPECT_EQ(get(kProxy + ("?path=0/" + run.id + "/artifacts/a%2520b")).at("files.0.path"),
            wire::Json("x.txt"));
  EXPECT_EQ(get("/get-artifact?run_id=" + run.id + "&path=a%2520b/x.txt").body, "x");
}

TEST_P(ArtifactsTest, LeaveNothingWhenTheyBreakOff) {
  const Answered broken = stream(Method::kPut, kProxy + std::string("/1/half.bin"),
                                 std::make_shared<Pieces>(std::vector<std::string>{"half"}, true));
  EXPECT_EQ(broken.status, 503);
  EXPECT_EQ(get(kProxy + std::string("/1/half.bin")).status, 404);
  EXPECT_EQ(get(kProxy + std::string("?path=1")).body, "{}");
}

TEST_P(ArtifactsTest, AreMissingInMlflowsWords) {
  const Answered missing = get(kProxy + std::string("/1/nothing.txt"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body,
            R"({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "No such artifact: )"
            R"('1/nothing.txt'", "sqlstate": "KAM00", "error_class": "RESOURCE_NOT_FOUND"})");
  put("1/d/a.txt", {"x"});
  EXPECT_EQ(get(kProxy + std::string("/1/d")).at("message"),
            wire::Json("Artifact path refers to a directory, not a file: '1/d'"));
  EXPECT_EQ(get(kProxy + std::string("/1/d")).status, 400);
}

TEST_P(ArtifactsTest, AreDeletedButNeverAllAtOnce) {
  put("1/d/a.txt", {"x"});
  put("1/b.txt", {"x"});
  EXPECT_EQ(call(Method::kDelete, kProxy + std::string("/1/d")).body, "{}");
  EXPECT_EQ(call(Method::kDelete, kProxy + std::string("/1/d")).status, 200);
  for (const char* root : {"/", "/.", "//", "/%2e"}) {
    EXPECT_EQ(call(Method::kDelete, kProxy + std::string(root)).status, 400) << root;
  }
  EXPECT_EQ(get(kProxy + std::string("?path=1")).body,
            R"({"files":[{"path":"b.txt","is_dir":false,"file_size":1}]})");
}

TEST_P(ArtifactsTest, OfARunAreListedAndDownloaded) {
  const tracking::RunInfo run = new_run();
  put("0/" + run.id + "/artifacts/d/a.txt", {"x"});
  EXPECT_EQ(get("artifacts/list?run_id=" + run.id).body,
            R"({"root_uri":"mlflow-artifacts:/0/)" + run.id +
                R"(/artifacts","files":[{"path":"d","is_dir":true}]})");
  EXPECT_EQ(get("artifacts/list?run_uuid=" + run.id + "&path=d/").at("files.0.path"),
            wire::Json("d/a.txt"));
  EXPECT_EQ(get("/get-artifact?run_id=" + run.id + "&path=d/a.txt").body, "x");
  EXPECT_EQ(get("/get-artifact?run_id=" + run.id).at("error_code"), wire::Json("BAD_REQUEST"));
  EXPECT_EQ(get("/get-artifact?run_id=unknown&path=a").status, 404);
  EXPECT_EQ(get("artifacts/list?path=a").status, 400);
}

TEST_P(ArtifactsTest, ThatLieElsewhereAreNotServed) {
  post("experiments/create", R"({"name": "far", "artifact_location": "s3://bucket/x"})");
  const Answered run = post("runs/create", R"({"experiment_id": "1"})");
  const std::string id = run.at("run.info.run_id").as_string();
  const Answered listed = get("artifacts/list?run_id=" + id);
  EXPECT_EQ(listed.status, 501);
  EXPECT_EQ(listed.at("message"), wire::Json("The files are at 's3://bucket/x/" + id +
                                             "/artifacts', not in this server's artifact store."));
  EXPECT_EQ(get("/get-artifact?run_id=" + id + "&path=a").status, 501);
}

TEST_P(ArtifactsTest, OfVersionsAndLoggedModelsAreDownloaded) {
  const tracking::RunInfo run = new_run();
  put("0/" + run.id + "/artifacts/model/MLmodel", {"m"});
  post("registered-models/create", R"({"name": "bikes"})");
  post("model-versions/create", R"({"name": "bikes", "run_id": ")" + run.id + R"(", "source": ")" +
                                    run.artifact_uri + R"(/model"})");
  const std::string file = "/model-versions/get-artifact?name=bikes&version=1&path=";
  EXPECT_EQ(get(file + "MLmodel").body, "m");
  EXPECT_EQ(get(file + "../x").status, 400);
  EXPECT_EQ(get("/model-versions/get-artifact?name=bikes&version=2&path=MLmodel").status, 404);

  const Answered model = post("logged-models", R"({"experiment_id": "0", "name": "m"})");
  const std::string id = model.at("model.info.model_id").as_string();
  put("0/models/" + id + "/artifacts/MLmodel", {"lm"});
  EXPECT_EQ(get("logged-models/" + id + "/artifacts/directories").at("files.0.path"),
            wire::Json("MLmodel"));
  const std::string files = "/ajax-api/2.0/mlflow/logged-models/" + id + "/artifacts/files";
  EXPECT_EQ(get(files + "?artifact_file_path=MLmodel").body, "lm");
  EXPECT_EQ(get(files).at("error_code"), wire::Json("BAD_REQUEST"));
}

TEST_P(ArtifactsTest, AreNotTakenInParts) {
  const std::string mpu = "/api/2.0/mlflow-artifacts/mpu/create/";
  const Answered refused = post(mpu + "1/run", R"({"path": "big.bin", "num_parts": 3})");
  EXPECT_EQ(refused.status, 501);
  EXPECT_EQ(refused.at("message"),
            wire::Json("Multipart upload is not supported for the current artifact repository"));
  EXPECT_EQ(post(mpu + "..", R"({"path": "big.bin"})").status, 400);
  EXPECT_EQ(post(mpu + "1/run", "{}").status, 400);
}

}  // namespace
}  // namespace slipway::mlflow
