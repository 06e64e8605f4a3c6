#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "base/result.h"
#include "domain/engine/model.h"

// Which model version an address means, and that version in memory, ready to score.
namespace slipway::serving {

/// What the registry knows, as far as serving needs it.
struct KnownVersion {
  std::string version;      // digits
  bool production = false;  // stage Production
  std::string source;  // what its files are: a version made anew under the same number has another
};
struct KnownModel {
  std::string name;
  std::vector<KnownVersion> versions;
  std::map<std::string, std::string> aliases;  // alias to version
};

/// Where versions come from. Called on serving's loader thread only; may wait for a disk.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  virtual Result<std::vector<KnownModel>> models() = 0;
  /// A file of the version's folder by its relative path ("MLmodel", "model.ubj"). kMissing when
  /// there is none; kInvalid with tag "too_large" when it is longer than `bytes_max`, with
  /// "not_servable" when files in such a place can't be read; kUnavailable when it may work later.
  virtual Result<std::string> file(const std::string& model, const std::string& version,
                                   const std::string& path, std::uint64_t bytes_max) = 0;
};

/// A version in memory. Immutable but for its counters; requests in flight keep the one they began
/// with.
struct LoadedVersion {
  std::string model, version;
  engine::MlModel mlmodel;
  std::unique_ptr<engine::Model> engine;
  std::size_t bytes = 0;
  mutable std::atomic<std::int64_t> last_used_ms{0};
  mutable std::atomic<std::int64_t> requests{0}, failures{0}, rows{0}, nanoseconds{0};
};
using Loaded = std::shared_ptr<const LoadedVersion>;

enum class State {
  kWaiting,      // nobody has looked at its files yet
  kIdle,         // can be loaded, and is when first asked for
  kReady,        // in memory
  kNotServable,  // no engine scores it
  kBroken,       // its files are missing or damaged
  kFailed        // something stood in the way that may pass
};
struct VersionEntry {
  std::string version;
  std::string source;
  State state = State::kWaiting;
  std::string reason;  // why not: "not servable yet: flavour sklearn"
  std::chrono::nanoseconds failed_at{0};
  Loaded loaded;  // when ready

  /// Whether a prediction asked of it now would be answered.
  bool answers() const { return state == State::kReady || state == State::kIdle; }
};
struct ModelEntry {
  std::string name;
  std::vector<VersionEntry> versions;  // ascending by number
  std::map<std::string, std::string> aliases;
  std::string meant;  // the version meant by the bare name: alias champion, else Production, else
                      // the latest; may be ""

  /// `version` as digits, "@alias", or "" for the bare name. Null when the model has no such
  /// version or alias.
  const VersionEntry* find(std::string_view wanted) const;
};
/// A consistent view of everything, shared by whoever looks at it.
struct Table {
  std::map<std::string, std::shared_ptr<const ModelEntry>, std::less<>> models;
};

/// A version and where it belongs.
struct Place {
  std::string model;
  VersionEntry entry;
};

struct Options {
  std::uint64_t bytes_max = 1u << 30;       // of all loaded versions together
  std::uint64_t file_bytes_max = 1u << 30;  // of one model file
  int workers = 2;                          // threads that score what is too large for a loop
  int jobs_max = 256;                       // waiting for them; full: kBusy
};

/// Any thread.
class Serving {
 public:
  /// `source`, `clock` and `metrics` must outlive it.
  Serving(ModelSource& source, const Clock& clock, Metrics& metrics, Options options = {});
  ~Serving();

  /// Starts the threads: one loader, `workers` scorers. The loader begins with what bare names and
  /// aliases mean; then it looks, between other jobs, whether the rest could be loaded.
  void start();
  /// Finishes what was begun and joins. Waiting requests end with kUnavailable.
  void stop();

  /// The registry has changed. Returns at once; several calls in a row cause one look.
  void refresh();

  /// Whether the registry has been read once, so that table() means something.
  bool started() const { return started_; }
  std::shared_ptr<const Table> table() const;
  /// The version in memory, or null: then find_later() says why, or fetches it. For loops: never
  /// waits for a disk.
  Loaded ready(std::string_view model, std::string_view version) const;
  /// Looks at the registry and loads the version if need be; `done` is called on the loader thread.
  ///   kMissing, tag "unknown_model", "no_versions" or "unknown_version"; kConflict, tag
  ///   "not_servable"; kInternal, tag "broken", when its files are missing or damaged;
  ///   kUnavailable, tag "not_ready", when it failed to load and may not next time; kBusy when too
  ///   many wait.
  void find_later(std::string model, std::string version, Done<Loaded> done);

  /// Calls `done` on the loader thread once table() is no older than this call and what bare names
  /// mean has been tried; with the error when the registry can't be read, with kBusy when too many
  /// wait.
  void look_later(Done<> done);

  /// Whether scoring `rows` rows of a body that long may be done on a loop.
  bool small(const LoadedVersion& version, std::size_t body_bytes, std::size_t rows) const;
  /// Runs `job` on a scorer thread; kBusy when too many wait.
  Result<> run_later(UniqueFunction<void()> job);

  /// Counts one answered or failed request.
  void count(const LoadedVersion& version, std::size_t rows, std::int64_t nanoseconds,
             bool failed) const;
  const Clock& clock() const { return clock_; }

 private:
  struct Job {
    bool look = false;   // at the registry
    bool check = false;  // one version that nobody has looked at; else load one
    Done<> looked;       // may be empty
    std::string model, version;
    Done<Loaded> done;
    std::chrono::nanoseconds asked{0};
  };
  void run_loader();
  void run_look(Job job);
  Result<> look();
  void preload();
  void queue_check();
  void run_check();
  /// What an attempt to load it says, without keeping it.
  VersionEntry checked(const std::string& model, VersionEntry entry);
  Result<Loaded> obtain(const Job& job);
  Result<VersionEntry> find_known(const Job& job);
  /// Loads and publishes the outcome, good or bad.
  Result<Loaded> load(const std::string& model, VersionEntry entry, bool may_evict);
  Result<Loaded> read(const std::string& model, const std::string& version,
                      std::uint64_t file_bytes_max);
  Result<> make_room(std::uint64_t bytes, bool may_evict);
  void publish(const std::vector<Place>& changed);
  void set_gauges();

  ModelSource& source_;
  const Clock& clock_;
  const Options options_;
  Gauge& loaded_versions_;
  Gauge& loaded_bytes_;
  Counter& loads_;
  Counter& load_failures_;
  Counter& predictions_;
  Counter& prediction_failures_;
  Guarded<std::shared_ptr<const Table>> table_;
  std::atomic<bool> look_wanted_{false}, started_{false};
  std::chrono::nanoseconds looked_at_{-1};  // loader thread only, like the next
  bool check_queued_ = false;
  Queue<Job> jobs_;
  Queue<UniqueFunction<void()>> scorer_jobs_;
  std::vector<std::thread> threads_;
};

}  // namespace slipway::serving
