#include "domain/flows/repro.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>

#include "domain/flows/engine.h"

namespace slipway::flows {
namespace {

sigset_t interrupting_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Result<ReproResult> repro(data::Repository& repository, const ReproOptions& options,
                          const ReproServices& services) {
  return Engine(repository, options, services).run();
}

std::string ReproResult::message() const {
  if (failures.size() == 1) {
    std::string what = "failed to reproduce '" + failures[0].stage + "'";
    return failures_noted ? what : what + ": " + failures[0].reason;
  }
  if (failures.empty()) return interrupted ? "interrupted" : "";
  std::string names;
  for (const StageFailure& failure : failures) {
    names += (names.empty() ? "'" : ", '") + failure.stage + "'";
  }
  return "failed to reproduce stages: " + names;
}

std::map<std::string, std::string> tracking_variables(
    const std::map<std::string, std::string>& known, const std::string& url,
    const std::string& token, const std::string& attempt, const std::string& stage) {
  std::map<std::string, std::string> variables;
  variables["SLIPWAY_URL"] = url;
  // A server that the user chose has tokens of its own.
  if (chosen_server(known, url).empty()) {
    variables["MLFLOW_TRACKING_URI"] = url;
    if (!token.empty()) variables["MLFLOW_TRACKING_TOKEN"] = token;
  }
  // The client adds these as tags to every run that its fluent API creates; values must be texts.
  // What the user adds by the same way stays; a value that is no object the client could not use.
  wire::Json tags;
  if (auto own = known.find("MLFLOW_RUN_CONTEXT"); own != known.end()) {
    Result<wire::Json> parsed = wire::parse(own->second);
    if (parsed.ok() && parsed->is_object()) tags = std::move(*parsed);
  }
  tags.set("slipway.attempt", attempt);
  tags.set("slipway.stage", stage);
  variables["MLFLOW_RUN_CONTEXT"] = wire::dump(tags);
  return variables;
}

std::string chosen_server(const std::map<std::string, std::string>& known, const std::string& url) {
  const auto named = known.find("MLFLOW_TRACKING_URI");
  if (named == known.end()) return "";
  std::string uri = named->second;
  while (uri.ends_with('/')) uri.pop_back();
  return uri == url ? "" : uri;
}

std::map<std::string, std::string> process_variables() {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text(*entry);
    std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Result<Interrupts> Interrupts::open() {
  sigset_t set = interrupting_signals();
  Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return system_error("cannot watch for signals", errno);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return Interrupts(std::move(fd));
}

Interrupts::Interrupts(Interrupts&& other) noexcept = default;

Interrupts::~Interrupts() {
  if (!fd_) return;
  sigset_t set = interrupting_signals();
  sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

void TextObserver::note(const Note& note) {
  using Kind = Note::Kind;
  bool begins_stage = note.kind == Kind::kSkipped || note.kind == Kind::kRunning ||
                      note.kind == Kind::kRestored || note.kind == Kind::kVerifying ||
                      note.kind == Kind::kFrozen;
  if (begins_stage && has_run_) out_ << "\n";
  if (begins_stage) has_run_ = note.kind != Kind::kSkipped && note.kind != Kind::kFrozen;
  std::string stage = "'" + note.stage + "'";
  switch (note.kind) {
    case Kind::kSkipped:
      out_ << (note.is_data ? "" : "Stage ") << stage << " didn't change, skipping\n";
      break;
    case Kind::kRunning:
      out_ << (is_bold_ ? "\x1b[1m" : "") << "Running stage " << stage << ":"
           << (is_bold_ ? "\x1b[0m" : "") << "\n";
      for (const std::string& line : note.lines) out_ << line << "\n";
      break;
    case Kind::kRestored:
      out_ << "Stage " << stage << " is cached - skipping run, checking out outputs\n";
      break;
    case Kind::kVerifying:
      out_ << (note.text == "frozen" ? "Verifying outputs in frozen stage: "
                                     : "Verifying data sources in stage: ")
           << stage << "\n";
      break;
    case Kind::kFrozen:
      err_ << "WARNING: stage: " << stage
           << " is frozen. Its dependencies are not going to be reproduced.\n";
      break;
    case Kind::kFailed:
    case Kind::kLeftOut:
      err_ << "WARNING: " << note.text << "\n";
      break;
    case Kind::kLockFile:
      out_ << "Updating lock file '" << note.text << "'\n";
      break;
    case Kind::kNewLockFile:
      out_ << "Generating lock file '" << note.text << "'\nUpdating lock file '" << note.text
           << "'\n";
      break;
    case Kind::kWaiting:
      err_ << "waiting for what an earlier run left of stage " << stage << "\n";
      break;
    case Kind::kInterrupted:
      err_ << "interrupted: running stages have " << note.text
           << " seconds to end; interrupt again to kill them\n";
      break;
    case Kind::kKilled:
      err_ << "interrupted: killed " << note.text << ", with all that it had started\n";
      break;
  }
  out_.flush();
  err_.flush();
}

}  // namespace slipway::flows
