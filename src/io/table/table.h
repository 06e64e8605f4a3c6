#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Columnar data of a file, chunk by chunk: CSV (also gzipped) and Parquet through DuckDB, which is
// loaded on first use. Nothing outside the named file is read or written, nothing is downloaded.
namespace slipway::table {

/// What the values of a column are, told apart as far as anyone here needs it.
enum class Type { kBool, kInteger, kReal, kText, kDate, kTimestamp, kOther };
/// "bool", "integer", "real", "text", "date", "timestamp", "other".
const char* to_string(Type type);

struct Field {
  std::string name;
  Type type = Type::kOther;
};

/// A text of a column, in 16 bytes: its length, and after it up to kInside bytes or the address of
/// more. That is DuckDB's layout, so its vectors are handed on as they are.
class Text {
 public:
  static constexpr std::size_t kInside = 12;

  Text() = default;
  /// What is longer than kInside is not copied: it has to outlive this.
  Text(std::string_view text) : length_(static_cast<std::uint32_t>(text.size())) {  // NOLINT
    const char* far = text.data();
    if (is_inside())
      text.copy(bytes_, kInside);
    else
      std::memcpy(bytes_ + 4, &far, sizeof far);
  }

  std::size_t size() const { return length_; }
  bool is_inside() const { return length_ <= kInside; }
  /// Valid as long as this, too: it may lie in it.
  std::string_view view() const {
    const char* data = bytes_;
    if (!is_inside()) std::memcpy(&data, bytes_ + 4, sizeof data);
    return {data, length_};
  }
  operator std::string_view() const { return view(); }  // NOLINT: it is one, only shorter

 private:
  std::uint32_t length_ = 0;
  char bytes_[kInside] = {};
};
static_assert(sizeof(Text) == 16);

/// One column of a chunk. Exactly one of the value pointers is set (none for kOther, whose cells
/// are only null or not); a cell that is null has an unspecified value.
struct ColumnView {
  Type type = Type::kOther;
  const std::uint64_t* valid = nullptr;     // bit i: cell i is not null; nullptr: none is null
  const bool* bools = nullptr;              // kBool
  const std::int64_t* integers = nullptr;   // kInteger; kDate, kTimestamp: microseconds since 1970
  const double* reals = nullptr;            // kReal
  const Text* texts = nullptr;              // kText, valid UTF-8

  bool is_valid(std::size_t row) const {
    return valid == nullptr || ((valid[row / 64] >> (row % 64)) & 1) != 0;
  }
};

inline constexpr std::size_t kChunkRowsMax = 2048;
inline constexpr std::size_t kColumnsMax = 4096;  // of a file

struct Chunk {
  std::size_t rows = 0;  // at most kChunkRowsMax
  std::vector<ColumnView> columns;
};

struct ScanOptions {
  std::vector<std::string> columns;  // in this order; empty: all, as in the file
  int threads = 2;                   // that decode
  std::uint64_t memory_bytes_max = 1ull << 30;
  /// CSV: types are found from all rows and not from the first 20,480, in a pass of its own.
  bool types_from_all_rows = false;
  /// CSV: columns that are text whatever their cells look like, as they are written. Names that the
  /// file lacks are of no matter.
  std::vector<std::string> texts;
};

using Paths = std::vector<std::filesystem::path>;
/// For messages.
std::string to_string(const Paths& paths);

/// A pass over the rows of one file, in the file's order; or of several. Not thread-safe.
class Scan {
 public:
  /// The format is told by the name: .csv, .tsv, .csv.gz, .tsv.gz, .parquet. A CSV file has a line
  /// of names first; empty cells are null. kMissing for no such file or column, kInvalid for what
  /// is no such table, has more columns than kColumnsMax, or two whose names differ in case at
  /// most; kUnavailable without DuckDB; kBusy where memory_bytes_max is too little: fewer columns
  /// need less.
  static Result<std::unique_ptr<Scan>> open(const std::filesystem::path& path,
                                            const ScanOptions& options = {});
  /// What open() would say of fields(), without reading rows that are not needed for it.
  static Result<std::vector<Field>> fields_of(const std::filesystem::path& path,
                                              const ScanOptions& options = {});
  /// The rows of several files (one at least), file after file, as those of one table: the columns
  /// of `options`, or else those that all files have, in the order of the first. What is whole
  /// numbers in one and fractions in another is real; columns whose types do not go together are
  /// as if they were missing. Errors are about the file that has them.
  static Result<std::unique_ptr<Scan>> open(const Paths& paths, const ScanOptions& options = {});
  static Result<std::vector<Field>> fields_of(const Paths& paths, const ScanOptions& options = {});
  /// Whether columns of such a file lie apart: then scans of some columns each read, all together,
  /// no more than one of all does.
  static bool has_columns_apart(const std::filesystem::path& path);
  virtual ~Scan() = default;
  virtual const std::vector<Field>& fields() const = 0;
  /// The next rows, valid until the next call; nullptr after the last. kInvalid with the tag
  /// "cell_type" when a cell of a CSV file is not of its column's type (types_from_all_rows helps).
  Result<const Chunk*> next();
  /// The same, for keeping or for another thread: valid as long as it is held.
  virtual Result<std::shared_ptr<const Chunk>> take() = 0;

 private:
  std::shared_ptr<const Chunk> current_;
};

/// Writes the rows of a CSV file with a line of names as a Parquet file; types are found from all
/// rows. Not durable. kInvalid for what is no such table, kUnavailable without DuckDB.
Result<> csv_to_parquet(const std::filesystem::path& csv, const std::filesystem::path& parquet);

/// The same for a file whose columns are these, in this order: kText, kReal (NaN and inf are words),
/// kInteger, kBool or kTimestamp (ISO 8601, UTC). A cell that is empty without quotes is null, one
/// in quotes an empty text. kInvalid also for names that differ in case only.
Result<> csv_to_parquet(const std::filesystem::path& csv, const std::filesystem::path& parquet,
                        const std::vector<Field>& columns);

/// "DuckDB v1.5.4"; kUnavailable says how to get it.
Result<std::string> library_version();

}  // namespace slipway::table
