#include "app/reproduce.h"

#include <chrono>
#include <thread>

namespace slipway::app {
namespace {

// An owner that has just started holds the lock a moment before it can say where it answers.
constexpr int kAnnounceTries = 200;
constexpr std::chrono::milliseconds kAnnouncePause{50};

}  // namespace

Result<bool> RunRecorder::attach_to_owner(const StateFolder& state) {
  std::optional<Owner> owner = TRY(announced_owner(state));
  if (!owner) return false;
  secret_ = TRY(state.secret());
  owner_url_ = owner->url;
  remote_ = std::make_unique<RemoteFacts>(owner_url_, secret_);
  sink_ = remote_.get();
  return true;
}

Result<> RunRecorder::attach() {
  if (sink_ != nullptr) return {};
  StateFolder state = TRY(StateFolder::open(state_path_));
  for (int i = 0; i < kAnnounceTries; ++i) {
    AppOptions options;
    options.state = state_path_;
    options.command = "slipway repro";
    Result<std::unique_ptr<App>> own = App::open(options);
    if (own.ok()) {
      own_ = std::move(*own);
      secret_ = own_->secret();
      sink_ = &own_->facts();
      return {};
    }
    if (own.error().tag != "owned") return own.error();
    if (TRY(attach_to_owner(state))) return {};
    std::this_thread::sleep_for(kAnnouncePause);
  }
  return unavailable("another process owns " + state_path_.string() +
                     " but does not say where it answers");
}

Result<> RunRecorder::started(const flows::AttemptStarted& fact) {
  TRY(attach());
  return sink_->started(fact);
}

Result<> RunRecorder::ended(const flows::AttemptEnded& fact) {
  TRY(attach());
  return sink_->ended(fact);
}

Result<> RunRecorder::restored(const flows::StageRestored& fact) {
  TRY(attach());
  return sink_->restored(fact);
}

Result<> RunRecorder::flush() {
  return sink_ == nullptr ? Result<>() : sink_->flush();
}

Result<std::string> RunRecorder::url() {
  TRY(attach());
  if (own_ == nullptr) return owner_url_;
  if (!serves_) {
    TRY(own_->start());
    serves_ = true;
  }
  return own_->url();
}

Result<std::string> RunRecorder::token(const std::string& attempt) {
  TRY(attach());
  return attempt_token(secret_, attempt);
}

}  // namespace slipway::app
