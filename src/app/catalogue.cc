#include "app/catalogue.h"

#include "base/file.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

struct StoreFile {
  std::string store;
};
WIRE(StoreFile, store)

constexpr std::uint64_t kBytesMax = 64u << 10;

constexpr std::string_view kSqlite = "sqlite://";

std::filesystem::path file_of(const std::filesystem::path& state) {
  return state / "store.json";
}

/// However it is written: "//" and ".." count for nothing.
bool is_own(const std::filesystem::path& state, const std::string& uri) {
  if (!uri.starts_with(kSqlite)) return false;
  const std::filesystem::path named = uri.substr(kSqlite.size()), own = state / "catalog.db";
  std::error_code ignored;
  return named.lexically_normal() == own.lexically_normal() ||
         std::filesystem::weakly_canonical(named, ignored) ==
             std::filesystem::weakly_canonical(own, ignored);
}

}  // namespace

std::string catalogue_uri(const std::filesystem::path& state) {
  return std::string(kSqlite) + (state / "catalog.db").string();
}

Result<std::string> catalogue_of(const std::filesystem::path& state, std::string_view named) {
  if (!named.empty()) return std::string(named);
  const std::filesystem::path file = file_of(state);
  const Result<std::string> text = read_file(file, kBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) return catalogue_uri(state);
  if (!text.ok()) return text.error();
  Result<StoreFile> kept = wire::decode<StoreFile>(*text);
  if (!kept.ok() || kept->store.empty()) {
    return conflict(file.string() +
                    ", which says where the catalogue is, is damaged; name the catalogue with "
                    "--store, or remove the file if it is in the state folder");
  }
  return std::move(kept->store);
}

Result<> check_remembered(const std::string& uri) {
  std::error_code ignored;
  if (!uri.starts_with(kSqlite) || std::filesystem::exists(uri.substr(kSqlite.size()), ignored))
    return {};
  return missing("the catalogue that this state had last, " + uri.substr(kSqlite.size()) +
                 ", is gone: put it back, or say with --store where it is now (a new one is begun "
                 "there if there is none)");
}

Result<> keep_catalogue(const std::filesystem::path& state, const std::string& uri) {
  const std::filesystem::path file = file_of(state);
  std::error_code error;
  if (is_own(state, uri)) {
    std::filesystem::remove(file, error);
    if (error) return unavailable("cannot remove " + file.string() + ": " + error.message());
    return {};
  }
  if (const Result<std::string> kept = catalogue_of(state); kept.ok() && *kept == uri) return {};
  return write_file_atomic(file, wire::encode(StoreFile{uri}) + "\n", 0600);
}

}  // namespace slipway::app
