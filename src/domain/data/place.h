#pragma once

#include <filesystem>

#include "base/result.h"

// Where outputs may be. A .dvc file, a dvc.yaml and a .dir object come with a repository, perhaps a
// stranger's: nothing that they say is written outside of the project, nor into what git, DVC and
// Slipway keep in it. Any thread.
namespace slipway::data {

/// Whether an output of the project in `root` may be written at `path` (both absolute). kInvalid
/// with tag "bad_place" for the project itself and all that lies outside of it, for .git, .hg,
/// .dvc, .slipway and all below, and where a symbolic link, of a folder above or at `path`, leads
/// to any of these. A link to a file at `path` itself is no way to anywhere: it would be replaced.
Result<> check_place(const std::filesystem::path& root, const std::filesystem::path& path);

/// The same by the words of `path` alone, for what need not exist and what is only removed; outside
/// of the project all is well here.
Result<> check_own_folders(const std::filesystem::path& root, const std::filesystem::path& path);

/// Whether a file of a folder output may be written: `file` is what its list says, relative to the
/// folder at `output`. No folder in between may be a symbolic link, whatever it leads to, as no
/// list was ever made through one. Tag "bad_place".
Result<> check_entry(const std::filesystem::path& output, const std::filesystem::path& file);

}  // namespace slipway::data
