#pragma once

#include <functional>
#include <string>
#include <vector>

#include "domain/data/data_testing.h"
#include "domain/flows/changes.h"
#include "domain/flows/repro.h"
#include "domain/flows/steps.h"
#include "io/proc/proc.h"

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

/// Keeps the facts, and in which order they and flushes came.
struct KeptFacts final : FactSink {
  std::vector<AttemptStarted> starts;
  std::vector<AttemptEnded> ends;
  std::vector<StageRestored> restores;
  std::vector<std::string> order;  // "started a", "ended a", "restored a", "flush"
  std::string refused;             // the entry of `order` that ends in "cannot keep ENTRY"
  std::function<void()> on_flush;  // called before it is done

  void forget();
  Result<> started(const AttemptStarted& fact) override;
  Result<> ended(const AttemptEnded& fact) override;
  Result<> restored(const StageRestored& fact) override;
  Result<> flush() override;

 private:
  Result<> keep(const std::string& entry);
};

struct KeptNotes final : Observer {
  std::vector<Note> notes;
  void note(const Note& one) override { notes.push_back(one); }
};

/// Runs stages for real; what they print is thrown away unless the options say where to.
class ReproTest : public FlowsTest {
 protected:
  ReproTest();
  ~ReproTest() override;
  /// Facts and notes of earlier runs are forgotten.
  Result<ReproResult> run(ReproOptions options = {});
  Result<ReproResult> run(ReproOptions options, Observer& observer);
  /// Must succeed; the names of stages that ran.
  std::vector<std::string> ran(ReproOptions options = {});

  KeptFacts facts_;
  KeptNotes notes_;
  FakeClock clock_;
  Tracking* tracking_ = nullptr;
  std::map<std::string, std::string> variables_;
  proc::Spawner spawner_;

 private:
  Fd nowhere_;
};

}  // namespace slipway::flows
