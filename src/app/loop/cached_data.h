#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/result.h"

namespace slipway::app {

/// A file by its MD5 (the listing of a folder by one that ends with ".dir") in the data cache of
/// the project that the state folder lies in; nothing when there is no such project, or it holds no
/// such file. Any thread.
std::optional<std::filesystem::path> cached_data(const std::filesystem::path& state,
                                                 const std::string& md5);
/// The same, or the file at `path` of the project while it has these bytes.
std::optional<std::filesystem::path> find_data(const std::filesystem::path& state,
                                               const std::string& md5, const std::string& path);
/// Of a file's bytes. Reads all of it.
Result<std::string> md5_of_file(const std::filesystem::path& file);

}  // namespace slipway::app
