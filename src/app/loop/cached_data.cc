#include "app/loop/cached_data.h"

#include <algorithm>
#include <fstream>
#include <string_view>

#include "base/hash.h"
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

std::optional<std::filesystem::path> find_data(const std::filesystem::path& state,
                                               const std::string& md5, const std::string& path) {
  if (auto cached = cached_data(state, md5)) return cached;
  Result<data::Repository> repository = data::Repository::open(state);
  if (!repository.ok()) return {};
  const std::filesystem::path file = (repository->root() / path).lexically_normal();
  Result<std::string> found = md5_of_file(file);
  if (!found.ok() || *found != md5) return {};
  return file;
}

Result<std::string> md5_of_file(const std::filesystem::path& file) {
  constexpr std::size_t kBufferBytes = 1u << 20;
  std::error_code failed;
  if (!std::filesystem::is_regular_file(file, failed))
    return missing("there is no file " + file.string());
  std::ifstream in(file, std::ios::binary);
  Hasher hasher(Hasher::Kind::kMd5);
  std::string buffer(kBufferBytes, '\0');
  while (in.read(buffer.data(), kBufferBytes) || in.gcount() > 0)
    hasher.update(std::string_view(buffer).substr(0, static_cast<std::size_t>(in.gcount())));
  if (!in.eof()) return unavailable("cannot read " + file.string());
  return hasher.finish_hex();
}

}  // namespace slipway::app
