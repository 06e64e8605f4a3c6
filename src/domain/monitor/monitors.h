#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/checks/contract.h"
#include "domain/checks/profile.h"
#include "domain/monitor/store.h"
#include "domain/project/applied.h"
#include "domain/serving/predictions.h"
#include "io/db/db.h"

// Turns the monitors that a project declares: looks when a window is due, scans it once for all
// that judge it, judges, records. What is durable says how far it is, so a turn that was stopped
// anywhere is simply done again.
namespace slipway::monitor {

/// What is live in a deployment.
struct Live {
  std::string model, version;
  UnixMs created_ms = 0;  // when the version was made; 0: not known
};

/// What a version was trained on.
struct Training {
  std::shared_ptr<const checks::Profile> profile;    // null: not known
  std::string profile_digest;                        // "" when it is not in the catalogue
  std::shared_ptr<const checks::Contract> contract;  // of that table; null: it has none
};

/// What the monitors need of their surroundings.
struct Surroundings {
  /// What was answered so far is in the log's files on return, or lost and counted.
  std::function<Result<>()> flush;
  /// Nothing when no version of it is live.
  std::function<Result<std::optional<Live>>(db::Tx&, const std::string& deployment)> live;
  /// Asked for once a version and project, or until there is a profile; `columns` are those that
  /// requests carry.
  std::function<Result<Training>(const project::Declared& declared, const std::string& deployment,
                                 const std::string& model, const std::string& version,
                                 const std::vector<std::string>& columns)>
      training;
  /// Where it is told what the logs have lost. A window is judged on what is there.
  blob::Damages* damages = nullptr;
  /// How many answers came so far about times whose windows may have been judged; not set: unknown.
  std::function<std::int64_t()> late_answers = {};
};

/// One thread at a time.
class Monitors {
 public:
  /// `pool` must outlive it.
  Monitors(db::Pool& pool, std::filesystem::path predictions, std::filesystem::path labels,
           Surroundings surroundings);
  ~Monitors();

  /// Both of the following: whether it did anything.
  Result<bool> turn(UnixMs now);

  /// Reads what the log of events has to tell, and finds out what is due. Whether there was news.
  /// Two look-ups in the catalogue when nothing happened.
  Result<bool> look(UnixMs now);
  /// As of the last look.
  bool is_due(UnixMs now) const { return next_due_ && *next_due_ <= now; }
  /// Judges one window, of all monitors of a deployment that have the same one, after those before
  /// it that more labels have come for; takes as long as the answers in them take to be read.
  Result<bool> judge(UnixMs now);
  /// When the next window is due, as of the last turn; nothing when nothing is watched.
  std::optional<UnixMs> next_due() const { return next_due_; }

 private:
  struct Monitor;
  struct Basis;
  struct Job;

  Result<bool> follow(UnixMs now);
  Result<bool> refresh(UnixMs now);
  Result<bool> declare(UnixMs now);
  Result<> begin(const project::DeploymentSpec& deployment, const project::MonitorSpec& monitor,
                 UnixMs now);
  void flush_log();
  Result<std::optional<UnixMs>> beginning_of(const project::DeploymentSpec& deployment,
                                             const project::MonitorSpec& monitor, UnixMs now);
  Result<> step_back(const Monitor& monitor, UnixMs now);
  Result<> judge_together(const std::vector<Monitor*>& monitors, const Window& window, UnixMs now);
  Result<> gather(const std::vector<std::unique_ptr<Job>>& jobs, const Window& window);
  void start_gathering(Job& job);
  Result<> gather_references(Job& job, const Window& window);
  Result<std::map<std::string, checks::Profile>> gather_again(
      const Job& job, const Window& window, const std::map<std::string, checks::Plan>& plans);
  Result<checks::Plan> plan_of(Job& job, const serving::Layout& layout,
                               const std::vector<std::string>& columns);
  Result<> find_reference(const Job& job, const std::string& version, const Training& training,
                          Basis& basis);
  Result<JudgedSpan> judged(Job& job, const Window& window, const std::optional<Live>& live);
  Result<bool> look_for_late_labels(UnixMs now);
  Result<bool> restate_late(Monitor& monitor, UnixMs now);
  Result<bool> look_for_late_answers(UnixMs now);
  Result<bool> restate_late_answers(Monitor& monitor, UnixMs now);
  Result<std::map<UnixMs, std::int64_t>> answers_before(const Monitor& monitor);
  Result<bool> restate_window(Monitor& monitor, const Window& window, UnixMs now);
  using EventSpan = std::optional<serving::EventSpan>;
  Result<EventSpan> event_span(const std::string& deployment, const std::filesystem::path& file);
  struct LabelFiles {
    std::uint64_t bytes = 0;
    UnixMs changed_ms = 0;  // the newest, by the clock of the file system
  };
  /// Those of the answers of one day, and what times these answers were about.
  struct LabelDay {
    LabelFiles files;
    std::vector<serving::EventSpan> answers;
  };
  Result<std::vector<LabelDay>> label_days(const std::string& deployment);
  static LabelFiles labels_of(const std::vector<LabelDay>& days, const Window& window);
  Result<std::optional<UnixMs>> next_answer(const std::string& deployment, UnixMs from_ms);
  Result<bool> may_be_late(const Monitor& monitor, const Window& window, const LabelFiles& labels);
  Result<> skip_silence(const Monitor& monitor, UnixMs now);
  Result<const Training*> training_of(const std::string& deployment, const std::string& model,
                                      const std::string& version,
                                      const std::vector<std::string>& columns);

  db::Pool& pool_;
  const std::filesystem::path predictions_root_, labels_root_;
  const serving::Predictions predictions_;
  const Surroundings surroundings_;

  std::optional<project::Applied> applied_;
  std::vector<Monitor> monitors_;
  std::map<std::string, Training> trainings_;  // by deployment, model and version
  /// What was seen of labels, by deployment and monitor.
  struct Late {
    std::optional<UnixMs> looked_ms, looked_for_answers_ms;
    std::optional<std::int64_t> came;  // late answers, at the last look for them
    std::map<UnixMs, std::int64_t> answers;  // of a window that was judged anew, by its start
    std::map<UnixMs, std::uint64_t> bytes;  // of a window's answers, by its start
  };
  std::map<std::pair<std::string, std::string>, Late> late_;
  /// Of files of the prediction log, by path: as long as they are as large.
  struct KnownSpan {
    std::uintmax_t bytes = 0;
    EventSpan span;
  };
  std::map<std::string, KnownSpan> spans_;
  /// How many answers of each window a file has, as long as it is as large; by the windows' length.
  struct KnownAnswers {
    std::uintmax_t bytes = 0;
    UnixMs from_ms = 0, to_ms = 0;
    std::map<UnixMs, std::int64_t> by_start;
  };
  std::map<std::pair<std::string, UnixMs>, KnownAnswers> answers_;
  std::optional<UnixMs> next_due_;
  std::int64_t seen_ = -1;  // newest event that was looked at; -1: the cursor says
  UnixMs last_turn_ms_ = 0;
};

}  // namespace slipway::monitor
