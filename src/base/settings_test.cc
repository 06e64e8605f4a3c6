#include "base/settings.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

const std::vector<Setting> kTable = {
    {"listen", "ADDR:PORT", "127.0.0.1:5000", "where to listen"},
    {"writers", "N", "4", "how many"},
    {"json", "", "", "for programs"},
};

Settings::Environment variables(std::map<std::string, std::string> given) {
  return [given](const std::string& name) -> std::optional<std::string> {
    auto at = given.find(name);
    return at == given.end() ? std::nullopt : std::optional(at->second);
  };
}

TEST(Settings, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  auto environment = variables({{"SLIPWAY_LISTEN", "e:1"}, {"SLIPWAY_WRITERS", "6"}});
  Result<Settings> all = Settings::gather(kTable, {{"listen", "f:1"}}, environment,
                                          {{"writers", "7"}, {"listen", "g:1"}});
  ASSERT_TRUE(all.ok()) << all.error().message;
  EXPECT_EQ(all->text("listen"), "f:1");
  EXPECT_EQ(*all->integer("writers"), 6);
  EXPECT_FALSE(all->on("json"));

  Result<Settings> file = Settings::gather(kTable, {}, variables({}), {{"writers", "7"}});
  EXPECT_EQ(*file->integer("writers"), 7);
  EXPECT_EQ(file->text("listen"), "127.0.0.1:5000");
}

TEST(Settings, UnknownNamesAreRefusedWithTheNearest) {
  Result<Settings> wrong = Settings::gather(kTable, {}, variables({}), {{"lisen", "x"}});
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, Code::kInvalid);
  EXPECT_NE(wrong.error().message.find("lisen"), std::string::npos);
  EXPECT_NE(wrong.error().message.find("listen"), std::string::npos) << wrong.error().message;
}

TEST(Settings, AWrongNumberSaysWhereItCameFrom) {
  Result<Settings> all = Settings::gather(kTable, {}, variables({{"SLIPWAY_WRITERS", "many"}}), {});
  ASSERT_TRUE(all.ok());
  Result<std::int64_t> writers = all->integer("writers");
  ASSERT_FALSE(writers.ok());
  EXPECT_NE(writers.error().message.find("SLIPWAY_WRITERS"), std::string::npos)
      << writers.error().message;
  EXPECT_NE(writers.error().message.find("many"), std::string::npos);
}

TEST(Settings, NamesOfFlagAndVariable) {
  Setting setting{"listen_serving", "ADDR:PORT", "", ""};
  EXPECT_EQ(setting.flag(), "--listen-serving");
  EXPECT_EQ(setting.variable(), "SLIPWAY_LISTEN_SERVING");
}

}  // namespace
}  // namespace slipway
