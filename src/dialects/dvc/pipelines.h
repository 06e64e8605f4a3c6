#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "dialects/dvc/dvc.h"
#include "domain/flows/commands.h"

namespace slipway::dvc {

/// Stages for run_dvc(), by domain/flows: DVC's words and exit codes of `repro`, `status`,
/// `commit`.
class FlowPipelines final : public Pipelines {
 public:
  /// Both borrowed.
  FlowPipelines(const std::filesystem::path& from, const flows::CommandContext& context)
      : from_(from), context_(context) {}

  Result<std::vector<StageStatus>> status(const std::vector<std::string>& targets) override;
  Result<> commit(const std::vector<std::string>& targets, bool force, bool relink) override;
  int repro(const std::vector<std::string>& arguments, std::ostream& out,
            std::ostream& err) override;

 private:
  const std::filesystem::path& from_;
  const flows::CommandContext& context_;
};

}  // namespace slipway::dvc
