#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace slipway::app {

/// A file by its MD5 (the listing of a folder by one that ends with ".dir") in the data cache of the project that the state folder lies in; nothing when
/// there is no such project, or it holds no such file. Any thread.
std::optional<std::filesystem::path> cached_data(const std::filesystem::path& state,
                                                 const std::string& md5);

}  // namespace slipway::app
