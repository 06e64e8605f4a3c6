#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/table/library.h"
#include "io/table/table.h"

// What bench/checks.py needs besides the program itself:
//   scan_bench make FILE ROWS SHIFT   20 columns of doubles as Parquet, written by DuckDB
//   scan_bench decode FILE            every chunk of it fetched, and nothing done with them
namespace slipway::table {
namespace {

constexpr int kColumns = 20;

/// Random numbers of different shapes, by row number: the same file every time.
std::string columns_of(const std::string& shift) {
  std::string select = "select ";
  for (int i = 0; i < kColumns; ++i) {
    const std::string uniform = "(hash(i * " + std::to_string(kColumns) + " + " +
                                std::to_string(i) + ") / 18446744073709551616.0)";
    const std::string value = i % 2 == 0 ? uniform : "-ln(1.0 - " + uniform + ")";
    if (i > 0) select += ", ";
    select += "cast(" + value + " * " + std::to_string(i + 1) + " + " + shift + " as double) as x" +
              std::to_string(i);
  }
  return select;
}

Result<> make(const std::string& file, const std::string& rows, const std::string& shift) {
  const duck::Library& duck = *TRY(duck::library());
  duck::Database database = nullptr;
  duck::Connection connection = nullptr;
  if (duck.open(nullptr, &database, nullptr, nullptr) != duck::Outcome::kSuccess ||
      duck.connect(database, &connection) != duck::Outcome::kSuccess)
    return unavailable("DuckDB cannot be opened");
  const std::string sql = "copy (" + columns_of(shift) + " from range(" + rows + ") t(i)) to '" +
                          file + "' (format parquet, compression snappy)";
  duck::Answer answer{};
  Result<> result;
  if (duck.query(connection, sql.c_str(), &answer) != duck::Outcome::kSuccess)
    result = unavailable(duck.answer_error(&answer));
  duck.destroy_answer(&answer);
  duck.disconnect(&connection);
  duck.close(&database);
  return result;
}

Result<> decode(const std::string& file) {
  auto scan = TRY(Scan::open(file));
  std::size_t rows = 0;
  while (const Chunk* chunk = TRY(scan->next())) rows += chunk->rows;
  std::printf("%zu rows\n", rows);
  return {};
}

int run(int count, char** arguments) {
  const std::string_view verb = count > 1 ? arguments[1] : "";
  Result<> result = invalid("scan_bench make FILE ROWS SHIFT, or scan_bench decode FILE");
  if (verb == "make" && count == 5) result = make(arguments[2], arguments[3], arguments[4]);
  if (verb == "decode" && count == 3) result = decode(arguments[2]);
  if (result.ok()) return 0;
  std::fprintf(stderr, "scan_bench: %s\n", result.error().message.c_str());
  return 1;
}

}  // namespace
}  // namespace slipway::table

int main(int count, char** arguments) {
  return slipway::table::run(count, arguments);
}
