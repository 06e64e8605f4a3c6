#include "domain/data/data_file.h"

#include <gtest/gtest.h>

#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

const std::string kMd5 = "b026324c6904b2a9cb4b88d6d61c81d1";

Error fault(const std::string& text) {
  Result<DataFile> file = DataFile::parse(text, "/p/x.dvc");
  return file.ok() ? Error{Code::kInternal, "no error"} : file.error();
}

DataFile parsed(const std::string& text) {
  Result<DataFile> file = DataFile::parse(text, "/p/x.dvc");
  EXPECT_TRUE(file.ok()) << file.error().message;
  return std::move(*file);
}

DataFile fresh(const std::string& path, Version version) {
  DataFile file;
  file.file = "/p/" + path + ".dvc";
  file.outs.emplace_back();
  file.outs[0].record.path = path;
  file.outs[0].record.version = std::move(version);
  return file;
}

TEST(DataFile, IsWrittenAsDvcWritesIt) {
  Version folder;
  folder.md5 = "9896164a9714a3c5218fbabf1d1f6506.dir";
  folder.size = 11;
  folder.nfiles = 3;
  EXPECT_EQ(fresh("data", folder).dump(),
            "outs:\n- md5: 9896164a9714a3c5218fbabf1d1f6506.dir\n  size: 11\n  nfiles: 3\n"
            "  hash: md5\n  path: data\n");
  Version program;
  program.md5 = kMd5;
  program.size = 2;
  program.is_executable = true;
  EXPECT_EQ(fresh("run.sh", program).dump(), "outs:\n- md5: " + kMd5 +
                                                 "\n  size: 2\n  isexec: true\n  hash: md5\n"
                                                 "  path: run.sh\n");
}

TEST(DataFile, FlagsFollowTheRecord) {
  Version version;
  version.md5 = kMd5;
  DataFile file = fresh("x", version);
  file.outs[0].cache = false;
  file.outs[0].persist = true;
  file.outs[0].push = false;
  file.wdir = "sub";
  EXPECT_EQ(file.dump(), "wdir: sub\nouts:\n- md5: " + kMd5 +
                             "\n  hash: md5\n  path: x\n  cache: false\n  persist: true\n"
                             "  push: false\n");
}

// Digests that a YAML reader would take for numbers: the quotes are DVC's.
TEST(DataFile, DigestsThatLookLikeNumbersAreQuoted) {
  struct Case {
    const char *md5, *written;
  };
  for (const Case& one : std::vector<Case>{
           {"12345678901234567890123456789012", "'12345678901234567890123456789012'"},
           {"12e45678901234567890123456789012", "'12e45678901234567890123456789012'"},
           {"1234567890123456789012345678901e", "1234567890123456789012345678901e"}}) {
    Version version;
    version.md5 = one.md5;
    std::string text = fresh("x", version).dump();
    EXPECT_EQ(text, std::string("outs:\n- md5: ") + one.written + "\n  hash: md5\n  path: x\n");
    EXPECT_EQ(parsed(text).outs[0].record.version.md5, one.md5);
  }
  // Written without quotes by hand, it is still that digest.
  EXPECT_EQ(parsed("outs:\n- md5: 12345678901234567890123456789012\n  path: x\n")
                .outs[0]
                .record.version.md5,
            "12345678901234567890123456789012");
  EXPECT_EQ(parsed("outs:\n- md5: B026324C6904B2A9CB4B88D6D61C81D1\n  path: x\n")
                .outs[0]
                .record.version.md5,
            kMd5);
}

TEST(DataFile, ReadsEverythingItKeeps) {
  DataFile file = parsed("desc: what\nmd5: " + kMd5 + "\nfrozen: true\nwdir: ..\n" +
                         "always_changed: true\ndeps:\n- path: ds\n  repo:\n    url: ../reg\n"
                         "    rev_lock: dac1\nouts:\n- md5: " +
                         kMd5 +
                         "\n  size: 2\n  hash: md5\n  path: x\n  cache: false\n  persist: true\n"
                         "  push: false\n  desc: d\n  type: t\n  labels: [a]\n  meta: {k: v}\n"
                         "  remote: r\nmeta: {own: 1}\n");
  EXPECT_TRUE(file.frozen && file.always_changed && file.is_import());
  EXPECT_EQ(file.folder(), "/");
  EXPECT_EQ(file.desc, "what");
  EXPECT_NE(file.deps[0].extra.find("repo"), nullptr);
  EXPECT_FALSE(file.outs[0].cache || file.outs[0].push);
  EXPECT_TRUE(file.outs[0].persist);
  EXPECT_EQ(file.outs[0].record.version.size, 2);
  EXPECT_FALSE(file.outs[0].record.version.legacy);
}

TEST(DataFile, LockedIsAnOldWordForFrozen) {
  EXPECT_TRUE(parsed("locked: true\nouts:\n- path: x\n").frozen);
}

TEST(DataFile, AnUpdateKeepsCommentsOrderAndForeignFields) {
  std::string before = "# mine\nouts:\n- path: x  # here\n  md5: " + kMd5 +
                       "\n  hash: md5\n  desc: why\nmeta:\n  owner: me\n";
  DataFile file = parsed(before);
  EXPECT_EQ(file.dump(), before);
  file.outs[0].record.version.md5 = "d41d8cd98f00b204e9800998ecf8427e";
  EXPECT_EQ(file.dump(),
            "# mine\nouts:\n- path: x  # here\n  md5: "
            "d41d8cd98f00b204e9800998ecf8427e\n  hash: md5\n  desc: why\nmeta:\n"
            "  owner: me\n");
}

TEST(DataFile, AnUpdateOfALegacyRecordIsOfThePresentForm) {
  DataFile file = parsed("outs:\n- md5: " + kMd5 + "\n  path: x\n");
  EXPECT_TRUE(file.outs[0].record.version.legacy);
  file.outs[0].record.version = {};
  file.outs[0].record.version.md5 = "d41d8cd98f00b204e9800998ecf8427e";
  EXPECT_NE(file.dump().find("hash: md5"), std::string::npos);
}

TEST(DataFile, SaysWhereItIsWrong) {
  struct Case {
    const char *text, *message;
  };
  for (const Case& one : std::vector<Case>{
           {"[x]\n", "x.dvc:1:1: the file must be a map"},
           {"out: []\n", "x.dvc:1:1: \"out\" is no key of a .dvc file"},
           {"outs: x\n", "x.dvc:1:7: \"outs\" takes a list"},
           {"outs:\n- x\n", "x.dvc:2:3: an entry must be a map with \"path\""},
           {"outs:\n- md5: ''\n", "x.dvc:2:3: the entry has no \"path\""},
           {"outs:\n- path: ''\n", "x.dvc:2:9: \"path\" takes a path"},
           {"outs:\n- path: 3\n", "x.dvc:2:9: \"path\" takes a path"},
           {"outs:\n- path: x\n  size: -1\n", "x.dvc:3:9: \"size\" is negative"},
           {"outs:\n- path: x\n  size: big\n", "x.dvc:3:9: \"size\" takes a number"},
           {"outs:\n- path: x\n  nfiles: 1.5\n", "x.dvc:3:11: \"nfiles\" takes a number"},
           {"outs:\n- path: x\n  isexec: 1\n", "x.dvc:3:11: \"isexec\" takes true or false"},
           {"outs:\n- path: x\n  cache: no\n", "x.dvc:3:10: \"cache\" takes true or false"},
           {"outs:\n- path: x\n  hash: sha256\n",
            "x.dvc:3:9: the hash \"sha256\" is not known, only md5"},
           {"outs:\n- path: x\n  colour: red\n", "x.dvc:3:3: \"colour\" is not known here"},
           {"deps:\n- path: x\n  cache: true\n", "x.dvc:3:3: \"cache\" is not known here"},
           {"frozen: maybe\n", "x.dvc:1:9: \"frozen\" takes true or false"}}) {
    EXPECT_EQ(fault(one.text).message, one.message);
    EXPECT_EQ(fault(one.text).code, Code::kInvalid);
  }
  EXPECT_EQ(fault("outs:\n- path: x\n  path: y\n").code, Code::kInvalid);
  EXPECT_EQ(fault("outs: [\n").code, Code::kInvalid);
}

TEST(DataFile, AnEmptyFileTracksNothing) {
  EXPECT_TRUE(parsed("").outs.empty());
  EXPECT_TRUE(parsed("outs:\n").outs.empty());
}

class DataFileOnDisk : public ProjectTest {};

TEST_F(DataFileOnDisk, IsNotWrittenWhenNothingChanged) {
  write("x.dvc", "outs:\n- md5: " + kMd5 + "\n  hash: md5\n  path: x\n");
  Result<DataFile> file = DataFile::read(at("x.dvc"));
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(at("x.dvc"));
  ASSERT_TRUE(file->write(repository().scratch()).ok());
  EXPECT_FALSE(exists("x.dvc"));
  file->outs[0].record.version.md5 = "d41d8cd98f00b204e9800998ecf8427e";
  ASSERT_TRUE(file->write(repository().scratch()).ok());
  EXPECT_EQ(DataFile::read(at("x.dvc"))->outs[0].record.version.md5,
            "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(DataFile::read(at("none.dvc")).error().code, Code::kMissing);
}

}  // namespace
}  // namespace slipway::data
