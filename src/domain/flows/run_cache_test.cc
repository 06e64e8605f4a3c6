#include "domain/flows/run_cache.h"

#include <gtest/gtest.h>

#include <functional>

#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

constexpr char kPipeline[] =
    "stages:\n  t:\n    cmd: make\n    deps: [x]\n    params: [lr]\n    outs: [y, z]\n";

class Rememberable : public FlowsTest {
 protected:
  bool is(const std::function<void(Step&)>& change) {
    write("dvc.yaml", kPipeline);
    Step one = step("t");
    change(one);
    return is_rememberable(one, root_);
  }
};

TEST_F(Rememberable, AreStagesWithACommandInputsAndOutputs) {
  EXPECT_TRUE(is([](Step&) {}));
  EXPECT_TRUE(is([](Step& one) { one.deps.clear(); }));  // params are inputs, too
  EXPECT_TRUE(is([](Step& one) { one.params.clear(); }));
  EXPECT_TRUE(is([](Step& one) { one.frozen = true; }));
  EXPECT_TRUE(is([](Step& one) { one.outs[0].cache = false; }));
}

TEST_F(Rememberable, AreNotThoseThatRunAnywayOrLackAPart) {
  EXPECT_FALSE(is([](Step& one) { one.always_changed = true; }));
  EXPECT_FALSE(is([](Step& one) { one.is_data = true; }));
  EXPECT_FALSE(is([](Step& one) { one.stage.commands.clear(); }));
  EXPECT_FALSE(is([](Step& one) { one.outs.clear(); }));
  EXPECT_FALSE(is([](Step& one) {
    one.deps.clear();
    one.params.clear();
  }));
  EXPECT_FALSE(is([](Step& one) {
    one.deps.clear();
    one.params.clear();
    one.outs.clear();
  }));
}

TEST_F(Rememberable, AreNotThoseWhoseOutputsOutliveARunOrLieOutside) {
  EXPECT_FALSE(is([](Step& one) { one.outs[1].persist = true; }));
  EXPECT_FALSE(is([](Step& one) { one.outs[1].absolute = "/elsewhere/z"; }));
  EXPECT_FALSE(is([this](Step& one) { one.outs[1].absolute = root_.string() + "2/z"; }));
  EXPECT_FALSE(is([this](Step& one) { one.outs[1].absolute = root_; }));
}

}  // namespace
}  // namespace slipway::flows
