#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/data/version.h"

// The content-addressed store in DVC's 3.x layout: FOLDER/files/md5/xx/yyyy..., objects read-only.
namespace slipway::data {

enum class LinkType { kReflink, kHardlink, kSymlink, kCopy };

/// Any thread, and any number of processes: objects appear by rename and never change.
class Cache {
 public:
  /// `links` in order of preference.
  Cache(std::filesystem::path folder, std::vector<LinkType> links, bool shared_by_group);

  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<LinkType>& links() const { return links_; }
  std::filesystem::path run_cache() const { return folder_ / "runs"; }

  std::filesystem::path object_path(std::string_view md5, bool legacy = false) const;
  /// The object is there, and is a plain file.
  bool has(std::string_view md5, bool legacy = false) const;
  /// The object is there, and of a folder all its files too.
  Result<bool> has_all(const Version& version) const;
  /// kMissing when it is not there.
  Result<Tree> tree(const Version& version) const;

  /// Puts `bytes` whose digest is `md5` there, if it is not there yet. `sync` as in absorb().
  Result<> put_bytes(std::string_view md5, std::string_view bytes, bool sync = true);
  /// Copies (reflink where possible) the file `from` there, hashing what is copied: kConflict when
  /// it is not `md5` any more. Nothing to do when it is there.
  Result<> put_file(std::string_view md5, const std::filesystem::path& from, bool sync = true);
  /// Copies the file `from` there under the digest of what was copied, which is returned. Without
  /// `sync` the caller calls sync() before it relies on the object.
  Result<std::string> absorb(const std::filesystem::path& from, bool sync);
  /// Everything absorbed so far survives a power cut.
  Result<> sync() const;
  /// Makes `to` (a file there is replaced) from the object by the first of `links` that works;
  /// writable unless it is a hard or symbolic link. `to` appears at once, by rename.
  Result<LinkType> place(std::string_view md5, const std::filesystem::path& to, bool executable,
                         bool legacy = false) const;

 private:
  std::filesystem::path folder_;
  std::vector<LinkType> links_;
  bool shared_;
};

}  // namespace slipway::data
