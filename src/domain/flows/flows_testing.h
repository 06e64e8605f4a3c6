#pragma once

#include <string>

#include "domain/data/data_testing.h"
#include "domain/flows/changes.h"
#include "domain/flows/steps.h"

// For tests of stages on a real project.
namespace slipway::flows {

class FlowsTest : public data::ProjectTest {
 protected:
  /// As seen from the root, or from a folder below it.
  Steps load(const std::string& from = "");
  /// The step of that name.
  Step step(const std::string& name);
  Differences differences_of(const std::string& name, Asked asked = {});
  /// Records a stage as it is in the workspace now, outputs in the cache.
  void record(const std::string& name);
  /// "owner: dep x modified, param params.yaml:lr new, out y deleted, command, always" without what
  /// is empty.
  static std::string text_of(const Differences& found);
};

}  // namespace slipway::flows
