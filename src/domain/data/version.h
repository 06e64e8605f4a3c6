#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/yaml/yaml.h"

namespace slipway::data {

/// What identifies the content of a file or folder, and what is recorded beside it.
struct Version {
  std::string md5;                     // 32 lower-case hex digits, then ".dir" for a folder
  std::optional<std::int64_t> size;    // bytes; of a folder: the sum of its files
  std::optional<std::int64_t> nfiles;  // of a folder
  bool is_executable = false;          // of a file: the owner may execute it
  bool legacy = false;  // a 2.x object: other place in the cache, other digest of text

  bool is_folder() const { return md5.ends_with(".dir"); }
  bool same_content(const Version& other) const { return md5 == other.md5; }
};

/// Whether `md5` has the form of Version::md5.
bool is_digest(std::string_view md5);

/// One file of a folder.
struct TreeEntry {
  std::string path;  // relative, with '/'
  std::string md5;
};

/// A folder as its list of files, sorted by path (bytes).
struct Tree {
  std::vector<TreeEntry> files;

  /// The content of the .dir object, byte for byte as DVC writes it. `files` must be sorted.
  std::string bytes() const;
  /// Its digest with ".dir".
  std::string digest() const;
  /// kInvalid for what is no tree, and for paths that are absolute or leave the folder.
  static Result<Tree> parse(std::string_view bytes);
};

/// A path with what is recorded about it, as .dvc files and dvc.lock list it.
struct Record {
  std::string path;  // as written
  Version version;   // md5 empty: nothing is recorded
  yaml::Node
      extra;  // fields we keep but do not interpret (files, cloud, etag, ...): a mapping or null
};

}  // namespace slipway::data
