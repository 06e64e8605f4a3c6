#include <gtest/gtest.h>

#include <string_view>

#include "base/log.h"
#include "io/db/crash_testing.h"

// Instead of GoogleTest's own: the crash tests run this program once more as the one that is
// killed.
int main(int argc, char** argv) {
  slipway::set_log_level(slipway::LogLevel::kError);
  if (argc == 3 && std::string_view(argv[1]) == slipway::db::kWriteUntilKilled) {
    return slipway::db::write_until_killed(argv[2]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
