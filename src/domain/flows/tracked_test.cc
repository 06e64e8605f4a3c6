#include "domain/flows/tracked.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

class Tracked : public FlowsTest {
 protected:
  Tracked() {
    write("dvc.yaml", "stages:\n  t:\n    cmd: make\n    deps: [raw/x]\n    outs: [o]\n");
    write("raw/x", "x\n");
    write("o", "o\n");
    write("h.txt", "h\n");
    write("h.txt.dvc",
          "outs:\n- md5: " + md5_hex("h\n") + "\n  size: 2\n  hash: md5\n  path: h.txt\n");
    record("t");
  }
  std::string at_path(const std::string& path) { return text(tracked_at(load(), root_, at(path))); }
  std::string as_content(const std::string& content) {
    return text(tracked_as(load(), root_, md5_hex(content)));
  }

 private:
  static std::string text(const std::optional<TrackedData>& found) {
    return found ? found->path + " " + found->version.md5 + " by " + found->by : "nothing";
  }
};

TEST_F(Tracked, APathIsFoundAsOutputOrDependency) {
  EXPECT_EQ(at_path("h.txt"), "h.txt " + md5_hex("h\n") + " by h.txt.dvc");
  EXPECT_EQ(at_path("o"), "o " + md5_hex("o\n") + " by dvc.lock");
  EXPECT_EQ(at_path("raw/../raw/x"), "raw/x " + md5_hex("x\n") + " by dvc.lock");
  EXPECT_EQ(at_path("raw"), "nothing");
  EXPECT_EQ(at_path("dvc.yaml"), "nothing");
}

TEST_F(Tracked, AContentIsFoundByItsDigest) {
  EXPECT_EQ(as_content("h\n"), "h.txt " + md5_hex("h\n") + " by h.txt.dvc");
  EXPECT_EQ(as_content("other"), "nothing");
}

}  // namespace
}  // namespace slipway::flows
