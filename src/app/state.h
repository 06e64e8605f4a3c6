#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

// The state folder and who owns it. One process at a time does: it holds the lock and answers at
// the address that it announced; whoever else has facts sends them there.
// docs/formats/state-folder.md describes the files.
namespace slipway::app {

/// A folder made on first need, with a .gitignore that keeps it out of every commit.
class StateFolder {
 public:
  static Result<StateFolder> open(const std::filesystem::path& path);
  /// One that is there (has_state): for who only looks, nothing is written.
  static StateFolder existing(const std::filesystem::path& path) { return StateFolder(path); }
  const std::filesystem::path& path() const { return path_; }
  /// The folder survives a power cut, whoever made it.
  Result<> sync_entry() const;

  /// Random, made once, readable by this user only: proves that a caller may read the state folder.
  /// kConflict with tag "damaged_secret" when what is there is no such thing.
  Result<std::string> secret() const;
  /// The folders of data in it, by name, that tell nothing without the catalogue that knows them.
  std::vector<std::string> kept_beside_the_catalogue() const;

 private:
  explicit StateFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

struct Owner {
  pid_t pid = 0;
  std::string url;   // "http://127.0.0.1:5000"
  std::string what;  // "slipway up"
  // Where it was told to keep things; empty: in the state folder.
  std::string store = {}, artifacts = {};
};

/// The lock; released by the end of the process, however it ends.
class Ownership {
 public:
  /// Nothing when another process has it.
  static Result<std::optional<Ownership>> try_take(const StateFolder& state);
  /// Says where the owner answers, once it does.
  Result<> announce(const Owner& owner) const;

 private:
  Ownership(Fd lock, std::filesystem::path folder)
      : lock_(std::move(lock)), folder_(std::move(folder)) {}
  Fd lock_;
  std::filesystem::path folder_;
};

/// Who announced itself last; that it still lives is for try_take() to tell.
Result<std::optional<Owner>> announced_owner(const StateFolder& state);
/// The one that announced itself, if somebody has the lock: one that was killed may have left its
/// word, and who listens at that address now is not to be shown the secret.
Result<std::optional<Owner>> living_owner(const StateFolder& state);

/// The token of one attempt: whoever shows it acts for that attempt. Nothing needs to be stored to
/// check it.
std::string attempt_token(std::string_view secret, std::string_view attempt);
/// The attempt a token was made for; nothing for a forged one or for any other text.
std::optional<std::string> attempt_of_token(std::string_view secret, std::string_view token);

}  // namespace slipway::app
