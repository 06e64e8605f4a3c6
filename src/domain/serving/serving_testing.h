#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "domain/serving/deployments.h"
#include "domain/serving/predictions.h"
#include "domain/serving/serving.h"
#include "io/blob/disk.h"

namespace slipway::serving {

/// A registry for tests: versions are folders with an MLmodel. Any thread.
class FolderSource final : public ModelSource {
 public:
  /// The next version of `model` is what lies in `folder`; returns its number.
  std::string add(const std::string& model, const std::filesystem::path& folder,
                  bool production = false);
  void alias(const std::string& model, const std::string& alias, const std::string& version);
  void remove(const std::string& model);
  /// Every call fails from now on, or works again.
  void break_down(bool broken);
  int looks() const;
  int reads() const;

  Result<std::vector<KnownModel>> models() override;
  Result<std::string> file(const std::string& model, const std::string& version,
                           const std::string& path, std::uint64_t bytes_max) override;

 private:
  struct State {
    std::map<std::string, KnownModel> models;
    std::map<std::string, std::filesystem::path> folders;  // by source
    int sources = 0, looks = 0, reads = 0;
    bool broken = false;
  };
  Guarded<State> state_;
};

/// Makes `folder` a model of `columns`, of which one is x: `low` where x is below 10, else `high`;
/// "NaN" is a number too.
void write_stump(const std::filesystem::path& folder, const std::string& low,
                 const std::string& high, const std::vector<std::string>& columns = {"x", "y"});

/// Deployments that log into a folder of their own, gone with them. `serving` must outlive it.
class DeployedForTest {
 public:
  explicit DeployedForTest(Serving& serving, const Clock& clock, Metrics& metrics,
                           DeploymentsOptions limits = {});
  ~DeployedForTest();
  Deployments& operator*() { return deployments_; }
  Deployments* operator->() { return &deployments_; }
  PredictionLog& log() { return log_; }

  /// Waits until it holds.
  Result<> apply(delivery::DeploymentRoute route, LogRules rules = {});
  /// What is logged of a request, shadows included.
  std::vector<Answer> logged(const PredictionId& id);

 private:
  const std::filesystem::path folder_;
  blob::Disk disk_;
  PredictionLog log_;
  Deployments deployments_;
};

/// Waits for the answer of find_later.
Result<Loaded> find_now(Serving& serving, const std::string& model, const std::string& version);

/// tests/data/scoring.
std::filesystem::path scoring_models();

}  // namespace slipway::serving
