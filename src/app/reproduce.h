#pragma once

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "app/app.h"
#include "app/facts.h"
#include "app/golden_helper.h"
#include "app/outbox.h"
#include "base/file.h"
#include "domain/flows/repro.h"

namespace slipway::app {

/// What a `repro` records, and where the commands' tracking clients are sent. Facts go into an
/// outbox in the state folder, and from there to the process that owns it, or, when there is none,
/// into the catalogue of this process, which then serves the tracking API on a free loopback port
/// as long as it lives. An owner that dies meanwhile is followed by this process, at the same
/// address where possible; one that does not answer is asked again later, and what it never takes
/// waits for the next owner. Nothing is opened before there is a fact to record. One thread.
/// For a run that a server started this process never becomes the owner: the server comes back.
class RunRecorder final : public flows::FactSink, public flows::Tracking {
 public:
  enum class Role { kOwnsIfNobodyDoes, kFollows };
  /// `err`: for what a user has to know; with `greets` also where the tracking API is.
  RunRecorder(std::filesystem::path state, std::ostream& err, bool greets,
              Role role = Role::kOwnsIfNobodyDoes)
      : state_path_(std::move(state)), err_(err), greets_(greets), role_(role) {}
  /// Hands over what waits, and says what does not go.
  ~RunRecorder() override;

  Result<> started(const flows::AttemptStarted& fact) override {
    return keep(flows::to_json(fact));
  }
  Result<> ended(const flows::AttemptEnded& fact) override { return keep(flows::to_json(fact)); }
  Result<> restored(const flows::StageRestored& fact) override {
    return keep(flows::to_json(fact));
  }
  Result<> flush() override;
  void hand_over() override;

  Result<std::string> url() override;
  bool is_gone(const std::string& uri) override;
  Result<std::string> token(const std::string& attempt) override;
  std::string_view golden_helper() const override { return app::golden_helper(); }

 private:
  using Time = std::chrono::steady_clock::time_point;

  Result<> keep(wire::Json fact);
  bool is_attached() const { return own_ != nullptr || !owner_.url.empty(); }
  Result<> attach();
  Result<> own(std::unique_ptr<App> app);
  Result<> serve_in_place_of(const Owner& gone);
  bool owner_is_gone() const;
  Result<bool> try_own();
  bool follow_announced(const std::optional<Owner>& owner);
  Result<bool> follow_another(const Owner& gone);
  void follow(Owner owner);
  Result<bool> find_new_owner();
  Result<> deliver(std::chrono::milliseconds timeout);
  Result<> deliver_once(std::chrono::milliseconds timeout);
  TakeFacts taker(std::chrono::milliseconds timeout);

  std::filesystem::path state_path_;
  std::ostream& err_;
  bool greets_ = false;
  const Role role_;
  std::optional<Outbox> outbox_;
  std::unique_ptr<App> own_;  // nobody else owned the state folder
  bool serves_ = false;
  Owner owner_;    // else
  Fd owner_life_;  // readable when that process is gone; none when it can't be watched
  std::string secret_;
  bool left_delivered_ = false;  // what others left
  std::string told_gone_;        // a server of the user's, of which that was said
  Time not_before_{};            // after an owner that did not answer
  std::chrono::milliseconds pause_{0};
};

}  // namespace slipway::app
