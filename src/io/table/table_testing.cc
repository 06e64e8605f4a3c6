#include "io/table/table_testing.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "io/table/library.h"

namespace slipway::table {

TestFolder::TestFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "slipway-table-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
  path_ = name;
}

TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TestFolder::write(std::string_view name, std::string_view content) const {
  std::ofstream(path_ / name, std::ios::binary) << content;
  return path_ / name;
}

std::filesystem::path TestFolder::parquet(std::string_view name, const std::string& select) const {
  const std::filesystem::path file = path_ / name;
  auto library = duck::library();
  if (!library.ok()) {
    ADD_FAILURE() << library.error().message;
    return file;
  }
  const duck::Library& duck = **library;
  duck::Database database = nullptr;
  duck::Connection connection = nullptr;
  EXPECT_EQ(duck.open(nullptr, &database, nullptr, nullptr), duck::Outcome::kSuccess);
  EXPECT_EQ(duck.connect(database, &connection), duck::Outcome::kSuccess);
  duck::Answer answer{};
  const std::string sql = "copy (" + select + ") to '" + file.string() + "' (format parquet)";
  EXPECT_EQ(duck.query(connection, sql.c_str(), &answer), duck::Outcome::kSuccess)
      << duck.answer_error(&answer);
  duck.destroy_answer(&answer);
  duck.disconnect(&connection);
  duck.close(&database);
  return file;
}

}  // namespace slipway::table
