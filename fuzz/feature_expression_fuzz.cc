#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "domain/features/csv.h"
#include "domain/features/expression.h"

// Any text as an expression: refused with a place, or a program that gives the same on columns and
// on one row. And any text as CSV.

namespace {

using namespace slipway;
using namespace slipway::features;

void require(bool condition) {
  if (!condition) std::abort();
}

const std::vector<Input> kInputs = {{"i", Type::kInt64},  {"x", Type::kFloat64},
                                    {"s", Type::kString}, {"t", Type::kTimestamp},
                                    {"b", Type::kBool}};

void run_both(const Program& program) {
  const std::vector<std::vector<Value>> rows = {
      {std::int64_t{-7}, 2.5, std::string("gr\xc3\xbcn"), Timestamp{1'700'000'000'000'000}, true},
      {Value(), Value(), Value(), Value(), Value()},
      {INT64_MIN, -1e308, std::string("\xff\xc3"), Timestamp{0}, false}};
  std::vector<Column> columns;
  std::vector<const Column*> pointers;
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    columns.emplace_back(kInputs[i].type);
    for (const auto& row : rows) columns[i].push(row[i]);
  }
  for (const Column& column : columns) pointers.push_back(&column);
  Faults of_columns, of_rows;
  const Column batch = Evaluator(program).columns(pointers, rows.size(), of_columns);
  Evaluator evaluator(program);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    require(identical(batch.at(row), evaluator.row(rows[row], of_rows)));
  }
  require(of_columns == of_rows);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<Program> program = compile(text, kInputs);
  if (program.ok()) run_both(*program);
  else require(program.error().message.starts_with("character "));
  Result<CsvTable> table = parse_csv(text, "t");
  if (table.ok()) require(table->fields.size() == table->rows() * table->names.size());
  return 0;
}
