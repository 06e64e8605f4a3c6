#include "app/loop/cached_data.h"

#include <algorithm>
#include <string_view>

#include "domain/data/repository.h"

namespace slipway::app {

std::optional<std::filesystem::path> cached_data(const std::filesystem::path& state,
                                                 const std::string& md5) {
  constexpr std::size_t kMd5Digits = 32;
  const std::string_view digits =
      std::string_view(md5).substr(0, md5.ends_with(".dir") ? md5.size() - 4 : md5.size());
  const bool is_digest =
      digits.size() == kMd5Digits && std::all_of(digits.begin(), digits.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      });
  if (!is_digest) return {};
  Result<data::Repository> repository = data::Repository::open(state);
  if (!repository.ok()) return {};
  for (const bool legacy : {false, true}) {
    const std::filesystem::path object = repository->cache().object_path(md5, legacy);
    std::error_code failed;
    if (std::filesystem::is_regular_file(object, failed) && !failed) return object;
  }
  return {};
}

}  // namespace slipway::app
