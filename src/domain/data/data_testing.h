#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "domain/data/repository.h"

// For tests of what works on a project: a fresh one in a folder of its own.
namespace slipway::data {

/// A project without git; its folder goes with the test. No configuration from outside of it.
class ProjectTest : public testing::Test {
 protected:
  ProjectTest();
  ~ProjectTest() override;

  std::filesystem::path at(const std::string& name) const { return root_ / name; }
  /// Makes folders as needed; an existing file is replaced by a new one.
  void write(const std::string& name, std::string_view content, unsigned mode = 0644);
  /// "(absent)" when there is none.
  std::string read(const std::string& name) const;
  bool exists(const std::string& name) const;
  unsigned mode_of(const std::filesystem::path& path) const;

  Repository& repository() { return *repository_; }
  /// With the configuration as it is now.
  void reopen();
  void configure(const std::string& config);
  /// Makes the folder a git work tree, and the project one that uses it.
  void use_git();
  void git(const std::vector<std::string>& arguments);

  /// What is recorded of a file with this content.
  static Version version_of(std::string_view content);
  /// Puts the file into the cache.
  Version saved(const std::string& name);

  std::filesystem::path root_;

 private:
  std::optional<Repository> repository_;
};

}  // namespace slipway::data
