#include "domain/flows/flows_testing.h"

#include <fcntl.h>

#include "base/file.h"
#include "domain/flows/record.h"

namespace slipway::flows {

Steps FlowsTest::load(const std::string& from) {
  Result<Steps> steps = Steps::load(repository(), from.empty() ? root_ : at(from));
  EXPECT_TRUE(steps.ok()) << steps.error().message;
  return steps.ok() ? std::move(*steps) : Steps();
}

Step FlowsTest::step(const std::string& name) {
  Steps steps = load();
  for (Step& one : steps.all()) {
    if (one.name == name) return one;
  }
  ADD_FAILURE() << "no step is called " << name;
  return {};
}

Differences FlowsTest::differences_of(const std::string& name, Asked asked) {
  ParamsFiles params;
  Result<Differences> found = differences(repository(), step(name), params, root_, asked);
  EXPECT_TRUE(found.ok()) << found.error().message;
  return found.ok() ? std::move(*found) : Differences();
}

void FlowsTest::record(const std::string& name) {
  Step one = step(name);
  ParamsFiles params;
  Result<data::LockedStage> locked = inputs_now(repository(), one, params, root_);
  ASSERT_TRUE(locked.ok()) << locked.error().message;
  Result<> saved = save_outs(repository(), one, *locked, {}, root_);
  ASSERT_TRUE(saved.ok()) << saved.error().message;
  data::LockFile file = *data::LockFile::read(lock_path_of(one.file));
  file.set(one.stage.name, std::move(*locked));
  ASSERT_TRUE(file.write(repository().scratch()).ok());
}

std::string FlowsTest::text_of(const Differences& found) {
  std::string text;
  auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  for (const auto& [path, state] : found.deps) add("dep " + path + " " + to_string(state));
  for (const auto& [file, states] : found.params) {
    for (const auto& [key, state] : states)
      add("param " + file + ":" + key + " " + to_string(state));
  }
  for (const auto& [path, state] : found.outs) add("out " + path + " " + to_string(state));
  if (found.command) add("command");
  if (found.always) add("always");
  return text;
}

void KeptFacts::forget() {
  starts.clear();
  ends.clear();
  restores.clear();
  order.clear();
}

Result<> KeptFacts::keep(const std::string& entry) {
  if (entry == refused) return unavailable("cannot keep " + entry);
  order.push_back(entry);
  return {};
}

Result<> KeptFacts::started(const AttemptStarted& fact) {
  TRY(keep("started " + fact.inputs.stage));
  starts.push_back(fact);
  return {};
}

Result<> KeptFacts::ended(const AttemptEnded& fact) {
  TRY(keep("ended " + fact.stage));
  ends.push_back(fact);
  return {};
}

Result<> KeptFacts::restored(const StageRestored& fact) {
  TRY(keep("restored " + fact.inputs.stage));
  restores.push_back(fact);
  return {};
}

Result<> KeptFacts::flush() {
  if (on_flush) on_flush();
  return keep("flush");
}

ReproTest::ReproTest()
    : variables_({{"PATH", "/usr/bin:/bin"}}),
      spawner_(std::move(*proc::Spawner::start())),
      nowhere_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {}

ReproTest::~ReproTest() = default;

Result<ReproResult> ReproTest::run(ReproOptions options) {
  notes_.notes.clear();
  return run(std::move(options), notes_);
}

Result<ReproResult> ReproTest::run(ReproOptions options, Observer& observer) {
  if (options.from.empty()) options.from = root_;
  if (options.output == ReproOptions().output) options.output = nowhere_.get();
  if (options.error == ReproOptions().error) options.error = nowhere_.get();
  facts_.forget();
  ReproServices services{spawner_, clock_, facts_, observer, tracking_, variables_};
  return repro(repository(), options, services);
}

std::vector<std::string> ReproTest::ran(ReproOptions options) {
  Result<ReproResult> result = run(std::move(options));
  EXPECT_TRUE(result.ok()) << result.error().message;
  if (!result.ok()) return {};
  EXPECT_TRUE(result->ok()) << result->message();
  return result->ran;
}

}  // namespace slipway::flows
