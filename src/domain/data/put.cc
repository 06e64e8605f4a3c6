#include "domain/data/put.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

/// What a walk finds, in no order yet.
Result<std::vector<fs::path>> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failure;
  fs::recursive_directory_iterator at(folder, failure);
  for (const fs::recursive_directory_iterator end; !failure && at != end; at.increment(failure)) {
    if (at->is_directory(failure)) continue;
    if (!at->is_regular_file(failure))
      return invalid(at->path().string() + " is neither a file nor a folder");
    if (!is_valid_utf8(at->path().native()))
      return invalid("the name of " + at->path().string() + " is not valid UTF-8");
    files.push_back(at->path());
  }
  if (failure) return system_error("cannot read folder " + folder.string(), failure.value());
  return files;
}

Result<Version> put_folder(Cache& cache, const fs::path& folder) {
  Tree tree;
  std::int64_t bytes = 0;
  for (const fs::path& file : TRY(files_below(folder))) {
    const std::string md5 = TRY(cache.absorb(file, /*is_synced=*/false));
    std::error_code failure;
    bytes += static_cast<std::int64_t>(fs::file_size(file, failure));
    if (failure) return system_error("cannot look at " + file.string(), failure.value());
    tree.files.push_back({file.lexically_relative(folder).generic_string(), md5});
  }
  std::sort(tree.files.begin(), tree.files.end(),
            [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
  Version version;
  version.md5 = tree.digest();
  version.size = bytes;
  version.nfiles = static_cast<std::int64_t>(tree.files.size());
  TRY(cache.sync());  // what it lists is there before the list is
  TRY(cache.put_bytes(version.md5, tree.bytes()));
  return version;
}

}  // namespace

Result<Version> put(Cache& cache, const fs::path& from) {
  std::error_code failure;
  if (fs::is_directory(from, failure)) return put_folder(cache, from);
  Version version;
  version.md5 = TRY(cache.absorb(from, /*is_synced=*/true));
  version.size = static_cast<std::int64_t>(fs::file_size(from, failure));
  if (failure) return system_error("cannot look at " + from.string(), failure.value());
  version.is_executable = access(from.c_str(), X_OK) == 0;
  return version;
}

}  // namespace slipway::data
