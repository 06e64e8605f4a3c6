#include "dialects/dvc/pipelines.h"

#include <ostream>

#include "domain/data/commands.h"
#include "domain/flows/stages.h"

namespace slipway::dvc {
namespace {

constexpr int kOk = 0, kUsage = 254, kFailed = 255;

StageStatus::States to_states(const flows::Differences::States& states) {
  StageStatus::States result;
  for (const auto& [path, state] : states) result.emplace_back(path, data::to_string(state));
  return result;
}

StageStatus to_status(const flows::StageStatus& stage) {
  StageStatus status;
  status.owner = stage.owner;
  status.deps = to_states(stage.found.deps);
  for (const auto& [file, states] : stage.found.params) {
    status.params.emplace_back(file, to_states(states));
  }
  status.outs = to_states(stage.found.outs);
  status.changed_command = stage.found.command;
  status.always_changed = stage.found.always;
  return status;
}

class SilentObserver final : public flows::Observer {
 public:
  void note(const flows::Note&) override {}
};

void hint_git_add(std::ostream& out, const flows::ReproResult& result,
                  const std::filesystem::path& from) {
  if (result.files.empty() || result.staged) return;
  out << "\nTo track the changes with git, run:\n\n\tgit add";
  for (const std::filesystem::path& file : result.files) out << " " << data::shown(file, from);
  out << "\n\nTo enable auto staging, run:\n\n\tdvc config core.autostage true\n";
}

}  // namespace

Result<std::vector<StageStatus>> FlowPipelines::status(const std::vector<std::string>& targets) {
  data::Repository repository = TRY(data::Repository::open(from_));
  std::vector<StageStatus> all;
  for (const flows::StageStatus& stage : TRY(flows::status(repository, targets, from_))) {
    all.push_back(to_status(stage));
  }
  return all;
}

Result<> FlowPipelines::commit(const std::vector<std::string>& targets, bool force, bool relink) {
  data::Repository repository = TRY(data::Repository::open(from_));
  TRY(flows::commit(repository, flows::StageCommit{targets, from_, force, relink}));
  return {};
}

int FlowPipelines::repro(const std::vector<std::string>& arguments, std::ostream& out,
                         std::ostream& err) {
  Result<flows::ParsedRepro> parsed = flows::parse_repro(arguments, from_);
  if (!parsed.ok()) {
    err << "ERROR: " << parsed.error().message << "\n";
    return parsed.error().tag == "usage" ? kUsage : kFailed;
  }
  parsed->options.command_line.replace(0, std::string("slipway").size(), "dvc");
  parsed->options.signals_as_codes = true;
  flows::TextObserver talking(out, err);
  SilentObserver silent;
  flows::Observer& observer = parsed->quiet ? static_cast<flows::Observer&>(silent) : talking;
  Result<flows::ReproResult> result = flows::repro_here(parsed->options, context_, observer);
  if (!result.ok()) {
    err << "ERROR: " << message_of(result.error()) << "\n";
    return exit_code(result.error());
  }
  if (!parsed->quiet) hint_git_add(out, *result, from_);
  if (!result->ok()) {
    err << "ERROR: " << result->message() << "\n";
    return kFailed;
  }
  if (parsed->quiet) return kOk;
  out << (result->ran.empty() ? "Data and pipelines are up to date.\n"
                              : "Use `dvc push` to send your updates to remote storage.\n");
  return kOk;
}

}  // namespace slipway::dvc
