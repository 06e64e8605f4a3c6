#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "io/table/library.h"
#include "io/table/names.h"
#include "io/table/table.h"

namespace slipway::table {
namespace {

using duck::Library;
using duck::TypeId;

struct Format {
  bool parquet = false;
  bool gzip = false;
};

Result<Format> format_of(const std::filesystem::path& path) {
  const std::string name = to_lower(path.filename().string());
  auto ends = [&](std::string_view end) { return name.size() > end.size() && name.ends_with(end); };
  if (ends(".parquet")) return Format{true, false};
  if (ends(".csv") || ends(".tsv")) return Format{false, false};
  if (ends(".csv.gz") || ends(".tsv.gz")) return Format{false, true};
  return with_tag(invalid(path.string() +
                          " is no table by its name: .csv, .tsv, .csv.gz, .tsv.gz or .parquet is "
                          "expected"),
                  "usage");
}

/// The file is opened here and named to DuckDB by its descriptor: its path may hold anything, and
/// what is checked is what is read. A pipe without a writer is not waited for.
Result<Fd> open_file(const std::filesystem::path& path) {
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT) return missing("there is no file " + path.string());
    return system_error("cannot open " + path.string(), errno);
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_error("cannot read " + path.string(), errno);
  if (!S_ISREG(status.st_mode)) return invalid(path.string() + " is no file");
  if (status.st_size == 0)
    return invalid(path.string() + " is empty: a table has a line of names at least");
  return file;
}

std::string sql_name(std::string_view name) {
  return "\"" + replace_all(std::string(name), "\"", "\"\"") + "\"";
}

std::string sql_text(std::string_view text) {
  return "'" + replace_all(std::string(text), "'", "''") + "'";
}

/// The library's objects of one scan, given back in the right order.
class Handles {
 public:
  explicit Handles(const Library& library) : duck(library) {}
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  ~Handles() {
    end_answer();
    if (connection != nullptr) duck.disconnect(&connection);
    if (database != nullptr) duck.close(&database);
  }

  void end_answer() {
    if (has_answer) duck.destroy_answer(&answer);
    has_answer = false;
    answer = {};
  }

  const Library& duck;
  duck::Database database = nullptr;
  duck::Connection connection = nullptr;
  duck::Answer answer{};
  bool has_answer = false;
};

Result<> open_database(Handles& handles, const ScanOptions& options) {
  const Library& duck = handles.duck;
  duck::Config config = nullptr;
  if (duck.create_config(&config) != duck::Outcome::kSuccess)
    return internal("DuckDB made no configuration");
  const std::string threads = std::to_string(std::max(1, options.threads));
  const std::string memory = std::to_string(options.memory_bytes_max >> 10) + "KiB";
  const std::array<std::pair<const char*, const char*>, 6> settings{{
      {"threads", threads.c_str()},
      {"memory_limit", memory.c_str()},
      {"temp_directory", ""},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_unsigned_extensions", "false"},
  }};
  const char* refused = nullptr;
  for (const auto& [name, value] : settings) {
    if (duck.set_config(config, name, value) != duck::Outcome::kSuccess) refused = name;
  }
  char* message = nullptr;
  bool opened = refused == nullptr &&
                duck.open(nullptr, &handles.database, config, &message) == duck::Outcome::kSuccess;
  duck.destroy_config(&config);
  if (refused != nullptr) return unavailable(std::string("DuckDB does not know ") + refused);
  if (!opened) {
    Error error = unavailable(std::string("DuckDB cannot be opened: ") + (message ? message : ""));
    duck.free(message);
    return error;
  }
  if (duck.connect(handles.database, &handles.connection) != duck::Outcome::kSuccess)
    return unavailable("DuckDB gives no connection");
  return {};
}

Result<> run(Handles& handles, const std::string& sql) {
  handles.end_answer();
  handles.has_answer = true;
  if (handles.duck.query(handles.connection, sql.c_str(), &handles.answer) ==
      duck::Outcome::kSuccess)
    return {};
  const char* text = handles.duck.answer_error(&handles.answer);
  return invalid(text != nullptr ? text : "DuckDB refuses a query");
}

/// From here on the database reads the one file, and no statement can change that. A time without a
/// zone is one of UTC, wherever this runs.
Result<> lock(Handles& handles, const std::string& file) {
  TRY(run(handles, "set TimeZone = 'UTC'"));
  TRY(run(handles, "set allowed_paths = ['" + file + "']"));
  TRY(run(handles, "set enable_external_access = false"));
  return run(handles, "set lock_configuration = true");
}

Type type_of(TypeId type) {
  switch (type) {
    case TypeId::kBoolean:
      return Type::kBool;
    case TypeId::kTinyInt:
    case TypeId::kSmallInt:
    case TypeId::kInteger:
    case TypeId::kBigInt:
    case TypeId::kUTinyInt:
    case TypeId::kUSmallInt:
    case TypeId::kUInteger:
      return Type::kInteger;
    case TypeId::kUBigInt:  // beyond int64 in part
    case TypeId::kHugeInt:
    case TypeId::kUHugeInt:
    case TypeId::kFloat:
    case TypeId::kDouble:
    case TypeId::kDecimal:
      return Type::kReal;
    case TypeId::kDate:
      return Type::kDate;
    case TypeId::kTimestamp:
    case TypeId::kTimestampS:
    case TypeId::kTimestampMs:
    case TypeId::kTimestampNs:
    case TypeId::kTimestampTz:
      return Type::kTimestamp;
    case TypeId::kVarchar:
    case TypeId::kEnum:
    case TypeId::kUuid:
    case TypeId::kTime:
    case TypeId::kSqlNull:
      return Type::kText;
  }
  return Type::kOther;
}

/// A whole number of a text. DuckDB itself would round "1.5".
std::string whole_number(const std::string& name) {
  std::string has_more;
  for (const char* sign : {"'.'", "'e'", "'E'"})
    has_more += (has_more.empty() ? "contains(" : " or contains(") + name + ", " + sign + ")";
  return "case when " + has_more + " then error('Conversion Error: \"' || " + name +
         " || '\" is no whole number') else cast(" + name + " as bigint) end";
}

/// A date of a text. DuckDB itself would drop what follows it, a time of day or anything else.
/// Years beyond 9999 are longer, and read as they are written.
std::string plain_date(const std::string& name) {
  const std::string text = "trim(" + name + ")", date = "cast(" + text + " as date)";
  return "case when contains(" + name + ", ':') or (length(" + text + ") > 10 and cast(" + date +
         " as varchar) <> " + text + ") then error('Conversion Error: \"' || " + name +
         " || '\" is more than a date') else epoch_us(" + date + ") end";
}

/// How a CSV file's columns are read.
struct Reading {
  bool texts = false;        // whole numbers come as texts, to be checked
  bool dates = false;        // and so do dates
  bool zoned_times = false;  // times may have a zone, though those looked at have none
};

/// The column in one of the four representations of ColumnView.
std::string selected(const Field& field, const Reading& reading) {
  const std::string name = sql_name(field.name);
  switch (field.type) {
    case Type::kBool:
      return name;
    case Type::kInteger:
      return reading.texts ? whole_number(name) : "cast(" + name + " as bigint)";
    case Type::kReal:
      return "cast(" + name + " as double)";
    case Type::kDate:
      return reading.dates ? plain_date(name) : "epoch_us(" + name + ")";
    case Type::kTimestamp:
      return "epoch_us(" + name + ")";
    case Type::kText:
      return "cast(" + name + " as varchar)";
    case Type::kOther:
      return "(" + name + " is not null)";
  }
  return name;
}

/// What DuckDB says of a file in one line: where, and the first line that says why. Without the
/// line of the file itself, which can be long, and what might help DuckDB's own users.
std::string reason_of(const std::filesystem::path& path, const std::string& message) {
  constexpr std::size_t kReasonMax = 300;
  std::string reason;
  for (const std::string_view line : split(message, '\n')) {
    const std::string_view said = trim(line);
    if (reason.empty()) {
      reason = said;
      continue;
    }
    if (said.starts_with("Possible")) break;
    if (said.empty() || said.starts_with("Original Line")) continue;
    reason += ": " + std::string(said);
    break;
  }
  constexpr std::string_view kDescriptors = "/proc/self/fd/";
  for (std::size_t at = 0; (at = reason.find(kDescriptors, at)) != std::string::npos;) {
    const std::size_t end = reason.find_first_not_of("0123456789", at + kDescriptors.size());
    reason.replace(at, std::min(end, reason.size()) - at, path.filename().string());
    at += path.filename().string().size();
  }
  if (reason.size() > kReasonMax) {
    std::size_t cut = kReasonMax;
    while (cut > 0 && (static_cast<unsigned char>(reason[cut]) & 0xC0) == 0x80) --cut;
    reason = reason.substr(0, cut) + " ...";
  }
  return reason;
}

/// " (512.0 MiB)", of DuckDB's "... (511.5 MiB/512.0 MiB used) ...".
std::string memory_words(const std::string& message) {
  const std::size_t slash = message.find("iB/"), end = message.find(" used)");
  if (slash == std::string::npos || end == std::string::npos || end < slash + 3) return "";
  return " (" + message.substr(slash + 3, end - slash - 3) + ")";
}

Error wrong_cell(const std::filesystem::path& path, const char* text) {
  std::string message = text != nullptr ? text : "unknown error";
  if (message.find("Out of Memory") != std::string::npos) {
    // What DuckDB says next is for those who can turn its settings.
    return busy(path.string() + " needs more memory than there is for reading it" +
                memory_words(message));
  }
  Error error = invalid(path.string() + ": " + reason_of(path, message));
  const bool cell = message.find("onver") != std::string::npos || message.find("CSV Error") == 0;
  return cell ? with_tag(std::move(error), "cell_type") : error;
}

constexpr std::size_t kLookedAt = 64u << 10;
constexpr std::size_t kHeaderMax = 2'000'000;  // bytes, as DuckDB has it of every line
/// What types are told from, in rows of a CSV file: fewer of a wide one, as all are checked anyway.
constexpr std::size_t kRowsLookedAtMax = 20'480, kRowsLookedAtMin = 2'048;
constexpr std::size_t kCellsLookedAt = 128 * kRowsLookedAtMax;
constexpr std::uint64_t kFooterLookedAt = 256u << 10;
constexpr std::uint64_t kFooterMax = 256u << 20;

Result<> few_enough(const std::filesystem::path& path, std::uint64_t columns) {
  if (columns <= kColumnsMax) return {};
  return invalid(path.string() + " has " + std::to_string(columns) + " columns, " +
                 std::to_string(kColumnsMax) + " are read at most: cut it into tables of fewer");
}

/// A chunk that holds DuckDB's memory, and what of it had to be put differently.
struct DuckChunk final : Chunk {
  DuckChunk(std::shared_ptr<const Handles> handles, duck::Chunk fetched,
            const std::vector<Field>& fields)
      : handles_(std::move(handles)), duck_(handles_->duck), chunk_(fetched) {
    rows = duck_.chunk_rows(chunk_);
    columns.resize(fields.size());
    masks_.resize(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) view(i, fields[i].type);
  }
  DuckChunk(const DuckChunk&) = delete;
  DuckChunk& operator=(const DuckChunk&) = delete;
  ~DuckChunk() { duck_.destroy_chunk(&chunk_); }

 private:
  void view(std::size_t column, Type type) {
    duck::Vector vector = duck_.chunk_vector(chunk_, column);
    const void* data = duck_.vector_data(vector);
    ColumnView& out = columns[column];
    out = {};
    out.type = type;
    out.valid = duck_.vector_validity(vector);
    switch (out.type) {
      case Type::kBool:
        out.bools = static_cast<const bool*>(data);
        break;
      case Type::kInteger:
      case Type::kDate:
      case Type::kTimestamp:
        out.integers = static_cast<const std::int64_t*>(data);
        break;
      case Type::kReal:
        out.reals = static_cast<const double*>(data);
        break;
      case Type::kText:
        out.texts = static_cast<const Text*>(data);
        break;
      case Type::kOther:
        out.valid = presence(column, static_cast<const bool*>(data));
        break;
    }
  }

  const std::uint64_t* presence(std::size_t column, const bool* present) {
    std::vector<std::uint64_t>& mask = masks_[column];
    mask.assign(kChunkRowsMax / 64, 0);
    for (std::size_t i = 0; i < rows; ++i) mask[i / 64] |= std::uint64_t{present[i]} << (i % 64);
    return mask.data();
  }

  std::shared_ptr<const Handles> handles_;  // the database goes after its chunks
  const Library& duck_;
  duck::Chunk chunk_;
  std::vector<std::vector<std::uint64_t>> masks_;
};

class DuckScan final : public Scan {
 public:
  DuckScan(std::filesystem::path path, Fd file, const Library& library)
      : path_(std::move(path)),
        file_(std::move(file)),
        handles_(std::make_shared<Handles>(library)) {}

  Result<> start(const Format& format, const ScanOptions& options) {
    const auto [source, reading] = TRY(look(format, options));
    return stream(source, reading);
  }

  /// From what to select, and how.
  struct Source {
    std::string from;
    Reading reading;
  };
  /// Makes the fields known.
  Result<Source> look(const Format& format, const ScanOptions& options) {
    TRY(open_database(*handles_, options));
    const std::string file = "/proc/self/fd/" + std::to_string(file_.get());
    TRY(lock(*handles_, file));
    TRY(format.parquet ? refuse_wide_parquet(file) : refuse_wide_csv(format, file));
    const std::string source = source_of(format, file, options);
    if (!run(*handles_, "select * from " + source + " limit 0").ok()) {
      return wrong_cell(path_, handles_->duck.answer_error(&handles_->answer));
    }
    std::vector<Field> all = described();
    TRY(few_enough(path_, all.size()));
    if (!format.parquet && all.size() == 1)
      TRY(refuse_ragged(all.front().name, format, file, options));
    TRY(refuse_equal_names(all, format, file, options));
    if (!format.parquet) make_texts(all, options.texts);
    const Reading reading =
        format.parquet ? Reading() : TRY(reading_of(all, format, file, options));
    const std::string types = types_of(all, reading, options.texts);
    fields_ = TRY(chosen(std::move(all), options.columns));
    return Source{source_of(format, file, options, types), reading};
  }

  const std::vector<Field>& fields() const override { return fields_; }

  Result<std::shared_ptr<const Chunk>> take() override {
    const Library& duck = handles_->duck;
    duck::Chunk fetched = duck.fetch_chunk(handles_->answer);
    if (fetched == nullptr) {
      const char* text = duck.answer_error(&handles_->answer);
      if (text != nullptr && *text != '\0') return wrong_cell(path_, text);
      return std::shared_ptr<const Chunk>();
    }
    auto chunk = std::make_shared<DuckChunk>(handles_, fetched, fields_);
    if (chunk->rows == 0) return std::shared_ptr<const Chunk>();
    return std::shared_ptr<const Chunk>(std::move(chunk));
  }

 private:
  /// Before DuckDB makes a column of each name: it needs memory for every one.
  Result<> refuse_wide_csv(const Format& format, const std::string& file) {
    std::string text = TRY(first_bytes(format, file, kLookedAt));
    if (text.size() >= kLookedAt && text.find('\n') == std::string::npos)
      text = TRY(first_bytes(format, file, kHeaderMax));
    const std::size_t columns =
        columns_of_line(std::string_view(text).substr(0, text.find('\n')));
    rows_looked_at_ = std::clamp(kCellsLookedAt / columns, kRowsLookedAtMin, kRowsLookedAtMax);
    return few_enough(path_, columns);
  }

  /// The same of a footer that is long enough to name so many.
  Result<> refuse_wide_parquet(const std::string& file) {
    std::uint32_t footer = 0;
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0 || status.st_size < 12 ||
        ::pread(file_.get(), &footer, sizeof footer, status.st_size - 8) != sizeof footer)
      return {};  // no Parquet, as DuckDB will say
    if (footer < kFooterLookedAt || footer >= static_cast<std::uint64_t>(status.st_size)) return {};
    if (footer > kFooterMax)
      return invalid(path_.string() + " has a description of " + std::to_string(footer >> 20) +
                     " MiB, " + std::to_string(kFooterMax >> 20) +
                     " MiB are read at most: write it in larger groups of rows");
    return few_enough(path_, TRY(parquet_names(file)).size());
  }

  /// Names of the columns as they are in the file.
  Result<std::vector<std::string>> parquet_names(const std::string& file) {
    std::vector<std::string> names;
    bool is_root = true;
    std::int64_t inside = 0;  // parts of the column before that are still to come
    TRY(each_row("select name, cast(coalesce(num_children, 0) as bigint) from parquet_schema('" +
                     file + "')",
                 {{"name", Type::kText}, {"children", Type::kInteger}}, [&](const Chunk& rows) {
                   for (std::size_t row = 0; row < rows.rows; ++row) {
                     const std::int64_t children = rows.columns[1].integers[row];
                     const bool is_part = inside > 0;
                     if (is_part) --inside;
                     if (!is_root) inside += children;
                     if (!is_root && !is_part)
                       names.emplace_back(rows.columns[0].texts[row].view());
                     is_root = false;
                   }
                 }));
    return names;
  }

  /// A table with one name twice: DuckDB would call the second one otherwise, and nobody who asks
  /// for a column by its name could know which one that is.
  Result<> refuse_equal_names(const std::vector<Field>& fields, const Format& format,
                              const std::string& file, const ScanOptions& options) {
    std::vector<std::string> names;
    for (const Field& field : fields) names.push_back(field.name);
    if (!may_be_renamed(names)) return {};
    const auto written = format.parquet
                             ? TRY(parquet_names(file))
                             : TRY(csv_names(fields.size(), format, file, options));
    if (const auto both = collision_of(written))
      return invalid(path_.string() + ": " + *both + ". Give each column a name of its own");
    return {};
  }

  /// The line of names as it is in the file.
  Result<std::vector<std::string>> csv_names(std::size_t columns, const Format& format,
                                             const std::string& file,
                                             const ScanOptions& options) {
    std::vector<std::string> names;
    std::string dialect;
    TRY(each_row("select Delimiter, Quote, Escape from " + call(format, "sniff_csv", file, options),
                 std::vector<Field>(3, {"", Type::kText}), [&](const Chunk& rows) {
                   const char* settings[] = {", delim = ", ", quote = ", ", escape = "};
                   for (std::size_t i = 0; i < 3; ++i) {
                     const std::string_view found = rows.columns[i].texts[0].view();
                     dialect += settings[i] + sql_text(found == "(empty)" ? "" : found);
                   }
                 }));
    TRY(each_row("select * from read_csv('" + file + "', header = false, skip = 0" +
                     ", compression = '" + (format.gzip ? "gzip" : "none") +
                     "', auto_detect = false" + dialect + ", columns = {" + texts_of(columns) +
                     "}) limit 1",
                 std::vector<Field>(columns, {"", Type::kText}), [&](const Chunk& rows) {
                   for (const ColumnView& column : rows.columns)
                     names.emplace_back(column.is_valid(0) ? column.texts[0].view() : "");
                 }));
    return names;
  }

  /// A table that DuckDB takes for one column, though its lines have the separators of several: one
  /// line that has others than the rest is enough for that. Which one is said.
  Result<> refuse_ragged(const std::string& header, const Format& format, const std::string& file,
                         const ScanOptions& options) {
    const std::size_t at = header.find_first_of(kSeparators);
    if (at == std::string::npos) return {};
    const char separator = header[at];
    if (!mostly_have(TRY(first_bytes(format, file, kLookedAt)), separator)) return {};
    const auto columns =
        static_cast<std::size_t>(std::count(header.begin(), header.end(), separator)) + 1;
    const std::string several = ", delim = " + sql_text(std::string(1, separator)) +
                                ", quote = '\"', escape = '\"', strict_mode = true" +
                                ", auto_detect = false, columns = {" + texts_of(columns) + "}";
    const Result<> counted = run(
        *handles_, "select count(*) from " + call(format, "read_csv", file, options, several));
    if (counted.ok()) return {};
    return invalid(path_.string() + ": " + ragged_line(counted.error().message, separator) +
                   ". A cell that holds a separator goes in quotes");
  }

  /// Of what is packed, whole lines.
  Result<std::string> first_bytes(const Format& format, const std::string& file,
                                  std::size_t bytes_max) {
    std::string text;
    if (format.gzip) {
      // A separator that no text has, so that each line is one cell.
      Result<> read = each_row(
          "select line from read_csv('" + file +
              "', header = false, compression = 'gzip', auto_detect = false, delim = '\x1f', "
              "quote = '', escape = '', columns = {'line': 'VARCHAR'}) limit 100",
          {{"line", Type::kText}}, [&](const Chunk& rows) {
            for (std::size_t row = 0; row < rows.rows && text.size() < bytes_max; ++row) {
              if (rows.columns[0].is_valid(row)) text += rows.columns[0].texts[row].view();
              text += '\n';
            }
          });
      if (!read.ok()) text.clear();  // whoever reads it all says what is wrong
      return text;
    }
    text.resize(bytes_max);
    const ssize_t bytes = ::pread(file_.get(), text.data(), text.size(), 0);
    if (bytes < 0) return system_error("cannot read " + path_.string(), errno);
    text.resize(static_cast<std::size_t>(bytes));
    return text;
  }

  /// Runs a query and shows the rows of its answer.
  template <class Visit>
  Result<> each_row(const std::string& sql, const std::vector<Field>& fields, Visit visit) {
    if (!run(*handles_, sql).ok())
      return wrong_cell(path_, handles_->duck.answer_error(&handles_->answer));
    while (duck::Chunk fetched = handles_->duck.fetch_chunk(handles_->answer)) {
      const DuckChunk rows(handles_, fetched, fields);
      if (rows.rows == 0) break;
      visit(rows);
    }
    return {};
  }

  static bool has(const std::vector<Field>& fields, Type type) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const Field& field) { return field.type == type; });
  }

  /// What was found from some rows is checked while all are read. Dates and times in a format of
  /// their own ("31/12/2024") are read by it and by nothing else; those of ISO 8601 are cut to
  /// size.
  Result<Reading> reading_of(const std::vector<Field>& fields, const Format& format,
                             const std::string& file, const ScanOptions& options) {
    Reading reading;
    reading.texts = true;
    if (!has(fields, Type::kDate) && !has(fields, Type::kTimestamp)) return reading;
    std::string date, time;
    if (!run(*handles_, "select coalesce(DateFormat, ''), coalesce(TimestampFormat, '') from " +
                            call(format, "sniff_csv", file, options))
             .ok())
      return wrong_cell(path_, handles_->duck.answer_error(&handles_->answer));
    TRY(read_formats(date, time));
    reading.dates = date.empty() || date == "%Y-%m-%d";
    reading.zoned_times = time.empty();
    return reading;
  }

  Result<> read_formats(std::string& date, std::string& time) {
    duck::Chunk chunk = handles_->duck.fetch_chunk(handles_->answer);
    if (chunk == nullptr)
      return internal("DuckDB says nothing of the formats in " + path_.string());
    const DuckChunk row(handles_, chunk, {{"date", Type::kText}, {"time", Type::kText}});
    if (row.rows == 0) return internal("DuckDB says nothing of the formats in " + path_.string());
    date = row.columns[0].texts[0].view();
    time = row.columns[1].texts[0].view();
    return {};
  }

  static bool is_among(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  static void make_texts(std::vector<Field>& fields, const std::vector<std::string>& names) {
    for (Field& field : fields) {
      if (is_among(names, field.name)) field.type = Type::kText;
    }
  }

  static std::string types_of(const std::vector<Field>& fields, const Reading& reading,
                              const std::vector<std::string>& texts) {
    std::string types;
    for (const Field& field : fields) {
      const bool as_text = (field.type == Type::kInteger && reading.texts) ||
                           (field.type == Type::kDate && reading.dates) ||
                           (field.type == Type::kText && is_among(texts, field.name));
      const bool as_zoned = field.type == Type::kTimestamp && reading.zoned_times;
      if (!as_text && !as_zoned) continue;
      types += (types.empty() ? "" : ", ") + sql_text(field.name) +
               (as_text ? ": 'VARCHAR'" : ": 'TIMESTAMPTZ'");
    }
    return types.empty() ? "" : ", types = {" + types + "}";
  }

  std::string call(const Format& format, const char* function, const std::string& file,
                   const ScanOptions& options, const std::string& more = "") const {
    return std::string(function) + "('" + file + "', header = true, skip = 0, compression = '" +
           (format.gzip ? "gzip" : "none") +
           "', sample_size = " +
           (options.types_from_all_rows ? "-1" : std::to_string(rows_looked_at_)) + more + ")";
  }

  std::string source_of(const Format& format, const std::string& file, const ScanOptions& options,
                        const std::string& more = "") const {
    if (format.parquet) return "read_parquet('" + file + "')";
    return call(format, "read_csv", file, options, more);
  }

  std::vector<Field> described() {
    std::vector<Field> fields;
    const std::uint64_t count = handles_->duck.column_count(&handles_->answer);
    for (std::uint64_t i = 0; i < count; ++i) {
      fields.push_back({handles_->duck.column_name(&handles_->answer, i),
                        type_of(handles_->duck.column_type(&handles_->answer, i))});
    }
    return fields;
  }

  Result<std::vector<Field>> chosen(std::vector<Field> all, const std::vector<std::string>& names) {
    if (names.empty()) return all;
    std::vector<Field> some;
    for (const std::string& name : names) {
      auto found =
          std::find_if(all.begin(), all.end(), [&](const Field& f) { return f.name == name; });
      if (found == all.end()) {
        std::vector<std::string> known;
        for (const Field& field : all) known.push_back(field.name);
        auto near = nearest(name, known);
        return missing(path_.string() + " has no column '" + name + "'" +
                       (near ? "; did you mean '" + *near + "'?" : ""));
      }
      some.push_back(*found);
    }
    return some;
  }

  Result<> stream(const std::string& source, const Reading& reading) {
    std::string sql = "select ";
    for (const Field& field : fields_) sql += selected(field, reading) + ", ";
    sql.resize(sql.size() - 2);
    sql += " from " + source;
    handles_->end_answer();
    const Library& duck = handles_->duck;
    duck::Prepared prepared = nullptr;
    duck::Pending pending = nullptr;
    bool ok = duck.prepare(handles_->connection, sql.c_str(), &prepared) == duck::Outcome::kSuccess;
    Result<> result;
    if (!ok) {
      result = wrong_cell(path_, duck.prepare_error(prepared));
    } else if (duck.pending_streaming(prepared, &pending) != duck::Outcome::kSuccess) {
      result = wrong_cell(path_, duck.pending_error(pending));
    } else {
      handles_->has_answer = true;
      if (duck.execute_pending(pending, &handles_->answer) != duck::Outcome::kSuccess)
        result = wrong_cell(path_, duck.answer_error(&handles_->answer));
    }
    if (pending != nullptr) duck.destroy_pending(&pending);
    if (prepared != nullptr) duck.destroy_prepared(&prepared);
    return result;
  }

  std::filesystem::path path_;
  Fd file_;
  std::shared_ptr<Handles> handles_;
  std::vector<Field> fields_;
  std::size_t rows_looked_at_ = kRowsLookedAtMax;
};

}  // namespace

Result<const Chunk*> Scan::next() {
  current_.reset();  // its memory can be used for the next one
  current_ = TRY(take());
  return current_.get();
}

const char* to_string(Type type) {
  static constexpr const char* kNames[] = {"bool", "integer",   "real", "text",
                                           "date", "timestamp", "other"};
  return kNames[static_cast<std::size_t>(type)];
}

namespace {

Result<std::unique_ptr<DuckScan>> unstarted(const std::filesystem::path& path) {
  Fd file = TRY(open_file(path));
  const Library* library = TRY(duck::library());
  return std::make_unique<DuckScan>(path, std::move(file), *library);
}

}  // namespace

Result<std::unique_ptr<Scan>> Scan::open(const std::filesystem::path& path,
                                         const ScanOptions& options) {
  const Format format = TRY(format_of(path));
  std::unique_ptr<DuckScan> scan = TRY(unstarted(path));
  TRY(scan->start(format, options));
  return std::unique_ptr<Scan>(std::move(scan));
}

Result<std::vector<Field>> Scan::fields_of(const std::filesystem::path& path,
                                           const ScanOptions& options) {
  const Format format = TRY(format_of(path));
  const std::unique_ptr<DuckScan> scan = TRY(unstarted(path));
  TRY(scan->look(format, options));
  return scan->fields();
}

bool Scan::has_columns_apart(const std::filesystem::path& path) {
  const Result<Format> format = format_of(path);
  return format.ok() && format->parquet;
}

Result<std::string> library_version() {
  const Library* library = TRY(duck::library());
  return "DuckDB " + std::string(library->version());
}

namespace {

constexpr char kCsv[] = ", header = true, delim = ',', ";

Result<> copy_to_parquet(const std::filesystem::path& csv, const std::filesystem::path& parquet,
                         const std::string& how_to_read) {
  Handles handles(*TRY(duck::library()));
  TRY(open_database(handles, {}));
  const std::string from = sql_text(csv.string()), to = sql_text(parquet.string());
  TRY(run(handles, "set allowed_paths = [" + from + ", " + to + "]"));
  TRY(run(handles, "set enable_external_access = false"));
  return run(handles, "copy (select * from read_csv(" + from + kCsv + how_to_read + ")) to " + to +
                          " (format parquet)");
}

const char* sql_type(Type type) {
  switch (type) {
    case Type::kBool:
      return "BOOLEAN";
    case Type::kInteger:
      return "BIGINT";
    case Type::kReal:
      return "DOUBLE";
    case Type::kTimestamp:
      return "TIMESTAMP WITH TIME ZONE";  // whoever reads it knows that it is UTC
    default:
      return "VARCHAR";
  }
}

}  // namespace

Result<> csv_to_parquet(const std::filesystem::path& csv, const std::filesystem::path& parquet) {
  return copy_to_parquet(csv, parquet, "sample_size = -1");
}

Result<> csv_to_parquet(const std::filesystem::path& csv, const std::filesystem::path& parquet,
                        const std::vector<Field>& columns) {
  std::map<std::string, std::string> seen;
  std::string types;
  for (const Field& column : columns) {
    const auto [at, is_new] = seen.emplace(to_lower(column.name), column.name);
    if (!is_new) {
      return invalid("the columns '" + at->second + "' and '" + column.name +
                     "' are one in a Parquet file: there case does not tell names apart");
    }
    types += (types.empty() ? "" : ", ") + sql_text(column.name) + ": '" +
             sql_type(column.type) + "'";
  }
  // A line may hold what a client has put into tags, and a text in quotes is never null.
  return copy_to_parquet(csv, parquet,
                         "quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, "
                         "auto_detect = false, strict_mode = true, parallel = false, "
                         "max_line_size = 33554432, buffer_size = 67108864, columns = {" +
                             types + "}");
}

}  // namespace slipway::table
