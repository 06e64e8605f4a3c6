#include "app/loop/version_folder.h"

#include "base/hash.h"
#include "dialects/mlflow/artifact_path.h"

namespace slipway::app {

Result<VersionFolder> VersionFolder::open(registry::Registry& registry, blob::Blobs& blobs,
                                          const std::string& model, std::int64_t number) {
  registry::Version version = TRY(registry.version(model, number));
  Result<std::string> key = mlflow::artifact_key(version.location);
  if (!key.ok()) return with_tag(std::move(key.error()), "not_servable");
  return VersionFolder(blobs, std::move(version), std::move(*key));
}

Result<> VersionFolder::list(const std::string& path, int depth,
                             std::vector<std::string>& paths) const {
  if (depth > kDepthMax)
    return invalid("the folder of a version is at most " + std::to_string(kDepthMax) + " deep");
  for (const blob::Entry& entry : TRY(blobs_->list(mlflow::below(key_, path)))) {
    const std::string inner = mlflow::below(path, entry.name);
    if (entry.is_folder) {
      TRY(list(inner, depth + 1, paths));
      continue;
    }
    if (paths.size() == kFilesMax)
      return invalid("the folder of a version has at most " + std::to_string(kFilesMax) + " files");
    paths.push_back(inner);
  }
  return {};
}

Result<delivery::RecordedFile> VersionFolder::digest(const std::string& path) const {
  constexpr std::size_t kBufferBytes = 1u << 20;
  std::unique_ptr<blob::Reader> reader = TRY(blobs_->open(mlflow::below(key_, path)));
  Hasher hasher(Hasher::Kind::kSha256);
  delivery::RecordedFile file;
  file.path = path;
  std::string buffer(kBufferBytes, '\0');
  while (const std::size_t got = TRY(reader->read(buffer))) {
    hasher.update(std::string_view(buffer).substr(0, got));
    file.bytes += static_cast<std::int64_t>(got);
  }
  file.sha256 = hasher.finish_hex();
  return file;
}

Result<std::vector<delivery::RecordedFile>> VersionFolder::digests() const {
  std::vector<std::string> paths;
  TRY(list("", 0, paths));
  std::vector<delivery::RecordedFile> files;
  files.reserve(paths.size());
  for (const std::string& path : paths) files.push_back(TRY(digest(path)));
  return files;
}

Result<std::string> VersionFolder::read(const std::string& path, std::uint64_t bytes_max) const {
  std::unique_ptr<blob::Reader> reader = TRY(blobs_->open(mlflow::below(key_, path)));
  if (reader->size() > bytes_max)
    return with_tag(invalid("'" + path + "' has " + std::to_string(reader->size()) +
                            " bytes; at most " + std::to_string(bytes_max) + " are read"),
                    "too_large");
  std::string content(static_cast<std::size_t>(reader->size()), '\0');
  for (std::size_t filled = 0; filled < content.size();) {
    const std::size_t got = TRY(reader->read(std::span(content).subspan(filled)));
    if (got == 0) return unavailable("'" + path + "' became shorter while it was read");
    filled += got;
  }
  return content;
}

Result<> record_version_files(db::Pool& pool, registry::Registry& registry, blob::Blobs& blobs,
                              const std::string& model, std::int64_t number, UnixMs now_ms) {
  auto folder = VersionFolder::open(registry, blobs, model, number);
  if (folder.ok()) {
    const UnixMs made_ms = folder->version().created_ms;
    const auto known = TRY(
        pool.read([&](db::Tx& tx) { return delivery::version_files(tx, model, number, made_ms); }));
    if (!known.empty()) return {};
  }
  auto files =
      folder.ok() ? folder->digests() : Result<std::vector<delivery::RecordedFile>>(folder.error());
  if (!files.ok()) {
    const Code code = files.error().code;
    if (code == Code::kUnavailable || code == Code::kBusy) return files.error();
    return {};
  }
  return pool.write([&](db::Tx& tx) {
    return delivery::put_version_files(tx, model, number, folder->version().created_ms, *files,
                                       now_ms);
  });
}

}  // namespace slipway::app
