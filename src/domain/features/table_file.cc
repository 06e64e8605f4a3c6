#include "domain/features/table_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "domain/features/calendar.h"
#include "domain/features/csv.h"
#include "io/table/table.h"

namespace slipway::features {
namespace {

bool is_parquet(const std::filesystem::path& file) {
  return file.extension() == ".parquet";
}

Error no_such_column(const std::filesystem::path& file, const std::string& name,
                     const std::vector<std::string>& known) {
  std::optional<std::string> close = nearest(name, known);
  return missing(file.string() + " has no column '" + name + "'" +
                 (close ? "; did you mean '" + *close + "'?" : ""));
}

struct Csv {
  std::string text;
  CsvTable table;

  Result<std::size_t> column(const std::filesystem::path& file, const std::string& name) const {
    for (std::size_t i = 0; i < table.names.size(); ++i) {
      if (table.names[i] == name) return i;
    }
    return no_such_column(file, name, table.names);
  }
};

Result<std::unique_ptr<Csv>> read_csv(const std::filesystem::path& file) {
  auto csv = std::make_unique<Csv>();
  csv->text = TRY(read_file(file, kTableBytesMax));
  csv->table = TRY(parse_csv(csv->text, file.string()));
  return csv;
}

Type type_of_field(table::Type type) {
  switch (type) {
    case table::Type::kBool:
      return Type::kBool;
    case table::Type::kInteger:
      return Type::kInt64;
    case table::Type::kReal:
      return Type::kFloat64;
    case table::Type::kDate:
    case table::Type::kTimestamp:
      return Type::kTimestamp;
    case table::Type::kText:
    case table::Type::kOther:
      return Type::kString;
  }
  return Type::kString;
}

/// Nothing where the cell can't be of that type.
std::optional<Value> cell(const table::ColumnView& view, std::size_t row, Type type) {
  if (!view.is_valid(row)) return Value();
  switch (view.type) {
    case table::Type::kBool:
      if (type == Type::kBool) return Value(view.bools[row]);
      if (type == Type::kInt64) return Value(std::int64_t{view.bools[row] ? 1 : 0});
      return std::nullopt;
    case table::Type::kInteger: {
      const std::int64_t number = view.integers[row];
      if (type == Type::kInt64) return Value(number);
      if (type == Type::kFloat64) return Value(static_cast<double>(number));
      if (type == Type::kString) return Value(std::to_string(number));
      if (type == Type::kBool && (number == 0 || number == 1)) return Value(number == 1);
      return std::nullopt;
    }
    case table::Type::kReal:
      if (type == Type::kFloat64) return Value(view.reals[row]);
      if (type == Type::kInt64 && std::trunc(view.reals[row]) == view.reals[row] &&
          std::fabs(view.reals[row]) <= 9'007'199'254'740'992.0) {
        return Value(static_cast<std::int64_t>(view.reals[row]));
      }
      return std::nullopt;
    case table::Type::kText:
      return parse_value(type, view.texts[row]);
    case table::Type::kDate:
    case table::Type::kTimestamp:
      if (!is_in_calendar(view.integers[row])) return std::nullopt;
      if (type == Type::kTimestamp) return Value(Timestamp{view.integers[row]});
      if (type == Type::kString) return Value(format_timestamp(view.integers[row]));
      return std::nullopt;
    case table::Type::kOther:
      return std::nullopt;
  }
  return std::nullopt;
}

Result<> append_chunk(const table::Chunk& chunk, const std::filesystem::path& file,
                      const std::vector<Wanted>& wanted, Table& out) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      std::optional<Value> value = cell(chunk.columns[i], row, wanted[i].as.type);
      if (!value) {
        return invalid(file.string() + ": row " + std::to_string(out.rows + row + 1) +
                       ": found no " + to_string(wanted[i].as.type) + " in column '" +
                       wanted[i].in_file + "'");
      }
      out.columns[i].push(*value);
    }
  }
  out.rows += chunk.rows;
  return {};
}

Result<Table> scan_parquet(const std::filesystem::path& file, const std::vector<Wanted>& wanted) {
  table::ScanOptions options;
  for (const Wanted& column : wanted) options.columns.push_back(column.in_file);
  std::unique_ptr<table::Scan> scan = TRY(table::Scan::open(file, options));
  Table out;
  for (const Wanted& column : wanted) out.add(column.as.name, Column(column.as.type));
  while (const table::Chunk* chunk = TRY(scan->next())) {
    TRY(append_chunk(*chunk, file, wanted, out));
  }
  return out;
}

}  // namespace

Result<Table> read_columns(const std::filesystem::path& file, const std::vector<Wanted>& wanted) {
  if (is_parquet(file)) return scan_parquet(file, wanted);
  const std::unique_ptr<Csv> csv = TRY(read_csv(file));
  Table out;
  for (const Wanted& each : wanted) {
    const std::size_t column = TRY(csv->column(file, each.in_file));
    out.add(each.as.name, TRY(csv_column(csv->table, column, each.as.type, file.string())));
  }
  return out;
}

Result<Table> read_all(const std::filesystem::path& file, const std::vector<Input>& typed) {
  std::vector<Wanted> wanted;
  const auto want = [&](const std::string& name, Type otherwise) {
    Type type = otherwise;
    for (const Input& input : typed) {
      if (input.name == name) type = input.type;
    }
    wanted.push_back({name, {name, type}});
  };
  if (is_parquet(file)) {
    std::unique_ptr<table::Scan> scan = TRY(table::Scan::open(file));
    for (const table::Field& field : scan->fields()) want(field.name, type_of_field(field.type));
    return scan_parquet(file, wanted);
  }
  const std::unique_ptr<Csv> csv = TRY(read_csv(file));
  for (const std::string& name : csv->table.names) want(name, Type::kString);
  Table out;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    out.add(wanted[i].as.name, TRY(csv_column(csv->table, i, wanted[i].as.type, file.string())));
  }
  return out;
}

Result<> write_table(const std::filesystem::path& file, const Table& table) {
  if (file.extension() != ".csv") {
    return invalid("found the name " + file.filename().string() +
                   " for a table to be written, expected one that ends in .csv");
  }
  return write_file_atomic(file, to_csv(table));
}

Result<std::string> md5_of_file(const std::filesystem::path& file) {
  Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return system_error("cannot open " + file.string(), errno);
  Hasher hasher(Hasher::Kind::kMd5);
  std::string buffer(1 << 20, '\0');
  while (true) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + file.string(), errno);
    if (got == 0) return hasher.finish_hex();
    hasher.update(std::string_view(buffer.data(), static_cast<std::size_t>(got)));
  }
}

}  // namespace slipway::features
