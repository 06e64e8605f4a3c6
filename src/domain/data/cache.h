#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "domain/data/version.h"

// The content-addressed store in DVC's 3.x layout: FOLDER/files/md5/xx/yyyy..., objects read-only.
namespace slipway::data {

class ObjectWriter;

enum class LinkType { kReflink, kHardlink, kSymlink, kCopy };

/// Any thread, and any number of processes: objects appear by rename and never change.
class Cache {
 public:
  /// `links` in order of preference. `scratch`: a folder on the file system of the work tree, where
  /// files grow that place() puts there.
  Cache(std::filesystem::path folder, std::filesystem::path scratch, std::vector<LinkType> links,
        bool shared_by_group);

  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<LinkType>& links() const { return links_; }
  std::filesystem::path run_cache() const { return folder_ / "runs"; }

  std::filesystem::path object_path(std::string_view md5, bool legacy = false) const;
  /// The object is there, and is a plain file. One that is writable was perhaps
  /// never synced: it is read and compared with its name, unless this cache wrote it itself.
  bool has(std::string_view md5, bool legacy = false) const;
  /// The object is there, and of a folder all its files too.
  Result<bool> has_all(const Version& version) const;
  /// kMissing when it is not there.
  Result<Tree> tree(const Version& version) const;

  /// Puts `bytes` whose digest is `md5` there, if it is not there yet. `is_synced` as in absorb().
  Result<> put_bytes(std::string_view md5, std::string_view bytes, bool is_synced = true);
  /// Copies (reflink where possible) the file `from` there, hashing what is copied: kConflict when
  /// it is not `md5` any more. Nothing to do when it is there.
  Result<> put_file(std::string_view md5, const std::filesystem::path& from, bool is_synced = true);
  /// Copies the file `from` there under the digest of what was copied, which is returned. Unless
  /// `is_synced` the caller calls sync() before it relies on the object; until then it is not
  /// protected.
  Result<std::string> absorb(const std::filesystem::path& from, bool is_synced);
  /// Everything put there so far survives a power cut, and is protected.
  Result<> sync();
  /// Makes `to` (a file there is replaced) from the object by the first of `links` that works;
  /// writable unless it is a hard or symbolic link. `to` appears at once, by rename.
  Result<LinkType> place(std::string_view md5, const std::filesystem::path& to, bool executable,
                         bool legacy = false) const;

 private:
  Result<> publish(ObjectWriter& writer, std::string_view md5, bool is_synced);

  std::filesystem::path folder_, scratch_;
  std::vector<LinkType> links_;
  bool shared_;
  std::shared_ptr<Guarded<std::set<std::string, std::less<>>>> unsynced_;  // digests
};

}  // namespace slipway::data
