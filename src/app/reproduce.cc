#include "app/reproduce.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>
#include <thread>

#include "app/listeners.h"
#include "app/owner.h"

namespace slipway::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// While commands run, for an owner that has stopped answering: it holds up what follows them.
constexpr milliseconds kPatience{3000};
constexpr milliseconds kLastPatience{5000};
constexpr milliseconds kPauseMin{5000}, kPauseMax{60'000};

AppOptions own_options(const std::filesystem::path& state) {
  AppOptions options;
  options.state = state;
  options.command = "slipway repro";
  return options;
}

/// Nothing for any other than "http://HOST:PORT", with a path or without.
std::optional<Address> address_of(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  Result<Address> address = parse_address(url.substr(0, url.find('/')));
  if (!address.ok()) return std::nullopt;
  return std::move(*address);
}

/// Of one that follows `gone`.
AppOptions options_after(const std::filesystem::path& state, const Owner& gone) {
  AppOptions options = own_options(state);
  options.store = gone.store;
  options.artifacts = gone.artifacts;
  const std::optional<Address> address = address_of(gone.url);
  if (address && is_loopback(address->host)) options.listen = *address;
  return options;
}

}  // namespace

RunRecorder::~RunRecorder() {
  if (!outbox_ && !has_outboxes(state_path_)) return;
  std::size_t waiting = outbox_ ? outbox_->waiting() : 0;
  Result<> delivered = waiting > 0 || !left_delivered_ ? deliver(kLastPatience) : Result<>();
  if (outbox_) outbox_->close();
  if (delivered.ok()) return;
  err_ << "slipway: what this run did is recorded in " << (state_path_ / "outbox").string()
       << " and waits there for the next `slipway up` or `slipway repro`: "
       << delivered.error().message << std::endl;
}

Result<> RunRecorder::keep(wire::Json fact) {
  if (!outbox_) outbox_.emplace(TRY(Outbox::create(TRY(StateFolder::open(state_path_)))));
  return outbox_->put(std::move(fact));
}

Result<> RunRecorder::flush() {
  return outbox_ ? outbox_->sync() : Result<>();
}

void RunRecorder::hand_over() {
  bool is_gone = owner_is_gone();
  bool is_due = outbox_ && outbox_->waiting() > 0 && steady_clock::now() >= not_before_;
  if (!is_gone && !is_due) return;
  Result<> delivered =
      is_gone ? find_new_owner().ok() ? deliver_once(kPatience) : Result<>() : deliver(kPatience);
  pause_ = delivered.ok() ? milliseconds(0) : std::clamp(pause_ * 2, kPauseMin, kPauseMax);
  not_before_ = steady_clock::now() + pause_;
}

TakeFacts RunRecorder::taker(milliseconds timeout) {
  return [this, timeout](const std::string& outbox, std::int64_t first,
                         const wire::Json::Array& facts) {
    return own_ != nullptr ? take_facts(own_->pool(), own_->clock(), outbox, first, facts)
                           : send_facts({owner_.url, secret_, timeout}, outbox, first, facts);
  };
}

/// To whoever is attached; what others left goes first.
Result<> RunRecorder::deliver_once(milliseconds timeout) {
  if (!left_delivered_) TRY(deliver_left(state_path_, taker(timeout)));
  left_delivered_ = true;
  return outbox_ ? outbox_->deliver(taker(timeout)) : Result<>();
}

Result<> RunRecorder::deliver(milliseconds timeout) {
  TRY(attach());
  Result<> delivered = deliver_once(timeout);
  if (delivered.ok() || own_ != nullptr) return delivered;
  if (!TRY(find_new_owner())) return delivered;
  return deliver_once(timeout);
}

Result<> RunRecorder::own(std::unique_ptr<App> app) {
  own_ = std::move(app);
  owner_ = Owner();
  owner_life_ = Fd();
  secret_ = own_->secret();
  left_delivered_ = true;  // by opening it
  return {};
}

void RunRecorder::follow(Owner owner) {
  owner_ = std::move(owner);
  owner_life_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, owner_.pid, 0)));
}

bool RunRecorder::owner_is_gone() const {
  if (!owner_life_) return false;
  pollfd waited{owner_life_.get(), POLLIN, 0};
  return poll(&waited, 1, 0) > 0;
}

/// Of an owner that may be gone: becomes the owner itself, or finds the one that follows. False
/// when it is still the same.
Result<bool> RunRecorder::find_new_owner() {
  Owner gone = owner_;
  if (role_ == Role::kFollows) return follow_another(gone);
  Result<std::unique_ptr<App>> app = App::open(options_after(state_path_, gone));
  if (app.ok()) {
    TRY(own(std::move(*app)));
    TRY(serve_in_place_of(gone));
    err_ << "slipway: " << (gone.what.empty() ? "the server" : "`" + gone.what + "`") << " at "
         << gone.url << " is gone; this run goes on and records by itself, at " << own_->url()
         << " while it lasts" << std::endl;
    return true;
  }
  if (app.error().tag != "owned") return app.error();
  return follow_another(gone);
}

Result<bool> RunRecorder::follow_another(const Owner& gone) {
  StateFolder state = TRY(StateFolder::open(state_path_));
  std::optional<Owner> now = TRY(announced_owner(state));
  if (!now || (now->url == gone.url && now->pid == gone.pid)) return false;
  follow(std::move(*now));
  return true;
}

/// At the address that running commands know; when that can't be had, at another one.
Result<> RunRecorder::serve_in_place_of(const Owner& gone) {
  serves_ = own_->start().ok();
  if (serves_) return {};
  own_.reset();  // the lock goes with it, and somebody may be faster
  AppOptions options = options_after(state_path_, gone);
  options.listen = Address();
  own_ = TRY(App::open(options));
  TRY(own_->start());
  serves_ = true;
  return {};
}

/// False when somebody else does.
Result<bool> RunRecorder::try_own() {
  if (role_ == Role::kFollows) return false;
  Result<std::unique_ptr<App>> app = App::open(own_options(state_path_));
  if (app.ok()) {
    TRY(own(std::move(*app)));
    return true;
  }
  if (app.error().tag == "owned") return false;
  return app.error();
}

/// Who announced itself and was killed is nobody to wait for; the lock tells that to those who may
/// take it, the process id to the others.
bool RunRecorder::follow_announced(const std::optional<Owner>& owner) {
  if (!owner) return false;
  follow(*owner);
  const bool lives = role_ == Role::kOwnsIfNobodyDoes || (owner_life_ && !owner_is_gone());
  if (!lives) owner_ = Owner();
  return lives;
}

Result<> RunRecorder::attach() {
  if (is_attached()) return {};
  StateFolder state = TRY(StateFolder::open(state_path_));
  for (int i = 0; i < kAnnounceTries; ++i) {
    if (TRY(try_own())) return {};
    if (follow_announced(TRY(announced_owner(state)))) {
      secret_ = TRY(state.secret());
      return {};
    }
    std::this_thread::sleep_for(kAnnouncePause);
  }
  return unavailable("another process owns " + state_path_.string() +
                     " but does not say where it answers");
}

Result<std::string> RunRecorder::url() {
  TRY(attach());
  if (owner_is_gone()) TRY(find_new_owner());
  if (own_ == nullptr) return owner_.url;
  if (!serves_) {
    TRY(own_->start());
    serves_ = true;
    if (greets_) {
      err_ << "slipway: the tracking API is at " << own_->url()
           << " until this run ends; `slipway up` shows its runs afterwards" << std::endl;
    }
  }
  return own_->url();
}

/// Only of this machine: a server elsewhere that does not answer may be back in a moment.
bool RunRecorder::is_gone(const std::string& uri) {
  const std::optional<Address> address = address_of(uri);
  if (!address || !nobody_listens(*address)) return false;
  if (told_gone_ != uri) {
    told_gone_ = uri;
    err_ << "slipway: MLFLOW_TRACKING_URI is " << uri
         << ", where nobody answers: commands of this run track at "
         << (own_ != nullptr ? own_->url() : owner_.url) << " instead" << std::endl;
  }
  return true;
}

Result<std::string> RunRecorder::token(const std::string& attempt) {
  TRY(attach());
  return attempt_token(secret_, attempt);
}

}  // namespace slipway::app
