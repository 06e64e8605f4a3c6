#include "dialects/mlflow/artifact_files.h"

#include "dialects/mlflow/artifact_path.h"
#include "io/http/pipe.h"
#include "io/http/range.h"

namespace slipway::mlflow {
namespace {

constexpr std::size_t kChunkBytes = 256u << 10;

class ObjectBody final : public http::BodyReader {
 public:
  explicit ObjectBody(std::unique_ptr<blob::Reader> object) : object_(std::move(object)) {}
  Result<std::size_t> read(std::span<char> buffer) override { return object_->read(buffer); }
  Result<std::size_t> move_to(http::Pipe& pipe, std::size_t bytes) override {
    return object_->move_to([&pipe] { return pipe.entrance(); }, bytes);
  }

 private:
  std::unique_ptr<blob::Reader> object_;
};

Result<std::unique_ptr<blob::Reader>> open(blob::Blobs& blobs, const std::string& key) {
  Result<std::unique_ptr<blob::Reader>> object = blobs.open(key);
  if (object.ok() || object.error().code != Code::kMissing) return object;
  std::optional<blob::Entry> entry = TRY(blobs.find(key));
  if (entry && entry->is_folder) {
    return invalid("Artifact path refers to a directory, not a file: '" + key + "'");
  }
  return missing("No such artifact: '" + key + "'");
}

}  // namespace

std::string etag_of(const std::string& sha256, const std::string& stamp) {
  return '"' + (sha256.empty() ? "v-" + stamp : sha256) + '"';
}

Result<http::Response> download(blob::Blobs& blobs, const http::Request& request,
                                const std::string& key) {
  if (key.empty()) return invalid("Artifact path refers to a directory, not a file: ''");
  std::unique_ptr<blob::Reader> object = TRY(open(blobs, key));
  const http::Representation content{object->size(), etag_of(object->sha256(), object->stamp())};
  const http::Wanted wanted = http::wanted_of(request.method, request.headers, content);
  http::Response response = http::respond(wanted, content);
  if (!response.body_length) return response;
  const std::string_view name = std::string_view(key).substr(key.rfind('/') + 1);
  response.headers.set("Content-Type", std::string(content_type_of(name)));
  response.headers.set("Content-Disposition", attachment(name));
  // Whatever the file holds, it never runs as a page of this server.
  response.headers.set("Content-Security-Policy", "sandbox");
  // Also of the whole: who downloads compares digests, and gets what there is at the disk's speed.
  TRY(object->select(wanted.from, wanted.length));
  response.body_stream = std::make_shared<ObjectBody>(std::move(object));
  return response;
}

Result<blob::Stored> fill(blob::Writer& object, http::BodyReader& body) {
  std::vector<char> buffer(kChunkBytes);
  while (true) {
    const std::size_t got = TRY(body.read(buffer));
    if (got == 0) return object.commit();
    TRY(object.write({buffer.data(), got}));
  }
}

Result<blob::Stored> upload(blob::Blobs& blobs, const std::string& key, http::BodyReader& body) {
  std::unique_ptr<blob::Writer> object = TRY(blobs.create(key));
  return fill(*object, body);
}

Result<FilesAnswer> list_files(blob::Blobs& blobs, const std::string& key,
                               const std::string& prefix) {
  FilesAnswer answer;
  for (blob::Entry& entry : TRY(blobs.list(key))) {
    if (!answer.files) answer.files.emplace();
    FileMessage& file = answer.files->emplace_back();
    file.path = below(prefix, entry.name);
    file.is_dir = entry.is_folder;
    if (entry.bytes > 0) file.file_size = static_cast<std::int64_t>(entry.bytes);
  }
  return answer;
}

}  // namespace slipway::mlflow
