#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/blob/blobs.h"
#include "io/http/message.h"
#include "io/wire/codec.h"

// Files of the artifact store as messages of HTTP.
namespace slipway::mlflow {

struct FileMessage {
  std::string path;
  bool is_dir = false;
  std::optional<std::int64_t> file_size;  // left out for folders and empty files, as upstream does
};
WIRE(FileMessage, path, is_dir, file_size)

struct FilesAnswer {
  std::optional<std::string> root_uri;
  std::optional<std::vector<FileMessage>> files;
};
WIRE(FilesAnswer, root_uri, files)

/// The file at `key` as an attachment, or what of it `request` wants (a range, nothing when it has
/// it already), sent piece by piece. kMissing; kInvalid for a folder.
Result<http::Response> download(blob::Blobs& blobs, const http::Request& request,
                                const std::string& key);
/// The ETag of a content: its digest, else what the store tells it by.
std::string etag_of(const std::string& sha256, const std::string& stamp);
/// Takes a body to the end and keeps it under `key`; durable when it returns.
Result<blob::Stored> upload(blob::Blobs& blobs, const std::string& key, http::BodyReader& body);
/// The same into any writer.
Result<blob::Stored> fill(blob::Writer& object, http::BodyReader& body);
/// The children of the folder `key`; each path begins with `prefix`.
Result<FilesAnswer> list_files(blob::Blobs& blobs, const std::string& key,
                               const std::string& prefix);

}  // namespace slipway::mlflow
