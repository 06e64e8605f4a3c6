#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/app.h"
#include "app/facts.h"
#include "domain/flows/repro.h"

namespace slipway::app {

/// What a `repro` records, and where the commands' tracking clients are sent: to the process that
/// owns the state folder, or, when there is none, to a server of its own on a free loopback port
/// that lives as long as the run. Nothing is opened before there is a fact to record. One thread.
class RunRecorder final : public flows::FactSink, public flows::Tracking {
 public:
  explicit RunRecorder(std::filesystem::path state) : state_path_(std::move(state)) {}

  Result<> started(const flows::AttemptStarted& fact) override;
  Result<> ended(const flows::AttemptEnded& fact) override;
  Result<> restored(const flows::StageRestored& fact) override;
  Result<> flush() override;

  Result<std::string> url() override;
  Result<std::string> token(const std::string& attempt) override;

 private:
  Result<> attach();
  Result<bool> attach_to_owner(const StateFolder& state);

  std::filesystem::path state_path_;
  flows::FactSink* sink_ = nullptr;  // once attached
  std::unique_ptr<App> own_;         // nobody else owned the state folder
  bool serves_ = false;
  std::unique_ptr<RemoteFacts> remote_;
  std::string owner_url_, secret_;
};

}  // namespace slipway::app
