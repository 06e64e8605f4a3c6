#include "domain/flows/flows_testing.h"

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

}  // namespace slipway::flows
