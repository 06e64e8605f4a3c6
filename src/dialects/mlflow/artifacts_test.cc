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
  using Fields = std::initializer_list<std::pair<const char*, const char*>>;
  Answered ask(Method method, const std::string& target, Fields fields,
               const std::string& body = "") {
    http::Headers headers;
    for (const auto& [name, value] : fields) headers.add(name, value);
    return call(method, target, body, headers);
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

TEST_P(ArtifactsTest, AreGivenInPieces) {
  const Answered stored = put("1/run/a.txt", {"0123456789"});
  const std::string etag(stored.headers.get("ETag"));
  EXPECT_GT(etag.size(), 2u);
  const std::string path = kProxy + std::string("/1/run/a.txt");
  EXPECT_EQ(get(path).headers.get("ETag"), etag);
  EXPECT_EQ(get(path).headers.get("Accept-Ranges"), "bytes");
  const Answered part = ask(Method::kGet, path, {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(part.headers.get("Content-Type"), "text/plain");
  EXPECT_EQ(ask(Method::kGet, path, {{"Range", "bytes=10-"}}).status, 416);
  EXPECT_EQ(ask(Method::kGet, path, {{"If-None-Match", etag.c_str()}}).status, 304);
  EXPECT_EQ(ask(Method::kGet, path, {{"If-None-Match", etag.c_str()}}).body, "");
  EXPECT_EQ(ask(Method::kGet, path, {{"Range", "bytes=2-4"}, {"If-Range", "\"x\""}}).status, 200);
}

TEST_P(ArtifactsTest, ComeInParts) {
  const std::string mpu = "/api/2.0/mlflow-artifacts/mpu/";
  const std::string call_of = R"({"path": "/home/me/big.bin", "num_parts": 2})";
  const Answered created = ask(Method::kPost, mpu + "create/1/run",
                               {{"Host", "there:5000"}, {"Authorization", "Bearer t"}}, call_of);
  ASSERT_EQ(created.status, 200) << created.body;
  const std::string id = created.at("upload_id").as_string();
  EXPECT_EQ(created.at("credentials.1.url"),
            wire::Json("http://there:5000/api/2.0/mlflow-artifacts/mpu/part/" + id + "/2"));
  EXPECT_EQ(created.at("credentials.1.headers.Authorization"), wire::Json("Bearer t"));
  std::string etags[2];
  for (const int number : {2, 1}) {
    const Answered part = stream(Method::kPut, mpu + "part/" + id + "/" + std::to_string(number),
                                 std::make_shared<Pieces>(std::vector<std::string>{
                                     number == 1 ? "first, " : "second"}));
    ASSERT_EQ(part.status, 200) << part.body;
    etags[number - 1] = part.headers.get("ETag").substr(1);
    etags[number - 1].pop_back();
  }
  EXPECT_EQ(get(kProxy + std::string("/1/run/big.bin")).status, 404);
  const auto complete = [&](const std::string& first, const std::string& second) {
    return post(mpu + "complete/1/run",
                R"({"path": "C:\\me\\big.bin", "upload_id": ")" + id +
                    R"(", "parts": [{"part_number": 1, "etag": "\")" + first +
                    R"(\"", "url": "u"}, {"part_number": 2, "etag": ")" + second + R"("}]})");
  };
  EXPECT_EQ(complete("other", etags[1]).status, 400);
  EXPECT_EQ(complete(etags[0], etags[1]).body, "{}");
  EXPECT_EQ(complete(etags[0], etags[1]).body, "{}") << "a client whose answer was lost";
  EXPECT_EQ(get(kProxy + std::string("/1/run/big.bin")).body, "first, second");
}

TEST_P(ArtifactsTest, InPartsHaveBounds) {
  const std::string mpu = "/api/2.0/mlflow-artifacts/mpu/";
  const auto pieces = [] {
    return std::make_shared<Pieces>(std::vector<std::string>{"x"});
  };
  for (const char* count : {"0", "-1", "10001", "1e30", "\"x\""}) {
    EXPECT_EQ(post(mpu + "create/1", std::string(R"({"path": "b", "num_parts": )") + count + "}").status,
              400)
        << count;
  }
  EXPECT_EQ(post(mpu + "create/..", R"({"path": "big.bin"})").status, 400);
  EXPECT_EQ(post(mpu + "create/1", R"({"path": "big/.."})").status, 400);
  EXPECT_EQ(post(mpu + "create/1", R"({"path": "big/"})").status, 400);
  EXPECT_EQ(post(mpu + "create/1/run", "{}").status, 400);
  EXPECT_EQ(stream(Method::kPut, mpu + "part/unknown/1", pieces()).status, 404);
  const std::string id =
      post(mpu + "create/1", R"({"path": "b", "num_parts": 1})").at("upload_id").as_string();
  for (const char* number : {"0", "10001", "x", "-1", "99999999999999999999"}) {
    EXPECT_EQ(stream(Method::kPut, mpu + "part/" + id + "/" + number, pieces()).status, 400) << number;
  }
  EXPECT_EQ(post(mpu + "abort/1", R"({"path": "b", "upload_id": ")" + id + "\"}").body, "{}");
  EXPECT_EQ(stream(Method::kPut, mpu + "part/" + id + "/1", pieces()).status, 404);
  EXPECT_EQ(post(mpu + "complete/1", R"({"path": "b", "upload_id": ")" + id +
                                         R"(", "parts": [{"part_number": 1}]})")
                .status,
            404);
}

TEST_P(ArtifactsTest, AreToldWhereTheyCanBeFetched) {
  put("1/run/a%20b.txt", {"x"});
  const Answered told = ask(Method::kGet, "/api/2.0/mlflow-artifacts/presigned/1/run/a%20b.txt",
                            {{"Host", "there"}, {"X-Forwarded-Proto", "https"}});
  EXPECT_EQ(told.body,
            R"({"url":"https://there/api/2.0/mlflow-artifacts/artifacts/1/run/a%20b.txt",)"
            R"("headers":{},"file_size":1})");
  EXPECT_EQ(get("/api/2.0/mlflow-artifacts/presigned/1/none").status, 404);
  EXPECT_EQ(get("/api/2.0/mlflow-artifacts/presigned/1/run").status, 400);
  EXPECT_EQ(get("/api/2.0/mlflow-artifacts/presigned/..").status, 400);
}

TEST_P(ArtifactsTest, HaveNoAddressInACloudWhereTheStoreIsAFolder) {
  const tracking::RunInfo run = new_run();
  const Answered up = post("artifacts/presigned-upload-url",
                           R"({"run_id": ")" + run.id + R"(", "path": "a/b"})");
  EXPECT_EQ(up.status, 400);
  EXPECT_TRUE(up.at("message").as_string().starts_with(
      "Presigned upload is not supported for proxied artifact storage"));
  EXPECT_EQ(post("artifacts/presigned-upload-url", R"({"path": "a"})").at("message"),
            wire::Json("Exactly one of run_id and model_id must be provided."));
  const Answered down = post("artifacts/presigned-download-url",
                             R"({"run_id": ")" + run.id + R"(", "path": "a", "expiration": 0})");
  EXPECT_EQ(down.at("message"),
            wire::Json("expiration must be between 1 and 604800 seconds (got 0)."));
}

TEST_P(ArtifactsTest, AreAddedOnThePage) {
  const tracking::RunInfo run = new_run();
  const std::string upload = "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=" + run.id;
  EXPECT_EQ(call(Method::kPost, upload + "&path=d/n.txt", "hello").status, 200);
  EXPECT_EQ(get("/get-artifact?run_id=" + run.id + "&path=d/n.txt").body, "hello");
  EXPECT_EQ(call(Method::kPost, upload, "x").at("message"),
            wire::Json("Request must specify path."));
  EXPECT_EQ(call(Method::kPost, upload + "&path=e", "").at("message"),
            wire::Json("Request must specify data."));
  EXPECT_EQ(call(Method::kPost, upload + "&path=..%2Fx", "x").status, 400);
  EXPECT_EQ(call(Method::kPost, upload + "&path=big", std::string((10u << 20) + 1, 'x')).at("message"),
            wire::Json("Artifact size is too large. Max size is 10MB."));
}

}  // namespace
}  // namespace slipway::mlflow
