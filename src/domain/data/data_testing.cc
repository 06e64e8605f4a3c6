#include "domain/data/data_testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/file.h"
#include "base/hash.h"
#include "base/ids.h"
#include "io/git/git.h"

namespace slipway::data {

namespace fs = std::filesystem;

namespace {

/// In memory where there is such a folder: nothing here is about waiting for a disk.
fs::path folder_for_tests() {
  const char* chosen = std::getenv("TMPDIR");
  bool in_memory = chosen == nullptr && access("/dev/shm", W_OK) == 0;
  return fs::canonical(in_memory ? fs::path("/dev/shm") : fs::temp_directory_path());
}

}  // namespace

ProjectTest::ProjectTest() : root_(folder_for_tests() / ("slipway-project-" + random_hex32())) {
  fs::create_directories(root_);
  std::string nowhere = (root_ / ".dvc" / "tmp").string();
  setenv("DVC_SYSTEM_CONFIG_DIR", nowhere.c_str(), 1);
  setenv("DVC_GLOBAL_CONFIG_DIR", nowhere.c_str(), 1);
  // What init() writes, without its waits for the disk.
  fs::create_directories(root_ / ".dvc" / "tmp");
  write(".dvc/config", "[core]\n    no_scm = True\n");
  reopen();
}

ProjectTest::~ProjectTest() {
  repository_.reset();
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void ProjectTest::write(const std::string& name, std::string_view content, unsigned mode) {
  fs::create_directories(at(name).parent_path());
  ASSERT_TRUE(write_file_quick(at(name), content).ok()) << name;
  ASSERT_EQ(chmod(at(name).c_str(), mode), 0) << name;
}

std::string ProjectTest::read(const std::string& name) const {
  Result<std::string> content = read_file(at(name));
  return content.ok() ? *content : "(absent)";
}

bool ProjectTest::exists(const std::string& name) const {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(at(name), ignored));
}

unsigned ProjectTest::mode_of(const fs::path& path) const {
  struct stat status {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

void ProjectTest::reopen() {
  Result<Repository> opened = Repository::open(root_);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  repository_.emplace(std::move(*opened));
}

void ProjectTest::configure(const std::string& config) {
  write(".dvc/config", config);
  reopen();
}

void ProjectTest::use_git() {
  git({"init", "-q"});
  git({"config", "user.email", "test@example.org"});
  git({"config", "user.name", "Test"});
  write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n");
  configure("");
}

void ProjectTest::git(const std::vector<std::string>& arguments) {
  Result<git::Outcome> outcome = git::run(root_, arguments);
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  ASSERT_EQ(outcome->status, 0) << outcome->err;
}

Version ProjectTest::version_of(std::string_view content) {
  Version version;
  version.md5 = md5_hex(content);
  version.size = static_cast<std::int64_t>(content.size());
  return version;
}

Version ProjectTest::saved(const std::string& name) {
  Result<Version> version = repository().save(at(name));
  EXPECT_TRUE(version.ok()) << version.error().message;
  return version.ok() ? *version : Version();
}

}  // namespace slipway::data
