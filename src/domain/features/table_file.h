#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/features/column.h"
#include "domain/features/expression.h"

// Tables in files: CSV read by ourselves, strictly and with the types asked for; Parquet through
// io/table. Any thread.
namespace slipway::features {

/// A column of a file, and what it is to become.
struct Wanted {
  std::string in_file;
  Input as;
};

inline constexpr std::uint64_t kTableBytesMax = 4ull << 30;  // of a CSV file; it is read whole

/// The wanted columns under their new names. kMissing for a file or column that is not there, with
/// the nearest name; kInvalid for a cell that is not of its column's type, with line or row.
Result<Table> read_columns(const std::filesystem::path& file, const std::vector<Wanted>& wanted);

/// All columns of a file: those of `typed` with their types, the others as texts (CSV) or as what
/// the file says (Parquet).
Result<Table> read_all(const std::filesystem::path& file, const std::vector<Input>& typed);

/// Writes CSV durably by one rename. kInvalid for a name that does not end in .csv.
Result<> write_table(const std::filesystem::path& file, const Table& table);

/// MD5 of a file's bytes, as data versions have it.
Result<std::string> md5_of_file(const std::filesystem::path& file);

}  // namespace slipway::features
