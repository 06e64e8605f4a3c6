#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/state.h"
#include "base/file.h"
#include "io/blob/damages.h"
#include "io/blob/disk.h"
#include "io/blob/journal.h"
#include "io/wire/json.h"

// Facts on their way into the catalogue: written into the state folder first, so that they outlive
// whoever found them, and handed over when there is somebody to take them. docs/formats/outbox.md.
namespace slipway::app {

struct RefusedFact {
  std::int64_t index = 0;  // in its outbox
  std::string why;
};
struct TakenFacts {
  std::int64_t next = 0;  // index of the first fact that is still wanted
  std::vector<RefusedFact> refused;
};
/// Puts facts of the outbox with that name into a catalogue; `first` is the index of the first of
/// them. The same facts may be given again. An error means that they should be: later.
using TakeFacts = std::function<Result<TakenFacts>(const std::string& outbox, std::int64_t first,
                                                   const wire::Json::Array& facts)>;

/// The facts of one process. One thread.
class Outbox {
 public:
  /// Durable on return; so is the state folder's own entry.
  static Result<Outbox> create(const StateFolder& state);
  Outbox(Outbox&&) noexcept = default;

  /// On return the fact outlives this process.
  Result<> put(wire::Json fact);
  /// What was put survives a power cut.
  Result<> sync();
  std::size_t waiting() const { return waiting_.size(); }
  /// Hands over what waits, in order. What is refused is set aside and does not count as an error.
  Result<> deliver(const TakeFacts& take);
  /// Removes the file unless something waits.
  void close();

 private:
  Outbox(std::unique_ptr<blob::Disk> disk, blob::Journal journal, Fd lock, std::string name)
      : disk_(std::move(disk)),
        journal_(std::move(journal)),
        lock_(std::move(lock)),
        name_(std::move(name)) {}

  std::unique_ptr<blob::Disk> disk_;
  blob::Journal journal_;
  Fd lock_;
  std::string name_;
  std::int64_t first_ = 0;  // index of the first that waits
  wire::Json::Array waiting_;
  bool unsynced_ = false;
};

/// Whether some process left facts there, which it hands over itself when it still lives.
bool has_outboxes(const std::filesystem::path& state);
/// Hands over what processes that are gone left, the oldest first. The first error ends it. What is
/// lost of it is told to `damages`, or only warned of.
Result<> deliver_left(const std::filesystem::path& state, const TakeFacts& take,
                      blob::Damages* damages = nullptr);

}  // namespace slipway::app
