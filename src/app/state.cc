#include "app/state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/hash.h"
#include "base/ids.h"
#include "io/blob/disk.h"
#include "io/blob/journal.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

struct OwnerFile {
  std::int64_t pid = 0;
  std::string url, what, store, artifacts;
};
WIRE(OwnerFile, pid, url, what, store, artifacts)

constexpr std::string_view kTokenPrefix = "slipway-attempt.";
constexpr std::size_t kSecretDigits = 64;

/// A key of no bytes signs as well as any other, and everybody knows it.
bool is_secret(std::string_view text) {
  return text.size() == kSecretDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Never made anew by itself: the tokens of attempts that are under way come from the old one.
Error damaged_secret(const std::filesystem::path& file, std::size_t bytes) {
  return {Code::kConflict,
          "the secret " + file.string() + " is damaged: it holds " + std::to_string(bytes) +
              " bytes, and not " + std::to_string(kSecretDigits) +
              " hex digits; put it back from a copy of the state, or remove it while no run is "
              "under way, and a new one is made",
          "damaged_secret"};
}

bool holds_anything(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::filesystem::directory_iterator entries(folder, ignored);
  return entries != std::filesystem::directory_iterator();
}

}  // namespace

Result<StateFolder> StateFolder::open(const std::filesystem::path& path) {
  blob::Disk disk;
  Result<> made = blob::make_folders(disk, path);
  if (!made.ok()) return unavailable("cannot make the state folder: " + made.error().message);
  std::error_code error;
  if (!std::filesystem::exists(path / ".gitignore", error)) {
    TRY(write_file_quick(path / ".gitignore", "*\n"));
  }
  return StateFolder(path);
}

Result<> StateFolder::sync_entry() const {
  TRY(sync_folder(path_));
  return sync_folder(path_.parent_path());
}

Result<std::string> StateFolder::secret() const {
  std::filesystem::path file = path_ / "secret";
  Result<std::string> known = read_file(file, 1024);
  if (known.ok() && is_secret(*known)) return known;
  if (known.ok()) return damaged_secret(file, known->size());
  if (!known.ok() && known.error().code != Code::kMissing) return known;
  // Two processes may make one at the same time: link() lets the first win, and both read the same.
  std::filesystem::path fresh = path_ / ("secret." + random_hex32());
  TRY(write_file_atomic(fresh, random_hex32() + random_hex32(), 0600));
  int linked = link(fresh.c_str(), file.c_str());
  int why = errno;
  unlink(fresh.c_str());
  if (linked != 0 && why != EEXIST) return system_error("cannot make " + file.string(), why);
  return read_file(file, 1024);
}

std::vector<std::string> StateFolder::kept_beside_the_catalogue() const {
  std::vector<std::string> kept;
  for (const char* name : {"artifacts", "predictions", "labels", "runs"}) {
    if (holds_anything(path_ / name)) kept.emplace_back(name);
  }
  return kept;
}

Result<std::optional<Ownership>> Ownership::try_take(const StateFolder& state) {
  std::filesystem::path file = state.path() / "owner.lock";
  Fd lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return system_error("cannot open " + file.string(), errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::optional<Ownership>();
    return system_error("cannot lock " + file.string(), errno);
  }
  unlink((state.path() / "owner.json").c_str());  // of an owner that was killed
  return std::optional<Ownership>(Ownership(std::move(lock), state.path()));
}

Result<> Ownership::announce(const Owner& owner) const {
  return write_file_quick(
      folder_ / "owner.json",
      wire::encode(OwnerFile{owner.pid, owner.url, owner.what, owner.store, owner.artifacts}) +
          "\n",
      0600);
}

Result<std::optional<Owner>> announced_owner(const StateFolder& state) {
  Result<std::string> text = read_file(state.path() / "owner.json", 4096);
  if (!text.ok()) {
    if (text.error().code == Code::kMissing) return std::optional<Owner>();
    return text.error();
  }
  OwnerFile file = TRY(wire::decode<OwnerFile>(*text));
  return std::optional<Owner>(
      Owner{static_cast<pid_t>(file.pid), file.url, file.what, file.store, file.artifacts});
}

Result<std::optional<Owner>> living_owner(const StateFolder& state) {
  const std::filesystem::path file = state.path() / "owner.lock";
  const Fd lock(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock && errno == ENOENT) return std::optional<Owner>();
  if (!lock) return system_error("cannot open " + file.string(), errno);
  // Shared and given back at once: whoever looks does not keep out another who looks.
  if (flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return std::optional<Owner>();
  return announced_owner(state);
}

std::string attempt_token(std::string_view secret, std::string_view attempt) {
  return std::string(kTokenPrefix) + std::string(attempt) + "." + hmac_sha256_hex(secret, attempt);
}

std::optional<std::string> attempt_of_token(std::string_view secret, std::string_view token) {
  if (!token.starts_with(kTokenPrefix)) return std::nullopt;
  token.remove_prefix(kTokenPrefix.size());
  std::size_t dot = token.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  std::string_view attempt = token.substr(0, dot);
  if (!equal_secrets(token.substr(dot + 1), hmac_sha256_hex(secret, attempt))) return std::nullopt;
  return std::string(attempt);
}

}  // namespace slipway::app
