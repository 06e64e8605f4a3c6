#include "io/db/claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "io/db/connection.h"

namespace slipway::db {
namespace {

constexpr std::size_t kWhoBytesMax = 63;

Error owned(const std::string& file, const std::string& who) {
  return {Code::kConflict,
          "the catalogue " + file + " has a server already: " +
              (who.empty() ? std::string("one that does not say who it is") : who) +
              "; two would act on the same rollouts and runs. Use that one, stop it, or name "
              "another catalogue with --store",
          kClaimedTag};
}

Error held(const std::string& who) {
  return {Code::kConflict,
          (who.empty() ? std::string("another server") : who) +
              " acts on this catalogue; this server stands by, and takes over when it is gone",
          kClaimedTag};
}

class FileClaim final : public Claim {
 public:
  FileClaim(Fd lock, std::string id) : lock_(std::move(lock)), id_(std::move(id)) {}
  Result<> check() override { return {}; }
  Result<> check_in(Tx&) override { return {}; }
  Result<std::int64_t> others(Tx&) override { return std::int64_t{0}; }
  Result<bool> is_there(Tx&, const std::string& id) override { return id == id_; }

 private:
  Fd lock_;
  const std::string id_;
};

Result<std::unique_ptr<Claim>> claim_file(const std::string& database, const Claimant& claimant) {
  std::error_code failure;
  // However the file was called, by links too.
  const std::filesystem::path real = std::filesystem::weakly_canonical(database, failure);
  const std::string name = (failure ? database : real.string()) + ".owner";
  Fd lock(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return system_error("cannot open " + name, errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("cannot lock " + name, errno);
    Result<std::string> other = read_file(name, 4096);
    return owned(database, other.ok() ? std::string(trim(*other)) : "");
  }
  const std::string line = claimant.who + "\n";
  const bool said = ftruncate(lock.get(), 0) == 0 && pwrite(lock.get(), line.data(), line.size(),
                                                            0) == static_cast<ssize_t>(line.size());
  if (!said) return system_error("cannot write " + name, errno);
  return std::unique_ptr<Claim>(std::make_unique<FileClaim>(std::move(lock), claimant.id));
}

// The first number keeps clear of others' locks, that of writers included: 1936288113 is of who
// acts, 1936288114 is shared by all servers, 1936288115 says which server a session is of.
constexpr char kTryLock[] =
    "select pg_try_advisory_lock(1936288113, hashtext(current_schema()))::int";
constexpr char kHere[] =
    "select pg_advisory_lock_shared(1936288114, hashtext(current_schema()))::text || "
    "pg_advisory_lock_shared(1936288115, hashtext(current_schema() || ' ' || ?::text))::text";
constexpr char kProcess[] = "select pg_backend_pid()";
constexpr char kHolder[] =
    "select a.application_name || ' (PostgreSQL process ' || a.pid || ')' "
    "from pg_locks l join pg_stat_activity a on a.pid = l.pid "
    "where l.locktype = 'advisory' and l.granted and l.classid = 1936288113 and l.database = "
    "(select oid from pg_database where datname = current_database()) and "
    "l.objid::bigint = (hashtext(current_schema())::bigint & 4294967295)";
constexpr char kOfThisDatabase[] =
    "from pg_locks where locktype = 'advisory' and granted and "
    "database = (select oid from pg_database where datname = current_database()) and ";
const std::string kStillHeld =
    std::string("select count(*) ") + kOfThisDatabase +
    "pid = ?::int and "
    "((classid = 1936288113 and objid::bigint = (hashtext(current_schema())::bigint & 4294967295)) "
    "or (classid = 1936288115 and objid::bigint = "
    "(hashtext(current_schema() || ' ' || ?::text)::bigint & 4294967295)))";
const std::string kServers =
    std::string("select count(*) ") + kOfThisDatabase +
    "classid = 1936288114 and "
    "objid::bigint = (hashtext(current_schema())::bigint & 4294967295) and pid <> ?::int";
const std::string kIsThere = std::string("select count(*) ") + kOfThisDatabase +
                             "classid = 1936288115 and objid::bigint = "
                             "(hashtext(current_schema() || ' ' || ?::text)::bigint & 4294967295)";

class SessionClaim final : public Claim {
 public:
  SessionClaim(std::unique_ptr<Source> source, Claimant claimant)
      : source_(std::move(source)), self_(std::move(claimant)) {}

  Result<> check() override {
    constexpr std::chrono::milliseconds kGoodFor{1000}, kTakenEvery{250};
    const auto now = std::chrono::steady_clock::now();
    std::lock_guard lock(mutex_);
    const bool is_fresh = looked_ && now - *looked_ < (outcome_.ok() ? kGoodFor : kTakenEvery);
    if (is_fresh && !is_doubted_.exchange(false)) return outcome_;
    outcome_ = look();
    looked_ = std::chrono::steady_clock::now();
    return outcome_;
  }

  Result<> check_in(Tx& tx) override {
    constexpr std::int64_t kBothLocks = 2;
    // Without the mutex: whoever takes the claim waits for this very transaction to end.
    const auto locks = TRY(tx.one<std::int64_t>(kStillHeld, held_by_.load(), self_.id));
    if (locks == kBothLocks) return {};
    is_doubted_ = true;
    return unavailable(
        "the claim on the catalogue was lost: what was about to be done is left to "
        "the server that has it");
  }

  Result<std::int64_t> others(Tx& tx) override {
    return TRY(tx.one<std::int64_t>(kServers, process_.load())).value_or(0);
  }
  Result<bool> is_there(Tx& tx, const std::string& id) override {
    return TRY(tx.one<std::int64_t>(kIsThere, id)).value_or(0) > 0;
  }

 private:
  template <class Work>
  Result<> in_transaction(Connection::Access access, const Work& work) {
    TRY(connection_->begin(access));
    Result<> done = work(*connection_);
    if (!done.ok()) {
      connection_->rollback();
      return done;
    }
    return connection_->commit();
  }
  static Result<> nothing(Connection&) { return {}; }

  Result<> look() {
    // Whether the session lives is all there is to ask: its locks end with it, and never before.
    const bool lives =
        connection_ && in_transaction(Connection::Access::kRead, &SessionClaim::nothing).ok();
    if (!lives) {
      connection_.reset();
      held_by_ = 0;
      connection_ = TRY(source_->connect(Connection::Access::kWrite));
      TRY(in_transaction(Connection::Access::kRead, [this](Connection& session) -> Result<> {
        // Kept by the session, as the locks are.
        TRY(session.one<std::string>("select set_config('application_name', ?, false)", self_.who));
        TRY(session.one<std::string>(kHere, self_.id));
        process_ = TRY(session.one<std::int64_t>(kProcess)).value_or(0);
        return {};
      }));
    }
    return held_by_ != 0 ? Result<>() : take();
  }

  Result<> take() {
    TRY(in_transaction(Connection::Access::kRead, [](Connection& session) -> Result<> {
      if (TRY(session.one<std::int64_t>(kTryLock)).value_or(0) == 0) {
        return held(TRY(session.one<std::string>(kHolder)).value_or(""));
      }
      return {};
    }));
    // A writer's transaction comes after all that whoever had the claim has begun.
    Result<> waited = in_transaction(Connection::Access::kWrite, &SessionClaim::nothing);
    if (waited.ok())
      held_by_ = process_.load();
    else
      connection_.reset();
    return waited;
  }

  std::mutex mutex_;
  std::unique_ptr<Source> source_;
  const Claimant self_;
  std::unique_ptr<Connection> connection_;
  Result<> outcome_;
  std::optional<std::chrono::steady_clock::time_point> looked_;
  std::atomic<std::int64_t> process_{0};  // PostgreSQL's, of the session
  std::atomic<std::int64_t> held_by_{0};  // the same while it has the claim, else 0
  std::atomic<bool> is_doubted_{false};
};

/// A server that was killed lets go of its locks one after the other.
template <class Take>
auto take_patiently(const Take& take) {
  constexpr std::chrono::milliseconds kPause{50};
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  auto taken = take();
  while (!taken.ok() && taken.error().tag == kClaimedTag &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPause);
    taken = take();
  }
  return taken;
}

class ClaimedPool final : public Pool {
 public:
  ClaimedPool(Pool& pool, Claim& claim) : pool_(pool), claim_(claim) {}
  Engine engine() const override { return pool_.engine(); }
  Result<> health() override { return pool_.health(); }

 protected:
  Result<> read_erased(const std::function<Result<>(Tx&)>& f) override { return pool_.read(f); }
  Result<> write_erased(const std::function<Result<>(Tx&)>& f) override {
    return pool_.write([&](Tx& tx) -> Result<> {
      TRY(claim_.check_in(tx));
      return f(tx);
    });
  }
  void enqueue(UniqueFunction<Result<>(Tx&)> f, Done<> done) override {
    // What is queued there may outlive this.
    pool_.write_later(
        [claim = &claim_, f = std::move(f)](Tx& tx) mutable -> Result<> {
          TRY(claim->check_in(tx));
          return f(tx);
        },
        std::move(done));
  }

 private:
  Pool& pool_;
  Claim& claim_;
};

}  // namespace

Result<std::unique_ptr<Claim>> claim(const std::string& uri, const Claimant& claimant) {
  constexpr std::string_view kSqlite = "sqlite://";
  const Claimant self{claimant.who.substr(0, kWhoBytesMax), claimant.id};
  std::unique_ptr<Source> source = TRY(source_of(uri, {}));
  if (source->engine() == Engine::kSqlite) {
    const std::string file = uri.substr(kSqlite.size());
    return take_patiently([&] { return claim_file(file, self); });
  }
  auto session = std::make_unique<SessionClaim>(std::move(source), self);
  if (Result<> first = session->check(); !first.ok() && first.error().tag != kClaimedTag)
    return first.error();
  return std::unique_ptr<Claim>(std::move(session));
}

std::unique_ptr<Pool> under_claim(Pool& pool, Claim& claim) {
  return std::make_unique<ClaimedPool>(pool, claim);
}

}  // namespace slipway::db
