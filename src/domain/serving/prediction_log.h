#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/stop.h"
#include "domain/serving/prediction_record.h"
#include "io/blob/journal.h"

// The write side of the prediction log. Answers never wait for it: what a crash or a full disk
// takes of the last milliseconds is counted, not prevented.
namespace slipway::serving {

/// What is written of one deployment's answers.
struct LogRules {
  double sample = 1;  // share of the plain live answers; errors, canary and shadow always
  std::vector<std::string> dropped, hashed;  // columns
  std::string hash_key;                      // of the keyed hash
  bool operator==(const LogRules&) const = default;
};

struct PredictionLogOptions {
  std::filesystem::path root;                 // made when first needed
  std::size_t pending_bytes_max = 32u << 20;  // per deployment; beyond it answers are lost, counted
  std::uint64_t file_bytes_max = 256u << 20;  // then the next file begins
  std::chrono::milliseconds interval{50};     // between two syncs
};

/// Any thread.
class PredictionLog {
 public:
  /// Of one deployment. Cheap to hold; requests in flight keep theirs.
  class Stream {
   public:
    /// Copies the answer and returns at once. `layout` is that of its cells before any rule: one
    /// that does not fit it is lost.
    void log(const PredictionView& prediction, const std::shared_ptr<const Layout>& layout);
    const std::string& deployment() const { return deployment_; }
    /// Of answers that were given, kept or not, since it began: all, and those that failed on the
    /// server's side. Not those in the shadow.
    std::uint64_t answered() const { return answered_.load(std::memory_order_relaxed); }
    std::uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

   private:
    friend class PredictionLog;
    /// Answers of one layout and day.
    struct Kind {
      std::shared_ptr<const Layout> layout;
      std::int64_t day = 0;  // since 1970
    };
    struct Entry {
      std::uint32_t kind = 0;
      std::uint32_t bytes = 0;  // of its frame
    };
    /// Answers as the file wants them, but for the number of their layout and the frame's head:
    /// whoever answers only copies, the rest is done by whoever writes.
    struct Pending {
      std::string frames;
      std::vector<Entry> entries;  // in the same order
      std::vector<Kind> kinds;

      std::uint32_t kind_of(const std::shared_ptr<const Layout>& layout, std::int64_t day);
      std::size_t bytes() const;
      void clear();
    };
    struct File;
    struct Rows;

    Stream(PredictionLog& log, std::string deployment, LogRules rules);
    bool is_kept(const PredictionView& prediction) const;
    void keep(const PredictionView& prediction, const std::shared_ptr<const Layout>& layout);
    void count(const PredictionView& prediction);
    Result<> flush();
    /// Entries that share a day, in order, and their frames.
    Result<> write(std::int64_t day, std::span<const Kind> kinds, std::span<const Entry> entries,
                   std::span<char> frames);
    Result<> write_to(File& file, std::span<const Kind> kinds, std::span<const Entry> entries,
                      std::span<char> frames);
    /// Makes the frame what the file wants: in place, or at the end of `changed`, by the rules.
    void finish(File& file, std::uint32_t layout_number, std::span<char> frame,
                std::string* changed) const;
    Result<File*> file_of(std::int64_t day);
    Result<> close(File& file);
    Result<> close_all();
    void lose(std::uint64_t requests);

    PredictionLog& log_;
    const std::string deployment_;
    const LogRules rules_;
    std::atomic<std::uint64_t> answered_{0}, failed_{0};
    Guarded<Pending> pending_;
    Pending taken_;                            // its memory is used again; under flush_mutex_
    std::deque<std::unique_ptr<File>> files_;  // open ones; under flush_mutex_
  };

  /// `disk` and `metrics` must outlive it.
  PredictionLog(blob::Disk& disk, Metrics& metrics, PredictionLogOptions options);
  ~PredictionLog();

  /// The thread that writes every `interval`. stop() writes what is left and closes the files.
  void start();
  void stop();

  /// The stream of a deployment; another one after the rules have changed.
  std::shared_ptr<Stream> stream(const std::string& deployment, const LogRules& rules = {});

  /// What was logged before the call is durable on return, or lost and counted; the first error.
  Result<> flush();
  /// For who is about to wait for the disk while others wait for that: returns once no write of the
  /// log is under way, and the thread begins none for a moment of at most kPauseMax. What is
  /// answered meanwhile waits in memory. A hint only; flush() does not heed it.
  void pause();
  static constexpr std::chrono::milliseconds kPauseMax{10};
  /// Requests since the start.
  std::uint64_t lost() const { return lost_; }
  /// Those that were answered later than kLateMs after what they are about, since the start:
  /// windows may have been judged without them.
  std::int64_t late() const { return late_.load(std::memory_order_relaxed); }
  static constexpr UnixMs kLateMs = 60'000;
  std::map<std::string, std::uint64_t> lost_by_deployment() const {
    return losses_.with([](const auto& losses) { return losses; });
  }
  const std::filesystem::path& root() const { return options_.root; }

 private:
  void lose(const std::string& deployment, std::uint64_t requests);
  bool await_turn();

  blob::Disk& disk_;
  const PredictionLogOptions options_;
  Counter& logged_counter_;
  Counter& lost_counter_;
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::int64_t> late_{0};
  Guarded<std::map<std::string, std::uint64_t>> losses_;
  Guarded<std::map<std::string, std::shared_ptr<Stream>>> streams_;
  Guarded<std::vector<std::shared_ptr<Stream>>> retired_;  // with other rules, until written
  std::mutex flush_mutex_;
  std::atomic<std::chrono::steady_clock::time_point> paused_until_{};
  StopToken stop_;
  std::thread thread_;
};

}  // namespace slipway::serving
