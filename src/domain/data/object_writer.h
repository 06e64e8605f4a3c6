#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace slipway::data {

/// The rest of `from` into `to`; the errno of the failure, 0 when done.
int copy_bytes(int from, int to);

/// Lets `to` be a new file with the content of `from` (which may be the same path), by rename; it
/// grows in `scratch` (see Replacement). Not synced.
Result<> copy_over(const std::filesystem::path& from, const std::filesystem::path& to,
                   unsigned mode, const std::filesystem::path& scratch);

/// Whether a file in `from` can be cloned (reflink) into the folder `to`.
bool clones_between(const std::filesystem::path& from, const std::filesystem::path& to);

/// The MD5 of a file's content.
Result<std::string> digest_of_file(const std::filesystem::path& path);

/// Writes one object where nobody sees it until publish(). A process that is killed leaves nothing
/// where the file system has unnamed files, otherwise a file `.XXXX.tmp` in the cache folder. Not
/// thread-safe.
class ObjectWriter {
 public:
  /// Makes `folder` if need be.
  static Result<ObjectWriter> open(const std::filesystem::path& folder);
  ObjectWriter(ObjectWriter&&) = default;
  ~ObjectWriter();

  Result<> write(std::string_view bytes);
  /// Copies all of `source` (reflink where possible) and returns the MD5 of what was copied.
  Result<std::string> copy_from(int source, const std::string& name);
  /// Gives the object its name. That it exists already is no error: equal names are equal bytes.
  Result<> publish(const std::filesystem::path& object, unsigned mode, bool shared, bool sync);

 private:
  ObjectWriter() = default;
  Fd file_;
  std::filesystem::path named_;  // empty: the file has no name yet
};

}  // namespace slipway::data
