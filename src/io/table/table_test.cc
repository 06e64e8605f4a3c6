#include "io/table/table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

#include "io/table/table_testing.h"

namespace slipway::table {
namespace {

std::unique_ptr<Scan> open(const std::filesystem::path& path, ScanOptions options = {}) {
  auto scan = Scan::open(path, options);
  EXPECT_TRUE(scan.ok()) << (scan.ok() ? "" : scan.error().message);
  return scan.ok() ? std::move(scan).value() : nullptr;
}

std::size_t count_rows(Scan& scan) {
  std::size_t rows = 0;
  for (;;) {
    auto chunk = scan.next();
    EXPECT_TRUE(chunk.ok()) << (chunk.ok() ? "" : chunk.error().message);
    if (!chunk.ok() || *chunk == nullptr) return rows;
    EXPECT_LE((*chunk)->rows, kChunkRowsMax);
    rows += (*chunk)->rows;
  }
}

TEST(Text, IsTheTextItWasMadeOf) {
  for (std::size_t size : {0u, 1u, 11u, 12u, 13u, 500u}) {
    const std::string text(size, 'x');
    const Text cell(text);
    EXPECT_EQ(cell.view(), text);
    EXPECT_EQ(cell.size(), size);
    EXPECT_EQ(cell.is_inside(), size <= 12);
    const Text copy = cell;
    EXPECT_EQ(copy.view(), text);
  }
  EXPECT_EQ(Text().view(), "");
}

TEST(Scan, TellsTheTypesOfACsvFile) {
  TestFolder folder;
  auto scan = open(folder.write("a.csv",
                                "n,x,s,b,d,t\n1,0.5,hello,true,2011-01-01,2011-01-01 12:00:00\n"
                                ",,,,,\n-3,nan,a longer text than twelve,false,1969-12-31,\n"));
  ASSERT_NE(scan, nullptr);
  std::vector<Type> types;
  for (const Field& field : scan->fields()) types.push_back(field.type);
  EXPECT_EQ(types, (std::vector<Type>{Type::kInteger, Type::kReal, Type::kText, Type::kBool,
                                      Type::kDate, Type::kTimestamp}));
  auto next = scan->next();
  ASSERT_TRUE(next.ok());
  const Chunk& chunk = **next;
  ASSERT_EQ(chunk.rows, 3u);
  EXPECT_EQ(chunk.columns[0].integers[0], 1);
  EXPECT_EQ(chunk.columns[0].integers[2], -3);
  for (const ColumnView& column : chunk.columns) EXPECT_FALSE(column.is_valid(1));
  EXPECT_DOUBLE_EQ(chunk.columns[1].reals[0], 0.5);
  EXPECT_TRUE(std::isnan(chunk.columns[1].reals[2]));
  EXPECT_EQ(chunk.columns[2].texts[0].view(), "hello");
  EXPECT_EQ(chunk.columns[2].texts[2].view(), "a longer text than twelve");
  EXPECT_TRUE(chunk.columns[3].bools[0]);
  EXPECT_EQ(chunk.columns[4].integers[0], 1'293'840'000'000'000);
  EXPECT_EQ(chunk.columns[4].integers[2], -86'400'000'000);
  EXPECT_EQ(chunk.columns[5].integers[0], 1'293'883'200'000'000);
}

TEST(Scan, ReadsParquetInTheFilesOrder) {
  TestFolder folder;
  auto scan = open(
      folder.parquet("a.parquet",
                     "select i, cast(i % 100 as utinyint) small, cast(i as float) / 2 x, [i] list, "
                     "cast(i as decimal(18,2)) as price from range(300000) t(i)"));
  ASSERT_NE(scan, nullptr);
  EXPECT_EQ(scan->fields()[1].type, Type::kInteger);
  EXPECT_EQ(scan->fields()[2].type, Type::kReal);
  EXPECT_EQ(scan->fields()[3].type, Type::kOther);
  EXPECT_EQ(scan->fields()[4].type, Type::kReal);
  std::int64_t expected = 0;
  while (true) {
    auto next = scan->next();
    ASSERT_TRUE(next.ok()) << next.error().message;
    if (*next == nullptr) break;
    for (std::size_t row = 0; row < (*next)->rows; ++row, ++expected) {
      ASSERT_EQ((*next)->columns[0].integers[row], expected);
      ASSERT_TRUE((*next)->columns[3].is_valid(row));
      ASSERT_DOUBLE_EQ((*next)->columns[4].reals[row], static_cast<double>(expected));
    }
  }
  EXPECT_EQ(expected, 300'000);
}

TEST(Scan, ReadsOnlyTheColumnsAskedForInTheirOrder) {
  TestFolder folder;
  auto path = folder.write("a.csv", "a,\"b \"\"q\",c\n1,2,3\n");
  ScanOptions options;
  options.columns = {"c", "b \"q"};
  auto scan = open(path, options);
  ASSERT_NE(scan, nullptr);
  auto next = scan->next();
  ASSERT_TRUE(next.ok());
  EXPECT_EQ((*next)->columns[0].integers[0], 3);
  EXPECT_EQ((*next)->columns[1].integers[0], 2);
  options.columns = {"cc"};
  auto wrong = Scan::open(path, options);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, Code::kMissing);
  EXPECT_NE(wrong.error().message.find("did you mean 'c'?"), std::string::npos);
}

TEST(Scan, ALateCellOfAnotherTypeIsAnErrorUnlessAllRowsAreLookedAt) {
  TestFolder folder;
  std::string text = "n\n";
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + "\n";
  auto path = folder.write("late.csv", text + "seven\n");
  auto scan = open(path);
  ASSERT_NE(scan, nullptr);
  Result<const Chunk*> next = nullptr;
  do {
    next = scan->next();
  } while (next.ok() && *next != nullptr);
  ASSERT_FALSE(next.ok());
  EXPECT_EQ(next.error().tag, "cell_type") << next.error().message;
  ScanOptions options;
  options.types_from_all_rows = true;
  auto whole = open(path, options);
  ASSERT_NE(whole, nullptr);
  EXPECT_EQ(whole->fields()[0].type, Type::kText);
  EXPECT_EQ(count_rows(*whole), 200'001u);
}

/// What comes late may be met when the scan is opened already.
Result<> read_all(const std::filesystem::path& path) {
  auto scan = TRY(Scan::open(path));
  while (TRY(scan->next()) != nullptr) {
  }
  return {};
}

TEST(Scan, ALateFractionAmongWholeNumbersIsNotRounded) {
  for (const std::string late : {"1.5", "-0.4", "100.0", "15e-1", "1E3"}) {
    TestFolder folder;
    std::string text = "n\n";
    for (int i = 0; i < 30'000; ++i) text += std::to_string(i) + "\n";
    auto path = folder.write("late.csv", text + late + "\n");
    const Result<> read = read_all(path);
    ASSERT_FALSE(read.ok()) << late;
    EXPECT_EQ(read.error().tag, "cell_type") << read.error().message;
    EXPECT_NE(read.error().message.find(late), std::string::npos) << read.error().message;
    ScanOptions options;
    options.types_from_all_rows = true;
    auto whole = open(path, options);
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(whole->fields()[0].type, Type::kReal);
    EXPECT_EQ(count_rows(*whole), 30'001u);
  }
}

/// A column of so many cells and then another one.
std::string cells(const std::string& usual, const std::string& late) {
  std::string text = "t,n\n";
  for (int i = 0; i < 30'000; ++i) text += usual + "," + std::to_string(i) + "\n";
  return text + late + ",0\n";
}

/// The last cell of the first column.
Result<std::int64_t> last_integer(const std::filesystem::path& path, const ScanOptions& options) {
  auto scan = TRY(Scan::open(path, options));
  std::int64_t last = 0;
  while (const Chunk* chunk = TRY(scan->next())) {
    const std::int64_t* integers = chunk->columns[0].integers;
    if (integers == nullptr)
      return internal("it is " + std::string(to_string(scan->fields()[0].type)));
    last = integers[chunk->rows - 1];
  }
  return last;
}

constexpr std::int64_t kSecond = 1'000'000, kDay = 86'400 * kSecond;
constexpr std::int64_t kJan3 = 19'725 * kDay;  // 2024-01-03

TEST(Scan, WhatComesLateBehindADateIsNotDropped) {
  struct Row {
    const char* late;
    Type type;
    std::int64_t micros;
  };
  const Row rows[] = {
      {"2024-01-03 13:00", Type::kTimestamp, kJan3 + 13 * 3600 * kSecond},
      {"2024-01-03T00:00:30", Type::kTimestamp, kJan3 + 30 * kSecond},
      {"2024-01-03 00:00:00", Type::kTimestamp, kJan3},
      {"2024-01-03T01:00:00+02:00", Type::kTimestamp, kJan3 - 3600 * kSecond},
      {"2024-01-03 or so", Type::kText, 0},
  };
  for (const Row& row : rows) {
    TestFolder folder;
    const auto path = folder.write("late.csv", cells("2024-01-02", row.late));
    const Result<> read = read_all(path);
    ASSERT_FALSE(read.ok()) << row.late;
    EXPECT_EQ(read.error().tag, "cell_type") << read.error().message;
    EXPECT_NE(read.error().message.find(row.late), std::string::npos) << read.error().message;
    ScanOptions options;
    options.types_from_all_rows = true;
    auto whole = open(path, options);
    ASSERT_NE(whole, nullptr);
    EXPECT_EQ(whole->fields()[0].type, row.type) << row.late;
    if (row.type == Type::kTimestamp) {
      EXPECT_EQ(*last_integer(path, options), row.micros) << row.late;
    }
  }
}

TEST(Scan, DatesAreReadAsTheyAre) {
  struct Row {
    const char *usual, *late;
    std::int64_t micros;
  };
  const Row rows[] = {
      {"2024-01-02", "2024-01-03", kJan3}, {"2024-01-02", " 2024-01-03 ", kJan3},
      {"31/12/2023", "03/01/2024", kJan3}, {"2024/01/02", "2024/01/03", kJan3},
      {"2024-01-02", "1969-12-31", -kDay}, {"2024-01-02", "12024-01-02", 317'273'673'600 * kSecond},
  };
  for (const Row& row : rows) {
    TestFolder folder;
    const auto path = folder.write("dates.csv", cells(row.usual, row.late));
    for (const bool all : {false, true}) {
      ScanOptions options;
      options.types_from_all_rows = all;
      auto scan = open(path, options);
      ASSERT_NE(scan, nullptr);
      EXPECT_EQ(scan->fields()[0].type, Type::kDate) << row.late;
      const auto last = last_integer(path, options);
      ASSERT_TRUE(last.ok()) << last.error().message;
      EXPECT_EQ(*last, row.micros) << row.late;
    }
  }
}

TEST(Scan, ATimeKeepsItsZoneHoweverLateItComes) {
  struct Row {
    const char *usual, *late;
    int hour;  // of January 3rd, UTC
  };
  const Row rows[] = {
      {"2024-01-02 10:00:00", "2024-01-03 13:00:00+02:00", 11},
      {"2024-07-02T10:00:00+02:00", "2024-01-03 13:00:00", 13},  // wherever this runs
      {"13/01/2024 10:00:00", "03/01/2024 13:00:00", 13},
  };
  for (const Row& row : rows) {
    TestFolder folder;
    const auto path = folder.write("times.csv", cells(row.usual, row.late));
    const auto last = last_integer(path, {});
    ASSERT_TRUE(last.ok()) << row.late << ": " << last.error().message;
    EXPECT_EQ(*last, kJan3 + row.hour * 3600 * kSecond) << row.late;
  }
}

TEST(Scan, WholeNumbersOfTextAreReadAsTheyAre) {
  TestFolder folder;
  auto scan = open(folder.write(
      "whole.csv", "\"it's \"\"n\"\"\",n,m,x\n1,-9223372036854775808,7,0.5\n2,,8,1\n"));
  ASSERT_NE(scan, nullptr);
  for (int i = 0; i < 3; ++i) {
    const Field& field = scan->fields()[static_cast<std::size_t>(i)];
    ASSERT_EQ(field.type, Type::kInteger) << field.name;
  }
  auto next = scan->next();
  ASSERT_TRUE(next.ok()) << next.error().message;
  ASSERT_EQ((*next)->rows, 2u);
  const std::vector<ColumnView>& columns = (*next)->columns;
  EXPECT_EQ(columns[0].integers[1], 2);
  EXPECT_EQ(columns[1].integers[0], std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(columns[1].is_valid(1));
  EXPECT_EQ(columns[2].integers[0], 7);
  EXPECT_EQ(columns[2].integers[1], 8);
}

TEST(Scan, FileNamesAreNoPatternsAndNoSql) {
  TestFolder folder;
  auto path = folder.write("a[1]*'x.csv", "n\n1\n");
  folder.write("a1.csv", "n\n1\n2\n");
  auto scan = open(path);
  ASSERT_NE(scan, nullptr);
  EXPECT_EQ(count_rows(*scan), 1u);
}

TEST(Scan, AnEmptyTableHasFieldsAndNoChunk) {
  TestFolder folder;
  auto csv = open(folder.write("a.csv", "n,s\n"));
  ASSERT_NE(csv, nullptr);
  EXPECT_EQ(csv->fields().size(), 2u);
  EXPECT_EQ(count_rows(*csv), 0u);
  auto parquet = open(folder.parquet("a.parquet", "select 1 n where false"));
  ASSERT_NE(parquet, nullptr);
  EXPECT_EQ(count_rows(*parquet), 0u);
}

TEST(CsvToParquet, TakesTheTypesThatItIsTold) {
  TestFolder folder;
  const auto csv = folder.write("a.csv",
                                "id,lr,auc,at,old\n001,\"a,\"\"b\nc\",0.30000000000000004,"
                                "2011-01-01T12:00:00.250Z,true\n002,\"\",NaN,,false\n003,,,,\n");
  const std::vector<Field> fields = {{"id", Type::kText},
                                     {"lr", Type::kText},
                                     {"auc", Type::kReal},
                                     {"at", Type::kTimestamp},
                                     {"old", Type::kBool}};
  const auto to = folder.path() / "a.parquet";
  const Result<> done = csv_to_parquet(csv, to, fields);
  ASSERT_TRUE(done.ok()) << done.error().message;
  auto scan = open(to);
  ASSERT_NE(scan, nullptr);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    EXPECT_EQ(scan->fields()[i].name, fields[i].name);
    EXPECT_EQ(scan->fields()[i].type, fields[i].type);
  }
  const auto chunk = scan->next();
  ASSERT_TRUE(chunk.ok());
  ASSERT_EQ((*chunk)->rows, 3u);
  const std::vector<ColumnView>& columns = (*chunk)->columns;
  EXPECT_EQ(columns[0].texts[0].view(), "001");
  EXPECT_EQ(columns[1].texts[0].view(), "a,\"b\nc");
  EXPECT_TRUE(columns[1].is_valid(1));
  EXPECT_EQ(columns[1].texts[1].view(), "") << "a text in quotes is no null";
  EXPECT_FALSE(columns[1].is_valid(2));
  EXPECT_EQ(columns[2].reals[0], 0.1 + 0.2);
  EXPECT_TRUE(std::isnan(columns[2].reals[1]));
  EXPECT_FALSE(columns[2].is_valid(2));
  EXPECT_EQ(columns[3].integers[0], 1293883200250000);
  EXPECT_FALSE(columns[4].is_valid(2));
}

TEST(CsvToParquet, RefusesNamesThatDifferInCaseOnly) {
  TestFolder folder;
  const Result<> done = csv_to_parquet(folder.write("a.csv", "a,A\n1,2\n"),
                                       folder.path() / "a.parquet",
                                       {{"a", Type::kText}, {"A", Type::kText}});
  ASSERT_FALSE(done.ok());
  EXPECT_NE(done.error().message.find("'a' and 'A'"), std::string::npos);
}

TEST(Scan, WhatIsNoTableIsRefused) {
  TestFolder folder;
  auto code = [&](const std::filesystem::path& path) {
    auto scan = Scan::open(path);
    EXPECT_FALSE(scan.ok());
    return scan.ok() ? Code::kInternal : scan.error().code;
  };
  EXPECT_EQ(code(folder.path() / "none.csv"), Code::kMissing);
  EXPECT_EQ(code(folder.write("a.json", "[]")), Code::kInvalid);
  EXPECT_EQ(code(folder.write("a.parquet", "PAR1 but no more")), Code::kInvalid);
  EXPECT_EQ(code(folder.path() / ".." / folder.path().filename()), Code::kInvalid);
  std::filesystem::create_directory(folder.path() / "b.csv");
  EXPECT_EQ(code(folder.path() / "b.csv"), Code::kInvalid);
  std::filesystem::path pipe = folder.path() / "c.csv.gz";
  folder.write("c.csv.gz", "this is not compressed\n");
  EXPECT_EQ(code(pipe), Code::kInvalid);
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The error that ends a scan, or nothing.
std::optional<Error> ended_by(const std::filesystem::path& path, const ScanOptions& options = {}) {
  auto scan = Scan::open(path, options);
  if (!scan.ok()) return scan.error();
  for (;;) {
    auto chunk = (*scan)->next();
    if (!chunk.ok()) return chunk.error();
    if (*chunk == nullptr) return std::nullopt;
  }
}

TEST(Scan, DamagedParquetEndsWithAnErrorThatNamesTheFile) {
  TestFolder folder;
  const std::string whole = bytes_of(
      folder.parquet("whole.parquet", "select i, hash(i) % 1000 as h from range(30000) t(i)"));
  ASSERT_GT(whole.size(), 1000u);
  for (std::size_t keep : {whole.size() / 2, whole.size() - 1, std::size_t{12}}) {
    auto error = ended_by(folder.write("short.parquet", whole.substr(0, keep)));
    ASSERT_TRUE(error.has_value()) << keep;
    EXPECT_NE(error->message.find("short.parquet"), std::string::npos) << error->message;
  }
  for (std::size_t at = 4; at < whole.size(); at += whole.size() / 12) {
    std::string damaged = whole;
    for (std::size_t i = at; i < std::min(at + 16, whole.size()); ++i) damaged[i] = '\xa5';
    ended_by(folder.write("damaged.parquet", damaged));  // an error or not, and no crash
  }
}

TEST(Scan, KeepsToItsLimitOfMemory) {
  TestFolder folder;
  ScanOptions options;
  options.memory_bytes_max = 1 << 20;
  auto error =
      ended_by(folder.parquet("wide.parquet",
                              "select repeat(hash(i)::varchar, 20000) as t from range(300) t(i)"),
               options);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, Code::kBusy) << error->message;
}

TEST(Scan, ManyScansAtOnceDoNotMix) {
  TestFolder folder;
  auto first = open(folder.parquet("a.parquet", "select i from range(10000) t(i)"));
  auto second = open(folder.parquet("b.parquet", "select -i as i from range(10000) t(i)"));
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  auto a = first->next();
  auto b = second->next();
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ((*a)->columns[0].integers[5], 5);
  EXPECT_EQ((*b)->columns[0].integers[5], -5);
}

TEST(Scan, ALineOfOtherLengthIsNamedAndMakesNoTableOfOneColumn) {
  TestFolder folder;
  const auto fault_of = [&](const std::string& text) {
    const auto scan = Scan::open(folder.write("ragged.csv", text));
    if (!scan.ok()) return scan.error().message;
    for (;;) {
      const auto chunk = (*scan)->next();
      if (!chunk.ok()) return chunk.error().message;
      if (*chunk == nullptr) return std::string();
    }
  };
  std::string lines = "a,b,c\n";
  for (int i = 0; i < 2000; ++i) lines += std::to_string(i) + ",x,2.5\n";
  EXPECT_EQ(fault_of(lines), "");
  EXPECT_TRUE(fault_of(lines + "1,2\n")
                  .ends_with("line 2002 has 2 cells separated by ',', the line of names has 3. A "
                             "cell that holds a separator goes in quotes"))
      << fault_of(lines + "1,2\n");
  // Not the one line of a table that begins there.
  EXPECT_NE(fault_of(lines + "1,2,3,4\n").find("line 2002 has 4 cells"), std::string::npos);
  EXPECT_NE(fault_of("a;b\n1;2\n3\n").find("line 3 has 1 cells"), std::string::npos);
  // Also where most lines are not like the line of names, or none is.
  EXPECT_NE(fault_of("a,b,c\n1,2\n3,4\n5,6\n").find("line 2 has 2 cells"), std::string::npos);
  EXPECT_NE(fault_of("a,b,c\n1,2,3\n3,4\n5,6\n").find("line 3 has 2 cells"), std::string::npos);
  EXPECT_NE(fault_of("a,b\n1,2,3\n3,4,5\n").find("line 2 has 3 cells"), std::string::npos);
  // Names and cells of one column may have such letters.
  EXPECT_EQ(fault_of("name\nx,y\nz\n"), "");
  EXPECT_EQ(fault_of("\"na,me\"\nx\nz\n"), "");
  EXPECT_EQ(fault_of("price (EUR; net)\n3\n4\n"), "");
  EXPECT_NE(fault_of("").find("is empty"), std::string::npos);
}

TEST(Csv, WhatIsWrongWithAFileIsSaidShortly) {
  TestFolder folder;
  auto said = [&](const std::string& content) {
    auto scan = Scan::open(folder.write("wrong.csv", content));
    if (!scan.ok()) return scan.error().message;
    for (;;) {
      auto chunk = (*scan)->next();
      if (!chunk.ok()) return chunk.error().message;
      if (*chunk == nullptr) return std::string();
    }
  };
  std::string late = "a,b\n";
  for (int i = 0; i < 30'000; ++i) late += "1,2\n";
  const std::pair<std::string, const char*> wrong[] = {
      {"a,b\n1,\xFC\n2,\xE9\n", "utf-8"},
      {std::string("\xFF\xFE") + std::string("a\0,\0b\0\n\0" "1\0,\0\xFC\0\n\0", 16), "utf-8"},
      {"a,b\n1," + std::string(5'000'000, 'x') + "\n", "Maximum line size"},
      {late + "1,2,3\n", "Expected Number of Columns: 2 Found: 3"},
  };
  for (const auto& [content, why] : wrong) {
    const std::string message = said(content);
    EXPECT_NE(message.find(why), std::string::npos) << message;
    EXPECT_EQ(message.find("/proc"), std::string::npos) << message;
    EXPECT_LT(message.size(), 600u);
  }
}

TEST(Csv, AColumnThatIsSaidToBeTextIsReadAsItIsWritten) {
  TestFolder folder;
  const auto path = folder.write(
      "t.csv", "id,n,flag,day\n007,1,True,2024-01-01\n1.00,2,False,2024-01-02\n,3,,\n");
  ScanOptions options;
  options.texts = {"id", "flag", "day", "absent"};
  auto scan = Scan::open(path, options);
  ASSERT_TRUE(scan.ok()) << scan.error().message;
  const std::vector<Field>& fields = (*scan)->fields();
  EXPECT_EQ(fields[0].type, Type::kText);
  EXPECT_EQ(fields[1].type, Type::kInteger);
  auto chunk = (*scan)->next();
  ASSERT_TRUE(chunk.ok()) << chunk.error().message;
  const Chunk& rows = **chunk;
  EXPECT_EQ(rows.columns[0].texts[0].view(), "007");
  EXPECT_EQ(rows.columns[0].texts[1].view(), "1.00");
  EXPECT_FALSE(rows.columns[0].is_valid(2));
  EXPECT_EQ(rows.columns[1].integers[2], 3);
  EXPECT_EQ(rows.columns[2].texts[0].view(), "True");
  EXPECT_EQ(rows.columns[3].texts[1].view(), "2024-01-02");
}

std::string names(std::size_t columns) {
  std::string line;
  for (std::size_t i = 0; i < columns; ++i) line += (i == 0 ? "c" : ",c") + std::to_string(i);
  return line + "\n";
}

TEST(Scan, RefusesATableOfTooManyColumnsBeforeItIsRead) {
  TestFolder folder;
  std::string cells = "1";
  for (std::size_t i = 1; i < 100'000; ++i) cells += ",1";
  const std::string wide = names(100'000) + cells + "\n";
  std::string select = "select 1 as c0";
  for (std::size_t i = 1; i <= kColumnsMax; ++i) select += ", 1 as c" + std::to_string(i);
  ScanOptions little;
  little.memory_bytes_max = 64u << 20;  // less than so many columns of DuckDB take
  for (const auto& [file, found] :
       {std::pair(folder.write("wide.csv", wide), 100'000u),
        std::pair(folder.parquet("wide.parquet", select), unsigned(kColumnsMax + 1))}) {
    const auto scan = Scan::open(file, little);
    ASSERT_FALSE(scan.ok());
    EXPECT_EQ(scan.error().code, Code::kInvalid);
    EXPECT_NE(scan.error().message.find("has " + std::to_string(found) +
                                        " columns, 4096 are read at most"),
              std::string::npos)
        << scan.error().message;
  }
}

TEST(Scan, RefusesTwoColumnsOfOneName) {
  TestFolder folder;
  const auto fault_of = [&](const std::filesystem::path& path) {
    const auto fields = Scan::fields_of(path);
    return fields.ok() ? std::string() : fields.error().message;
  };
  const auto csv = [&](const std::string& text) { return fault_of(folder.write("t.csv", text)); };
  EXPECT_NE(csv("a,b,a\n1,2,3\n").find("columns 1 and 3 are both named 'a'"), std::string::npos);
  EXPECT_NE(csv("a;\"b;c\";A\n1;2;3\n").find("columns 1 ('a') and 3 ('A') have one name: case"),
            std::string::npos);
  EXPECT_NE(csv("a,,column1\n1,2,3\n").find("columns 2 (without a name) and 3 ('column1')"),
            std::string::npos)
      << csv("a,,column1\n1,2,3\n");
  // Names that DuckDB itself could have given.
  EXPECT_EQ(csv("a,b,a_1\n1,2,3\n"), "");
  EXPECT_EQ(csv("a_1,a,b_2\n1,2,3\n"), "");
  EXPECT_EQ(fault_of(folder.parquet("t.parquet", "select 1 as a, {'a': 1, 'b': {'a': 2}} as s, "
                                                 "2 as a_1")),
            "");
  EXPECT_EQ(fault_of(folder.write("t.csv", "")).find("column"), std::string::npos);
}

// DuckDB writes no such file, so the second name is changed in one.
TEST(Scan, RefusesTwoColumnsOfOneNameInParquet) {
  TestFolder folder;
  std::string bytes = bytes_of(folder.parquet("t.parquet", "select 1 as aXa, 2 as s, 3 as aYa"));
  for (std::size_t at = 0; (at = bytes.find("aYa", at)) != std::string::npos; ++at)
    bytes[at + 1] = 'x';
  const auto fields = Scan::fields_of(folder.write("same.parquet", bytes));
  ASSERT_FALSE(fields.ok());
  EXPECT_NE(fields.error().message.find("columns 1 ('aXa') and 3 ('axa') have one name"),
            std::string::npos)
      << fields.error().message;
}

/// All cells of a column of numbers, NaN where there is none.
std::vector<double> numbers(Scan& scan, std::size_t column) {
  std::vector<double> all;
  for (;;) {
    auto chunk = scan.take();
    EXPECT_TRUE(chunk.ok()) << (chunk.ok() ? "" : chunk.error().message);
    if (!chunk.ok() || *chunk == nullptr) return all;
    const ColumnView& view = (*chunk)->columns[column];
    for (std::size_t row = 0; row < (*chunk)->rows; ++row)
      all.push_back(!view.is_valid(row)            ? std::nan("")
                    : view.type == Type::kInteger ? static_cast<double>(view.integers[row])
                                                  : view.reals[row]);
  }
}

std::unique_ptr<Scan> open_all(const Paths& paths, ScanOptions options = {}) {
  auto scan = Scan::open(paths, options);
  EXPECT_TRUE(scan.ok()) << (scan.ok() ? "" : scan.error().message);
  return scan.ok() ? std::move(scan).value() : nullptr;
}

TEST(SeveralFiles, AreOneTableOfTheColumnsThatAllHave) {
  TestFolder folder;
  const Paths paths{folder.write("a.csv", "n,x,only\n1,0.5,z\n,1.5,z\n"),
                    folder.write("b.csv", "x,n,day\n2,3,2011-01-01\n"),
                    folder.parquet("c.parquet", "select 4.5::real as x, 7::tinyint as n")};
  auto scan = open_all(paths);
  ASSERT_NE(scan, nullptr);
  ASSERT_EQ(scan->fields().size(), 2u);
  EXPECT_EQ(scan->fields()[0].name, "n");
  EXPECT_EQ(scan->fields()[0].type, Type::kInteger);
  EXPECT_EQ(scan->fields()[1].name, "x");
  EXPECT_EQ(scan->fields()[1].type, Type::kReal) << "whole numbers in the second file";
  EXPECT_EQ(numbers(*scan, 1), (std::vector<double>{0.5, 1.5, 2, 4.5}));

  ScanOptions both;
  both.columns = {"x", "n"};
  auto chosen = open_all(paths, both);
  ASSERT_NE(chosen, nullptr);
  const std::vector<double> n = numbers(*chosen, 1);
  ASSERT_EQ(n.size(), 4u);
  EXPECT_EQ(n[0], 1);
  EXPECT_TRUE(std::isnan(n[1]));
  EXPECT_EQ(n[2], 3);
  EXPECT_EQ(n[3], 7);
}

TEST(SeveralFiles, KeepChunksOfAFileThatIsDone) {
  TestFolder folder;
  const std::string far = "a text that does not fit into sixteen bytes";
  auto scan =
      open_all({folder.write("a.csv", "s\n" + far + "\n"), folder.write("b.csv", "s\nb\n")});
  ASSERT_NE(scan, nullptr);
  auto first = scan->take();
  auto second = scan->take();
  ASSERT_TRUE(first.ok() && second.ok() && *second != nullptr);
  EXPECT_EQ((*scan->take()), nullptr);
  scan.reset();
  EXPECT_EQ((*first)->columns[0].texts[0].view(), far);
  EXPECT_EQ((*second)->columns[0].texts[0].view(), "b");
}

TEST(SeveralFiles, WhoseTypesDoNotGoTogetherLackTheColumn) {
  TestFolder folder;
  const Paths paths{folder.write("a.csv", "n,x\n1,2\n"), folder.write("b.csv", "n,x\none,2\n")};
  auto fields = Scan::fields_of(paths);
  ASSERT_TRUE(fields.ok());
  ASSERT_EQ(fields->size(), 1u);
  EXPECT_EQ(fields->front().name, "x");
  ScanOptions one;
  one.columns = {"n"};
  auto asked = Scan::open(paths, one);
  ASSERT_FALSE(asked.ok());
  EXPECT_EQ(asked.error().code, Code::kInvalid);
  EXPECT_NE(asked.error().message.find("'n'"), std::string::npos) << asked.error().message;
  auto nothing = Scan::open({folder.write("c.csv", "p\n1\n"), folder.write("d.csv", "q\n1\n")});
  ASSERT_FALSE(nothing.ok());
  EXPECT_NE(nothing.error().message.find("no column in common"), std::string::npos);
  auto gone = Scan::open(Paths{paths[0], folder.path() / "gone.csv"});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, Code::kMissing);
}

TEST(SeveralFiles, TellWhichOneHasAWrongCell) {
  TestFolder folder;
  std::string late = "n\n";
  for (int i = 0; i < 30'000; ++i) late += "1\n";
  const Paths paths{folder.write("a.csv", "n\n1\n"), folder.write("b.csv", late + "one\n")};
  auto scan = open_all(paths);
  ASSERT_NE(scan, nullptr);
  Result<std::shared_ptr<const Chunk>> chunk = scan->take();
  while (chunk.ok() && *chunk != nullptr) chunk = scan->take();
  ASSERT_FALSE(chunk.ok());
  EXPECT_EQ(chunk.error().tag, "cell_type");
  EXPECT_NE(chunk.error().message.find("b.csv"), std::string::npos) << chunk.error().message;
}

}  // namespace
}  // namespace slipway::table
