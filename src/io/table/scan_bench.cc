#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "io/table/library.h"
#include "io/table/table.h"

// What bench/checks.py needs besides the program itself:
//   scan_bench make FILE ROWS SHIFT   20 columns as Parquet, written by DuckDB: doubles x0 to x7,
//                                     whole numbers x8 to x11, categories x12 to x15, a code, a
//                                     day, a time, a flag; of the first sixteen one cell in fifty
//                                     is null
//   scan_bench decode FILE            every chunk of it fetched, and nothing done with them
namespace slipway::table {
namespace {

constexpr int kColumns = 20;

/// From 0 to 1, by row number and column: the same file every time.
std::string uniform(int column) {
  return "(hash(i * " + std::to_string(kColumns) + " + " + std::to_string(column) +
         ") / 18446744073709551616.0)";
}

/// Of different shapes; `shift` moves what is a number, and the shares of the categories.
std::string value_of(int column, const std::string& shift) {
  constexpr int kWholeFrom = 8, kCategoriesFrom = 12, kCode = 16, kDay = 17, kTime = 18;
  const std::string u = uniform(column), size = std::to_string(column + 1);
  if (column < kWholeFrom) {
    const std::string value = column % 2 == 0 ? u : "-ln(1.0 - " + u + ")";
    return "cast(" + value + " * " + size + " + " + shift + " as double)";
  }
  if (column < kCategoriesFrom)
    return "cast(floor(" + u + " * " + u + " * 10 * " + size + " + " + shift + ") as integer)";
  if (column < kCategoriesFrom + 4)
    return "'v' || cast(floor(pow(" + u + ", 2 + " + shift + ") * " + size + ") as integer)";
  if (column == kCode)
    return "lpad(cast(cast(floor(" + u + " * 100000) as integer) as varchar), 5, '0')";
  if (column == kDay) return "date '2024-01-01' + cast(floor(" + u + " * 365) as integer)";
  if (column == kTime)
    return "timestamp '2024-01-01' + to_seconds(cast(floor(" + u + " * 31536000) as bigint))";
  return u + " < 0.3";
}

std::string columns_of(const std::string& shift) {
  constexpr int kWithNulls = 16;
  std::string select = "select ";
  for (int i = 0; i < kColumns; ++i) {
    const std::string value = value_of(i, shift), name = " as x" + std::to_string(i);
    if (i > 0) select += ", ";
    select += i < kWithNulls ? "case when " + uniform(i + 1'000'003) + " < 0.02 then null else " +
                                   value + " end" + name
                             : value + name;
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
