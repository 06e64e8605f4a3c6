#include "app/doctor.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"
#include "app/place.h"
#include "app/state.h"
#include "app/workspace.h"
#include "base/text.h"
#include "domain/artifacts/recorded_blobs.h"
#include "domain/data/config.h"
#include "domain/flows/cron.h"
#include "domain/project/project_file.h"
#include "io/git/git.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;

constexpr char kOk[] = "ok", kWarning[] = "warning", kProblem[] = "problem";
constexpr std::uint64_t kMiB = 1u << 20, kGiB = 1u << 30;
constexpr int kSampled = 50;  // files that the catalogue knows
constexpr std::chrono::seconds kPatience{5};

Finding ok(std::string about, std::string found) {
  return {std::move(about), kOk, std::move(found)};
}
Finding warning(std::string about, std::string found, std::string todo) {
  return {std::move(about), kWarning, std::move(found), std::move(todo)};
}
Finding problem(std::string about, std::string found, std::string todo) {
  return {std::move(about), kProblem, std::move(found), std::move(todo)};
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= 10 * kGiB) return std::to_string(bytes / kGiB) + " GiB";
  return std::to_string(bytes / kMiB) + " MiB";
}

/// A password in a URI is nobody's to see.
std::string without_password(std::string uri) {
  const std::size_t at = uri.rfind('@');
  const std::size_t begin = uri.find("://");
  if (at == std::string::npos || begin == std::string::npos || at < begin) return uri;
  const std::size_t colon = uri.find(':', begin + 3);
  if (colon < at) uri.replace(colon + 1, at - colon - 1, "...");
  return uri;
}

class Doctor {
 public:
  Doctor(const DoctorRequest& request, const Clock& clock) : request_(request), clock_(clock) {}

  std::vector<Finding> run() {
    if (look_at_state()) {
      look_at_server();
      look_at_catalogue();
      look_at_artifacts();
      look_at_notifications();
    }
    look_at_project();
    return std::move(findings_);
  }

 private:
  void add(Finding finding) { findings_.push_back(std::move(finding)); }

  bool look_at_state() {
    const std::string path = request_.state.string();
    if (!has_state(request_.state)) {
      add(problem("state folder", "there is no state at " + path,
                  "`slipway up` makes one; name another folder with --state"));
      return false;
    }
    if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
      add(problem("state folder", path + " can't be read and written by this user",
                  "run as the user whose folder it is, or give it to this one (chown -R)"));
      return false;
    }
    add(ok("state folder", path));
    struct statvfs disk {};
    if (statvfs(path.c_str(), &disk) == 0 && disk.f_blocks > 0)
      add(judge_space("disk of the state", path, std::uint64_t{disk.f_bavail} * disk.f_frsize,
                      std::uint64_t{disk.f_blocks} * disk.f_frsize));
    std::error_code ignored;
    // The first start makes one.
    if (!fs::exists(request_.state / "secret", ignored)) return true;
    const Result<std::string> secret = StateFolder::existing(request_.state).secret();
    if (!secret.ok())
      add(problem("secret of the state", secret.error().message,
                  "put the file back from a backup, or remove it: the next start makes another, "
                  "and tokens of running attempts are no good any more"));
    return true;
  }

  void look_at_server() {
    const auto owner = living_owner(StateFolder::existing(request_.state));
    if (!owner.ok()) return add(problem("server", owner.error().message, "start it once more"));
    if (!*owner) return add(ok("server", "none runs for this state folder"));
    owner_ = **owner;
    const std::string who =
        "`" + owner_.what + "` (pid " + std::to_string(owner_.pid) + ") at " + owner_.url;
    http::ClientRequest request;
    request.url = owner_.url + "/ready";
    request.timeout = kPatience;
    const Result<http::Response> answer = http::fetch(request);
    constexpr int kReady = 200;
    if (!answer.ok()) {
      const Result<> silent = require_answer(owner_, request_.state, kPatience);
      const std::string why = silent.ok() ? answer.error().message : silent.error().message;
      return add(problem("server", who + " does not answer: " + why,
                         "see what it logged last; end it and start it again"));
    }
    if (answer->status != kReady)
      return add(problem("server", who + " can't write: " + message_of(*answer),
                         "what stands there; it goes on by itself once that is mended"));
    add(ok("server", who));
    look_at_deployments();
  }

  /// As the server that runs has them: nobody else knows what it has loaded.
  void look_at_deployments() {
    const Result<std::string> secret = StateFolder::existing(request_.state).secret();
    if (!secret.ok()) return;
    const auto answer =
        ask_owner(owner_.url, *secret, "/deployments", std::nullopt, kPatience);
    if (!answer.ok()) return add(problem("deployments", answer.error().message, ""));
    const wire::Json* list = answer->find("deployments");
    if (list == nullptr || !list->is_array() || list->as_array().empty()) return;
    std::size_t faults = 0;
    for (const wire::Json& deployment : list->as_array()) {
      const wire::Json* fault = deployment.find("fault");
      if (fault == nullptr || !fault->is_string() || fault->as_string().empty()) continue;
      ++faults;
      const std::string name = deployment.find("name")->as_string();
      add(problem("deployment " + name, fault->as_string(),
                  "`slipway deployments " + name + "` shows what became of its versions"));
    }
    if (faults == 0)
      add(ok("deployments", "the " + std::to_string(list->as_array().size()) +
                                " of the project serve what they should"));
  }

  void look_at_catalogue() {
    const Result<std::string> store = catalogue_of(request_.state, request_.store);
    if (!store.ok())
      return add(problem("catalogue", store.error().message, "name it with --store"));
    const std::string shown = without_password(*store);
    db::PoolOptions options;
    options.read_only = true;
    Result<std::unique_ptr<db::Pool>> opened =
        db::Pool::open(*store, all_migrations(), metrics_, options);
    if (!opened.ok() && opened.error().tag == "pending_migrations") {
      return add(warning("catalogue", shown + " is of an older version of this program",
                         "the next `slipway up` brings it up to date, and keeps a copy first"));
    }
    if (!opened.ok()) {
      return add(problem("catalogue", shown + ": " + opened.error().message,
                         "is the database there, and does it let this user in? A damaged file is "
                         "put back from a backup"));
    }
    pool_ = std::move(*opened);
    std::string wrong;
    std::optional<UnixMs> last;
    const Result<> read = pool_->read([&](db::Tx& tx) -> Result<> {
      if (tx.engine() == db::Engine::kSqlite) {
        for (const std::string& line : TRY(tx.all<std::string>("pragma quick_check(5)")))
          if (line != "ok") wrong += (wrong.empty() ? "" : "; ") + line;
      }
      const auto time = TRY(tx.one<std::int64_t>(
          "select time_ms from events order by seq desc limit 1"));
      if (time) last = *time;
      return {};
    });
    if (!read.ok() || !wrong.empty()) {
      add(problem("catalogue", shown + ": " + (read.ok() ? wrong : read.error().message),
                  "stop the server, keep a copy of the folder, and put the last backup in its "
                  "place"));
      pool_.reset();
      return;
    }
    add(ok("catalogue", shown));
    add(judge_clock(clock_.now_ms(), last));
  }

  AppOptions place() const {
    AppOptions options;
    options.state = request_.state;
    options.artifacts = request_.artifacts.empty() ? owner_.artifacts : request_.artifacts;
    return options;
  }

  void look_at_artifacts() {
    if (pool_ == nullptr) return;
    const Result<std::vector<artifacts::Record>> some = pool_->read([](db::Tx& tx) {
      return tx.all<artifacts::Record>(
          "select key, bytes, stamp, sha256, written_ms from artifacts order by written_ms desc "
          "limit ?",
          std::int64_t{kSampled});
    });
    if (!some.ok())
      return add(problem("artifacts", some.error().message, "see the catalogue above"));
    const AppOptions options = place();
    const bool is_folder = options.artifacts.find("://") == std::string::npos;
    const std::string where = options.artifacts.empty() ? (options.state / "artifacts").string()
                                                        : without_password(options.artifacts);
    std::error_code ignored;
    if (is_folder && !fs::is_directory(where, ignored)) {
      if (some->empty()) return add(ok("artifacts", where + " (nothing is there yet)"));
      return add(problem("artifacts", "there is no folder " + where + ", and the catalogue knows "
                                      "files in it",
                         "put it back, or name its place with --artifacts"));
    }
    if (is_folder && ::access(where.c_str(), R_OK | W_OK | X_OK) != 0)
      return add(problem("artifacts", where + " can't be read and written by this user",
                         "give it to the user that the server runs as"));
    // Not as a server opens it, which would tidy up there.
    if (is_folder) {
      return add(sampled(*some, where, [&](const std::string& key) {
        return Result<std::optional<std::uint64_t>>(size_of_file(where, key));
      }));
    }
    const Result<std::unique_ptr<blob::Blobs>> blobs = open_artifacts(options, clock_);
    if (!blobs.ok()) return add(problem("artifacts", where + ": " + blobs.error().message, kReach));
    add(sampled(*some, where,
                [&](const std::string& key) -> Result<std::optional<std::uint64_t>> {
                  const auto found = TRY((*blobs)->find(key));
                  return found ? std::optional<std::uint64_t>(found->bytes) : std::nullopt;
                }));
  }

  void look_at_notifications() {
    if (pool_ == nullptr) return;
    constexpr UnixMs kLate = 60'000, kLookBack = 7 * 24 * 3'600'000LL;
    const UnixMs now = clock_.now_ms();
    // Where no server runs nothing is sent, and what waits says nothing of who is to take it.
    const UnixMs late = owner_.url.empty() ? 0 : now - kLate;
    const auto found = pool_->read(
        [&](db::Tx& tx) { return notify::undelivered(tx, late, now - kLookBack); });
    if (!found.ok())
      return add(problem("notifications", found.error().message, "see the catalogue above"));
    for (Finding& one : judge_notifications(*found)) add(std::move(one));
  }

  static constexpr char kReach[] =
      "is its address right, does it answer, and are its keys in the environment of this command?";

  static std::optional<std::uint64_t> size_of_file(const fs::path& root, const std::string& key) {
    std::error_code gone;
    if (!blob::check_key(key).ok() || !fs::is_regular_file(root / key, gone)) return std::nullopt;
    const std::uint64_t bytes = fs::file_size(root / key, gone);
    return gone ? std::nullopt : std::optional(bytes);
  }

  /// `size_of`: of the object of a key; nothing where there is none.
  static Finding sampled(
      const std::vector<artifacts::Record>& some, const std::string& where,
      const std::function<Result<std::optional<std::uint64_t>>(const std::string&)>& size_of) {
    if (some.empty()) {
      const auto listed = size_of("no-such-object");
      if (!listed.ok()) return problem("artifacts", where + ": " + listed.error().message, kReach);
    }
    std::size_t missing = 0;
    std::string first;
    for (const artifacts::Record& record : some) {
      const auto found = size_of(record.key);
      if (!found.ok()) return problem("artifacts", where + ": " + found.error().message, kReach);
      const bool same = *found && **found == static_cast<std::uint64_t>(record.bytes);
      if (!same && missing++ == 0) first = record.key;
    }
    const std::string of = std::to_string(some.size()) + " newest files";
    if (missing == 0) return ok("artifacts", where + ", the " + of + " are there");
    return problem("artifacts",
                   where + ": of the " + of + " " + std::to_string(missing) +
                       " are not there as they were written, as " + first,
                   "put them back from a backup; who took them away?");
  }

  void look_at_project() {
    std::error_code ignored;
    const fs::path& root = request_.project;
    if (fs::exists(root / ".git", ignored)) {
      const Result<git::Outcome> head = git::run(root, {"rev-parse", "--short", "HEAD"});
      if (!head.ok()) {
        add(problem("git", head.error().message, "install git: runs are told by their commits"));
      } else if (head->status != 0) {
        add(warning("git", std::string(trim(head->err.substr(0, 200))),
                    "make a first commit: pipeline runs are made of commits"));
      } else {
        add(ok("git", root.string() + " at " + std::string(trim(head->out))));
      }
    }
    look_at_triggers(root);
    const fs::path dvc = root / ".dvc";
    if (!fs::is_directory(dvc, ignored)) return;
    const Result<data::Config> config = data::read_config(dvc);
    if (!config.ok()) return add(problem("data cache", config.error().message, ""));
    const fs::path& cache = config->cache_folder;
    if (!fs::exists(cache, ignored))
      return add(ok("data cache", cache.string() + " (nothing is there yet)"));
    if (::access(cache.c_str(), R_OK | W_OK | X_OK) != 0)
      return add(problem("data cache", cache.string() + " can't be read and written by this user",
                         "give it to the user that runs the stages"));
    add(ok("data cache", cache.string()));
  }

  /// Who waits for a trigger that never fires sees nothing at all.
  void look_at_triggers(const fs::path& root) {
    const Result<project::ProjectFile> file = project::read_project(root);
    if (!file.ok() && file.error().code == Code::kMissing) return;
    if (!file.ok())
      return add(warning("triggers", "slipway.yaml can't be read", "`slipway lint` says why"));
    if (file->triggers.empty()) return;
    const std::size_t before = findings_.size();
    for (const project::TriggerSpec& trigger : file->triggers) {
      const auto* cron = std::get_if<project::CronSource>(&trigger.source);
      if (cron == nullptr) continue;
      const Result<flows::CronRule> rule = flows::CronRule::parse(cron->expression);
      if (rule.ok() && rule->can_fire()) continue;
      add(warning("triggers",
                  "the trigger '" + trigger.name + "' never fires: " +
                      (rule.ok() ? "no day is '" + cron->expression + "'" : rule.error().message),
                  "correct its 'cron' in slipway.yaml, then `slipway apply`"));
    }
    const project::Workspace workspace = read_workspace(root, *file);
    for (const std::string& silent : project::silent_triggers(*file, workspace).warnings)
      add(warning("triggers", silent,
                  "make what it waits for, or correct its name in slipway.yaml"));
    if (findings_.size() > before) return;
    add(ok("triggers", std::to_string(file->triggers.size()) +
                           " in slipway.yaml, what they wait for is there or may come"));
  }

  const DoctorRequest& request_;
  const Clock& clock_;
  Metrics metrics_;
  Owner owner_;
  std::unique_ptr<db::Pool> pool_;
  std::vector<Finding> findings_;
};

}  // namespace

Finding judge_space(const std::string& about, const std::string& place, std::uint64_t free_bytes,
                    std::uint64_t all_bytes) {
  constexpr std::uint64_t kTooLittle = 100 * kMiB;
  constexpr std::uint64_t kLittleShare = 20;  // one in so many
  const std::string found = size_text(free_bytes) + " of " + size_text(all_bytes) +
                            " are free at " + place;
  const char* todo = "make room there, or move the folder; `slipway runs gc` empties the trash";
  if (free_bytes < kTooLittle) return problem(about, found, todo);
  if (free_bytes < kGiB && free_bytes < all_bytes / kLittleShare)
    return warning(about, found, todo);
  return ok(about, found);
}

Finding judge_clock(UnixMs now_ms, const std::optional<UnixMs>& last_ms) {
  constexpr UnixMs kFirst = 1'704'067'200'000;  // 2024: before it no version of this program was
  constexpr UnixMs kAheadMax = 5 * 60'000;
  const std::string now = to_iso8601(now_ms);
  const char* todo = "set the clock (timedatectl, chrony): times of runs and schedules go by it";
  if (now_ms < kFirst) return problem("clock", "it says " + now, todo);
  if (last_ms && *last_ms > now_ms + kAheadMax) {
    return warning("clock",
                   "it says " + now + ", and the newest event of the catalogue is of " +
                       to_iso8601(*last_ms) + ": it went back, or a server replays",
                   todo);
  }
  return ok("clock", now);
}

std::vector<Finding> judge_notifications(const std::vector<notify::Undelivered>& undelivered) {
  if (undelivered.empty()) return {ok("notifications", "every receiver takes what it is sent")};
  std::vector<Finding> findings;
  for (const notify::Undelivered& one : undelivered) {
    std::string found = one.receiver + ": ";
    if (one.waiting > 0)
      found += std::to_string(one.waiting) + (one.waiting == 1 ? " waits" : " wait") +
               ", the oldest since " + to_iso8601(one.oldest_ms) + " (" +
               std::to_string(one.attempts) + (one.attempts == 1 ? " attempt" : " attempts") +
               " so far)";
    if (one.given_up > 0)
      found += (one.waiting > 0 ? "; " : "") + std::to_string(one.given_up) +
               (one.given_up == 1 ? " was" : " were") + " given up in the last 7 days";
    if (!one.last_error.empty()) found += ": " + one.last_error;
    findings.push_back(warning(
        "notifications", std::move(found),
        one.waiting > 0
            ? "see that the receiver runs and that its address is right; each is sent again, up to "
              "an hour apart, for three days, then given up"
            : "see that the receiver runs and that its address is right; what was given up is not "
              "sent again: `slipway events` has what happened"));
  }
  return findings;
}

std::vector<Finding> examine(const DoctorRequest& request, const Clock& clock) {
  return Doctor(request, clock).run();
}

}  // namespace slipway::app
