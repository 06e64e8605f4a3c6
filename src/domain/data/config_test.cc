#include "domain/data/config.h"

#include <gtest/gtest.h>

#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

using Links = std::vector<LinkType>;

class ConfigTest : public ProjectTest {
 protected:
  Result<Config> config(const std::string& text) {
    write(".dvc/config", text);
    return read_config(root_ / ".dvc");
  }
};

TEST_F(ConfigTest, DefaultsAreDvcs) {
  Result<Config> read = config("");
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->cache_folder, root_ / ".dvc" / "cache");
  EXPECT_EQ(read->links, (Links{LinkType::kReflink, LinkType::kCopy}));
  EXPECT_FALSE(read->shared_cache || read->no_scm || read->autostage);
  EXPECT_TRUE(read->remotes.empty());
}

TEST_F(ConfigTest, ReadsWhatDvcWrites) {
  Result<Config> read = config(
      "[core]\n    remote = myr\n    autostage = true\n    no_scm = True\n"
      "[cache]\n    type = \"reflink,hardlink, symlink,copy\"\n    shared = group\n    dir = "
      "../../store\n"
      "['remote \"myr\"']\n    url = s3://bucket/path\n[remote \"Two\"]\n    url = /x\n");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->default_remote, "myr");
  EXPECT_TRUE(read->autostage && read->no_scm && read->shared_cache);
  EXPECT_EQ(read->links,
            (Links{LinkType::kReflink, LinkType::kHardlink, LinkType::kSymlink, LinkType::kCopy}));
  EXPECT_EQ(read->cache_folder, root_.parent_path() / "store");  // relative to .dvc
  EXPECT_EQ(read->remotes, (std::vector<std::string>{"Two", "myr"}));
}

TEST_F(ConfigTest, LaterFilesWin) {
  write(".dvc/config.local", "[cache]\n    dir = /local\n");
  Result<Config> read = config("[cache]\n    dir = /project\n    type = copy\n");
  EXPECT_EQ(read->cache_folder, "/local");
  EXPECT_EQ(read->links, Links{LinkType::kCopy});
}

TEST_F(ConfigTest, SystemAndGlobalFilesComeFirst) {
  write("system/config", "[cache]\n    dir = /system\n    type = copy\n");
  write("global/config", "[cache]\n    dir = /global\n[core]\n    autostage = true\n");
  setenv("DVC_SYSTEM_CONFIG_DIR", at("system").c_str(), 1);
  setenv("DVC_GLOBAL_CONFIG_DIR", at("global").c_str(), 1);
  Result<Config> read = config("[core]\n    autostage = false\n");
  EXPECT_EQ(read->cache_folder, "/global");
  EXPECT_EQ(read->links, Links{LinkType::kCopy});
  EXPECT_FALSE(read->autostage);
}

TEST_F(ConfigTest, TruthHasManySpellings) {
  for (const char* word : {"true", "True", "TRUE", "yes", "on", "1"}) {
    Result<Config> read = config(std::string("[core]\nautostage = ") + word + "\n");
    ASSERT_TRUE(read.ok()) << word;
    EXPECT_TRUE(read->autostage) << word;
  }
  for (const char* word : {"false", "False", "no", "off", "0"}) {
    Result<Config> read = config(std::string("[core]\nautostage = ") + word + "\n");
    ASSERT_TRUE(read.ok()) << word;
    EXPECT_FALSE(read->autostage) << word;
  }
}

TEST_F(ConfigTest, WhatIsWrongIsSaidWithItsPlace) {
  struct Case {
    const char *text, *message;
  };
  for (const Case& one : std::vector<Case>{
           {"[core\n", "config:1: the section has no closing bracket"},
           {"[core]\n\nno_scm\n", "config:3: neither a section nor \"option = value\""},
           {"[core]\nno_scm = maybe\n", "core.no_scm takes true or false, here is \"maybe\""},
           {"[cache]\ntype = copy,hard\n", "cache.type \"hard\" is unknown"},
           {"[core]\nhardlink_lock = true\n", "not supported yet: core.hardlink_lock"}}) {
    Result<Config> read = config(one.text);
    ASSERT_FALSE(read.ok()) << one.text;
    EXPECT_EQ(read.error().tag, "config");
    EXPECT_NE(read.error().message.find(one.message), std::string::npos) << read.error().message;
  }
}

TEST(ConfigText, SectionsOptionsAndValues) {
  ConfigValues values;
  ASSERT_TRUE(read_config_text("# c\n; c\n[Core]\n  REMOTE=a # note\n  x = \"a # b\" # note\n"
                               "  y = 'q=r'\n['remote \"N A\"']\n url = ssh://h/p?x=1\n",
                               "config", values)
                  .ok());
  EXPECT_EQ(values["core"]["remote"], "a");
  EXPECT_EQ(values["core"]["x"], "a # b");
  EXPECT_EQ(values["core"]["y"], "q=r");
  EXPECT_EQ(values["remote N A"]["url"], "ssh://h/p?x=1");
}

}  // namespace
}  // namespace slipway::data
