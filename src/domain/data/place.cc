#include "domain/data/place.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

struct OwnFolder {
  std::string_view name, owner;
};
constexpr std::array<OwnFolder, 4> kOwnFolders{{
    {".git", "git"},
    {".hg", "Mercurial"},
    {".dvc", "the project's settings and cache"},
    {".slipway", "Slipway's state"},
}};

Error bad_place(std::string message) {
  return with_tag(invalid(std::move(message)), "bad_place");
}

const OwnFolder* own_folder_in(const fs::path& relative) {
  for (const fs::path& part : relative) {
    for (const OwnFolder& one : kOwnFolders) {
      if (part.native() == one.name) return &one;
    }
  }
  return nullptr;
}

/// Nothing where `path` is not below `root`.
fs::path below(const fs::path& root, const fs::path& path) {
  auto [end, rest] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  if (end != root.end()) return {};
  fs::path relative;
  for (; rest != path.end(); ++rest) relative /= *rest;
  return relative.has_filename() ? relative : relative.parent_path();
}

Error belongs_to(const fs::path& path, const OwnFolder& folder) {
  return bad_place("the output '" + path.string() + "' lies in " + std::string(folder.name) +
                   ", which belongs to " + std::string(folder.owner) +
                   ": outputs are never written there; give it another path");
}

bool leads_to_a_folder(const fs::path& path) {
  std::error_code failure;
  return fs::is_symlink(path, failure) && fs::is_directory(path, failure);
}

}  // namespace

Result<> check_own_folders(const fs::path& root, const fs::path& path) {
  const fs::path relative = below(root, path.lexically_normal());
  if (path.lexically_normal() == root) {
    return bad_place("the output '" + path.string() + "' is the project itself; name a path in it");
  }
  if (const OwnFolder* folder = own_folder_in(relative)) return belongs_to(path, *folder);
  return {};
}

Result<> check_place(const fs::path& root, const fs::path& path) {
  const fs::path wanted = path.lexically_normal();
  if (below(root, wanted).empty()) {
    return bad_place("the output '" + wanted.string() + "' does not lie in the project " +
                     root.string() + ": nothing is written outside of it; give it a path inside");
  }
  TRY(check_own_folders(root, wanted));
  std::error_code failure;
  const fs::path top = fs::weakly_canonical(root, failure);
  const fs::path way = leads_to_a_folder(wanted) ? wanted : wanted.parent_path();
  const fs::path real = failure ? fs::path() : fs::weakly_canonical(way, failure);
  if (failure) {
    return bad_place("where the output '" + wanted.string() +
                     "' would be written cannot be told: " + failure.message());
  }
  const fs::path inside = below(top, real);
  if ((real != top && inside.empty()) || own_folder_in(inside) != nullptr) {
    return bad_place("the output '" + wanted.string() + "' would be written through a symbolic " +
                     "link to " + real.string() +
                     ": outputs stay in the project; put a folder in the link's place");
  }
  return {};
}

Result<> check_entry(const fs::path& output, const fs::path& file) {
  if (const OwnFolder* folder = own_folder_in(file)) return belongs_to(output / file, *folder);
  fs::path at = output;
  for (const fs::path& part : file.parent_path()) {
    at /= part;
    std::error_code failure;
    if (!fs::is_symlink(at, failure)) continue;
    return bad_place("'" + at.string() + "' is a symbolic link to " +
                     fs::read_symlink(at, failure).string() + ", and '" + (output / file).string() +
                     "' would be written through it; remove the link, or move it elsewhere");
  }
  return {};
}

}  // namespace slipway::data
