#include "io/db/claim.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

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
constexpr char kTag[] = "claimed";

Error owned(const std::string& what, const std::string& who) {
  return {Code::kConflict,
          "the catalogue " + what + " has a server already: " +
              (who.empty() ? std::string("one that does not say who it is") : who) +
              "; two would act on the same rollouts and runs. Use that one, stop it, or name "
              "another catalogue with --store",
          kTag};
}

class FileClaim final : public Claim {
 public:
  explicit FileClaim(Fd lock) : lock_(std::move(lock)) {}
  Result<> check() override { return {}; }

 private:
  Fd lock_;
};

Result<std::unique_ptr<Claim>> claim_file(const std::string& database, const std::string& who) {
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
  const std::string line = who + "\n";
  const bool said = ftruncate(lock.get(), 0) == 0 && pwrite(lock.get(), line.data(), line.size(),
                                                            0) == static_cast<ssize_t>(line.size());
  if (!said) return system_error("cannot write " + name, errno);
  return std::unique_ptr<Claim>(std::make_unique<FileClaim>(std::move(lock)));
}

// The first number keeps clear of others' locks, that of writers included.
constexpr char kTryLock[] =
    "select pg_try_advisory_lock(1936288113, hashtext(current_schema()))::int";
constexpr char kHolder[] =
    "select a.application_name || ' (PostgreSQL process ' || a.pid || ')' "
    "from pg_locks l join pg_stat_activity a on a.pid = l.pid "
    "where l.locktype = 'advisory' and l.granted and l.classid = 1936288113 and l.database = "
    "(select oid from pg_database where datname = current_database()) and "
    "l.objid::bigint = (hashtext(current_schema())::bigint & 4294967295)";

class SessionClaim final : public Claim {
 public:
  SessionClaim(std::unique_ptr<Source> source, std::string who)
      : source_(std::move(source)), who_(std::move(who)) {}

  Result<> check() override {
    constexpr std::chrono::seconds kGoodFor{1};
    const auto now = std::chrono::steady_clock::now();
    std::lock_guard lock(mutex_);
    if (connection_ && checked_ && now - *checked_ < kGoodFor) return {};
    checked_.reset();
    if (connection_ && in_transaction([](Connection&) -> Result<> { return {}; }).ok()) {
      checked_ = now;
      return {};
    }
    connection_.reset();
    return take();
  }

 private:
  template <class Work>
  Result<> in_transaction(const Work& work) {
    TRY(connection_->begin(Connection::Access::kRead));
    Result<> done = work(*connection_);
    if (!done.ok()) {
      connection_->rollback();
      return done;
    }
    return connection_->commit();
  }
  Result<> take() {
    connection_ = TRY(source_->connect(Connection::Access::kRead));
    Result<> taken = in_transaction([this](Connection& session) -> Result<> {
      if (TRY(session.one<std::int64_t>(kTryLock)).value_or(0) == 0) {
        return owned("in PostgreSQL", TRY(session.one<std::string>(kHolder)).value_or(""));
      }
      // Kept by the session, as the lock is.
      TRY(session.one<std::string>("select set_config('application_name', ?, false)", who_));
      return {};
    });
    if (!taken.ok()) connection_.reset();
    return taken;
  }

  std::mutex mutex_;
  std::unique_ptr<Source> source_;
  const std::string who_;
  std::unique_ptr<Connection> connection_;
  std::optional<std::chrono::steady_clock::time_point> checked_;
};

/// A server that was killed lets go of its locks one after the other, and PostgreSQL may not know
/// at once.
template <class Take>
auto take_patiently(const Take& take) {
  constexpr std::chrono::milliseconds kPause{50};
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  auto taken = take();
  while (!taken.ok() && taken.error().tag == kTag && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kPause);
    taken = take();
  }
  return taken;
}

}  // namespace

Result<std::unique_ptr<Claim>> claim(const std::string& uri, const std::string& who) {
  constexpr std::string_view kSqlite = "sqlite://";
  const std::string shown = who.substr(0, kWhoBytesMax);
  std::unique_ptr<Source> source = TRY(source_of(uri, {}));
  if (source->engine() == Engine::kSqlite) {
    const std::string file = uri.substr(kSqlite.size());
    return take_patiently([&] { return claim_file(file, shown); });
  }
  auto session = std::make_unique<SessionClaim>(std::move(source), shown);
  TRY(take_patiently([&] { return session->check(); }));
  return std::unique_ptr<Claim>(std::move(session));
}

}  // namespace slipway::db
