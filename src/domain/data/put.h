#pragma once

#include <filesystem>

#include "domain/data/cache.h"

namespace slipway::data {

/// Puts a file, or a folder with all its files, into the cache as it lies there, outside of any
/// work tree. Durable on return. Links to files are followed, links to folders are left out.
/// kInvalid for names that are no UTF-8, and for what is neither file nor folder.
Result<Version> put(Cache& cache, const std::filesystem::path& from);

}  // namespace slipway::data
