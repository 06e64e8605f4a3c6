#pragma once

#include <filesystem>
#include <string>
#include <string_view>

// Files for tests of what reads tables.
namespace slipway::table {

/// A folder that goes with the test.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  /// Writes a file and gives its path.
  std::filesystem::path write(std::string_view name, std::string_view content) const;
  /// The rows of a query as a Parquet file, made by DuckDB.
  std::filesystem::path parquet(std::string_view name, const std::string& select) const;

 private:
  std::filesystem::path path_;
};

}  // namespace slipway::table
