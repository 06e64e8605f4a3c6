#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "base/text.h"
#include "domain/features/calendar.h"
#include "domain/features/expression.h"
#include "io/db/db_testing.h"

// Random expressions over random data: the same bits on columns and on one row, and the same values
// as SQLite where both mean the same.
namespace slipway::features {
namespace {

const std::vector<Input> kInputs = {
    {"i", Type::kInt64},  {"j", Type::kInt64},  {"x", Type::kFloat64},   {"y", Type::kFloat64},
    {"s", Type::kString}, {"u", Type::kString}, {"t", Type::kTimestamp}, {"b", Type::kBool}};

/// Texts of expressions of a wanted type. With `shared`, only what SQLite means alike.
class Writer {
 public:
  Writer(unsigned seed, bool shared) : random_(seed), shared_(shared) {}

  std::string of(Type type, int depth) {
    if (depth == 0 || below(7) == 0) return leaf(type);
    if (below(6) == 0) return conditional(type, depth);
    switch (type) {
      case Type::kInt64:
        return whole(depth);
      case Type::kFloat64:
        return real(depth);
      case Type::kString:
        return text(depth);
      case Type::kBool:
        return truth(depth);
      case Type::kTimestamp:
        return time(depth);
    }
    return "";
  }
  Type any_type() {
    // SQLite has neither booleans nor timestamps to compare with.
    return static_cast<Type>(shared_ ? 1 + below(3) : below(5));
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string pick(std::initializer_list<const char*> words) {
    return *(words.begin() + below(static_cast<unsigned>(words.size())));
  }

  std::string leaf(Type type) {
    switch (type) {
      case Type::kInt64:
        return below(3) ? pick({"i", "j"}) : std::to_string(below(20));
      case Type::kFloat64:
        return below(3) ? pick({"x", "y"}) : python_repr(static_cast<double>(below(1000)) / 8);
      case Type::kString:
        return below(3) ? pick({"s", "u"}) : pick({"'a'", "'bc'", "''", "'ü'"});
      case Type::kBool:
        return shared_ ? "(i > j)" : pick({"b", "true", "false"});
      case Type::kTimestamp:
        return below(3) ? "t" : "timestamp '2024-02-29T12:00:00Z'";
    }
    return "";
  }

  std::string conditional(Type type, int depth) {
    const std::string a = of(type, depth - 1), b = of(type, depth - 1);
    switch (below(4)) {
      case 0:
        return "coalesce(" + a + ", " + b + ")";
      case 1:
        return "nullif(" + a + ", " + b + ")";
      case 2:
        return "case when " + of(Type::kBool, depth - 1) + " then " + a + " when " +
               of(Type::kBool, depth - 1) + " then " + b + " end";
      default:
        return "case " + of(Type::kInt64, depth - 1) + " when 1 then " + a + " else " + b + " end";
    }
  }

  std::string whole(int depth) {
    const std::string a = of(Type::kInt64, depth - 1), b = of(Type::kInt64, depth - 1);
    switch (below(shared_ ? 6 : 9)) {
      case 0:
        return "(" + a + pick({" + ", " - ", " * "}) + b + ")";
      case 1:
        return shared_ ? "(" + a + " % " + b + ")" : "(" + a + pick({" // ", " % "}) + b + ")";
      case 2:
        return "(- " + a + ")";
      case 3:
        return "length(" + of(Type::kString, depth - 1) + ")";
      case 4:
        return "abs(" + a + ")";
      case 5:
        return "sign(" + a + ")";
      case 6:
        return "hash_bucket(" + of(Type::kString, depth - 1) + ", 100)";
      case 7:
        return "date_part('" + pick({"hour", "dow", "week", "doy"}) + "', " +
               of(Type::kTimestamp, depth - 1) + ")";
      default:
        return "cast(" + of(Type::kFloat64, depth - 1) + " as int64)";
    }
  }

  std::string real(int depth) {
    const std::string a = of(Type::kFloat64, depth - 1), b = of(Type::kFloat64, depth - 1);
    switch (below(shared_ ? 5 : 8)) {
      case 0:
        return "(" + a + pick({" + ", " - ", " * ", " / "}) + b + ")";
      case 1:
        return pick({"floor", "ceil", "abs", "trunc"}) + "(" + a + ")";
      case 2:
        return "cast(" + of(Type::kInt64, depth - 1) + " as " + (shared_ ? "double" : "float64") +
               ")";
      case 3:
        return "sqrt(" + a + ")";
      case 4:
        return "(" + a + " + " + of(Type::kInt64, depth - 1) + ")";
      case 5:
        return pick({"exp", "ln", "sin", "cbrt", "log2"}) + "(" + a + ")";
      case 6:
        return "pow(" + a + ", " + b + ")";
      default:
        return pick({"greatest", "least"}) + "(" + a + ", " + b + ")";
    }
  }

  std::string text(int depth) {
    const std::string a = of(Type::kString, depth - 1), b = of(Type::kString, depth - 1);
    switch (below(shared_ ? 5 : 8)) {
      case 0:
        return "(" + a + " || " + b + ")";
      case 1:
        return pick({"lower", "upper", "trim", "ltrim", "rtrim"}) + "(" + a + ")";
      case 2:
        return "substr(" + a + ", " + std::to_string(1 + below(3)) + ", " +
               std::to_string(below(4)) + ")";
      case 3:
        return "replace(" + a + ", 'a', " + b + ")";
      case 4:
        return "substr(" + a + ", " + std::to_string(1 + below(4)) + ")";
      case 5:
        return "concat(" + a + ", " + of(Type::kInt64, depth - 1) + ")";
      case 6:
        return "cast(" + of(Type::kFloat64, depth - 1) + " as string)";
      default:
        return "split_part(" + a + ", 'a', 1)";
    }
  }

  std::string truth(int depth) {
    const Type type = static_cast<Type>(1 + below(3));
    const std::string a = of(type, depth - 1), b = of(type, depth - 1);
    switch (below(7)) {
      case 0:
        return "(" + of(Type::kBool, depth - 1) + pick({" and ", " or "}) +
               of(Type::kBool, depth - 1) + ")";
      case 1:
        return "(not " + of(Type::kBool, depth - 1) + ")";
      case 2:
        return "(" + a + pick({" is null)", " is not null)"});
      case 3:
        return "(" + a + pick({" in (", " not in ("}) + b + ", " + leaf(type) + "))";
      case 4:
        return "(" + a + pick({" between ", " not between "}) + b + " and " + leaf(type) + ")";
      case 5:
        return "(" + a + pick({" is distinct from ", " is not distinct from "}) + b + ")";
      default:
        return "(" + a + pick({" = ", " <> ", " < ", " <= ", " > ", " >= "}) + b + ")";
    }
  }

  std::string time(int depth) {
    const std::string a = of(Type::kTimestamp, depth - 1);
    if (below(2) == 0)
      return "date_trunc('" + pick({"hour", "day", "week", "month"}) + "', " + a + ")";
    return "date_add('" + pick({"hour", "month", "year"}) + "', " + of(Type::kInt64, depth - 1) +
           ", " + a + ")";
  }

  std::mt19937 random_;
  bool shared_;
};

/// Values that meet edges often.
class Data {
 public:
  explicit Data(unsigned seed, bool shared) : random_(seed), shared_(shared) {}

  std::vector<Value> row() {
    std::vector<Value> values;
    for (const Input& input : kInputs)
      values.push_back(below(6) == 0 ? Value() : value(input.type));
    return values;
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  Value value(Type type) {
    switch (type) {
      case Type::kBool:
        return below(2) == 0;
      case Type::kInt64: {
        // SQLite goes on with reals where whole numbers overflow: small ones there.
        if (!shared_ && below(8) == 0) return std::numeric_limits<std::int64_t>::min();
        if (!shared_ && below(8) == 0) return std::numeric_limits<std::int64_t>::max();
        return static_cast<std::int64_t>(below(41)) - 20;
      }
      case Type::kFloat64: {
        if (!shared_ && below(10) == 0) return std::nan("");
        if (!shared_ && below(10) == 0) return std::numeric_limits<double>::infinity();
        if (below(8) == 0) return 0.0;
        return (static_cast<double>(below(20'001)) - 10'000) / 64;
      }
      case Type::kString: {
        static const char* kTexts[] = {"", "a", "abc", "aXb", "grün", " a ", "é", "日本", "abcabc"};
        return std::string(kTexts[below(9)]);
      }
      case Type::kTimestamp:
        return Timestamp{1'700'000'000'000'000 +
                         static_cast<std::int64_t>(below(1'000'000)) * 777'777'777};
    }
    return {};
  }
  std::mt19937 random_;
  bool shared_;
};

TEST(ExpressionProperty, ColumnsAndRowsGiveTheSameBits) {
  std::size_t values = 0, nulls = 0;
  Faults all_faults;
  for (unsigned seed = 1; seed <= 800; ++seed) {
    Writer writer(seed, false);
    const std::string text = writer.of(writer.any_type(), 1 + static_cast<int>(seed % 5));
    SCOPED_TRACE(text);
    Result<Program> program = compile(text, kInputs);
    if (!program.ok()) continue;  // only nulls, or too many parts
    Evaluator columns(*program), rows(*program);
    Data data(seed, false);
    Faults column_faults, row_faults;
    // Sizes around the chunks that columns are cut into; the evaluator is used twice.
    for (std::size_t size :
         {std::size_t{1 + seed % 7}, std::size_t{seed % 10 == 0 ? 1030u : 40u}}) {
      Table table;
      for (const Input& input : kInputs) table.add(input.name, Column(input.type));
      std::vector<std::vector<Value>> lines;
      for (std::size_t row = 0; row < size; ++row) {
        lines.push_back(data.row());
        for (std::size_t i = 0; i < kInputs.size(); ++i) table.columns[i].push(lines.back()[i]);
      }
      std::vector<const Column*> pointers;
      for (const Column& column : table.columns) pointers.push_back(&column);
      const Column batch = columns.columns(pointers, size, column_faults);
      ASSERT_EQ(batch.size(), size);
      for (std::size_t row = 0; row < size; ++row) {
        const Value one = rows.row(lines[row], row_faults);
        ASSERT_TRUE(identical(batch.at(row), one))
            << to_text(batch.at(row)) << " in columns, " << to_text(one) << " alone";
        ++values;
        nulls += is_null(one) ? 1 : 0;
      }
    }
    ASSERT_EQ(column_faults, row_faults);
    all_faults.overflows += row_faults.overflows;
    all_faults.domain_errors += row_faults.domain_errors;
    all_faults.failed_casts += row_faults.failed_casts;
  }
  EXPECT_GT(values, 40'000u);
  EXPECT_LT(nulls, values * 3 / 4);  // not everything is null
  EXPECT_GT(all_faults.overflows, 100u);
  EXPECT_GT(all_faults.domain_errors, 100u);
  EXPECT_GT(all_faults.failed_casts, 10u);
}

/// The same in SQLite's words; nothing where it means something else.
std::string in_sqlite(std::string text) {
  text = replace_all(std::move(text), "is not distinct from", "is");
  return replace_all(std::move(text), "is distinct from", "is not");
}

struct SqliteAnswer {
  std::optional<double> real;
  std::optional<std::int64_t> whole;
  std::optional<std::string> text;
};

/// One expression over some rows, in SQLite.
class Sqlite {
 public:
  Sqlite() {
    auto pool =
        db::Pool::open("sqlite://" + (folder_.path() / "e.db").string(),
                       {{"test/0001_rows",
                         "create table rows (n integer primary key, i integer, j integer, x real, "
                         "y real, s text, u text)",
                         ""}},
                       metrics_);
    EXPECT_TRUE(pool.ok()) << pool.error().message;
    pool_ = std::move(*pool);
  }

  void fill(const std::vector<std::vector<Value>>& rows) {
    Result<> filled = pool_->write([&](db::Tx& tx) -> Result<> {
      TRY(tx.execute("delete from rows", {}));
      for (std::size_t n = 0; n < rows.size(); ++n) {
        std::vector<db::Value> values = {db::Value(static_cast<std::int64_t>(n))};
        for (std::size_t i = 0; i < 6; ++i) values.push_back(to_db(rows[n][i]));
        TRY(tx.execute("insert into rows values (?, ?, ?, ?, ?, ?, ?)", values));
      }
      return {};
    });
    EXPECT_TRUE(filled.ok()) << filled.error().message;
  }

  Result<std::vector<SqliteAnswer>> ask(const std::string& expression, Type type) {
    return pool_->read([&](db::Tx& tx) -> Result<std::vector<SqliteAnswer>> {
      std::vector<SqliteAnswer> answers;
      TRY(tx.query(
          "select " + expression + " from rows order by n", {},
          [&](const db::Columns& columns) -> Result<> {
            SqliteAnswer answer;
            if (!columns.is_null(0)) {
              if (type == Type::kInt64) answer.whole = columns.int64(0);
              if (type == Type::kFloat64) answer.real = columns.real(0);
              if (type == Type::kString) answer.text = std::string(columns.text(0));
            }
            answers.push_back(std::move(answer));
            return {};
          },
          false));
      return answers;
    });
  }

 private:
  static db::Value to_db(const Value& value) {
    if (is_null(value)) return db::Value(nullptr);
    if (type_of(value) == Type::kInt64) return db::Value(std::get<std::int64_t>(value));
    if (type_of(value) == Type::kFloat64) return db::Value(std::get<double>(value));
    return db::Value(std::get<std::string>(value));
  }
  db::TemporaryFolder folder_;
  Metrics metrics_;
  std::unique_ptr<db::Pool> pool_;
};

bool agrees(const Value& ours, const SqliteAnswer& theirs, Type type) {
  const bool is_there = theirs.real || theirs.whole || theirs.text;
  if (is_null(ours)) return !is_there;
  if (!is_there) {  // SQLite has no NaN
    return type == Type::kFloat64 && std::isnan(std::get<double>(ours));
  }
  if (type == Type::kInt64) return std::get<std::int64_t>(ours) == *theirs.whole;
  if (type == Type::kFloat64) return std::get<double>(ours) == *theirs.real;
  return std::get<std::string>(ours) == *theirs.text;
}

TEST(ExpressionProperty, AgreesWithSqliteOnWhatBothMean) {
  Sqlite sqlite;
  Data data(7, true);
  std::vector<std::vector<Value>> rows;
  for (int i = 0; i < 40; ++i) rows.push_back(data.row());
  sqlite.fill(rows);
  std::size_t compared = 0, expressions = 0;
  for (unsigned seed = 1; seed <= 1200; ++seed) {
    Writer writer(seed, true);
    const std::string text = writer.of(writer.any_type(), 1 + static_cast<int>(seed % 4));
    SCOPED_TRACE(text);
    Result<Program> program = compile(text, kInputs);
    if (!program.ok()) continue;
    Result<std::vector<SqliteAnswer>> answers = sqlite.ask(in_sqlite(text), program->type());
    ASSERT_TRUE(answers.ok()) << answers.error().message;
    Evaluator evaluator(*program);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      Faults faults;
      const Value ours = evaluator.row(rows[row], faults);
      if (faults.total() > 0 && is_null(ours)) continue;  // SQLite's answer may be another
      ASSERT_TRUE(agrees(ours, (*answers)[row], program->type()))
          << "row " << row << ": " << to_text(ours) << " here, "
          << ((*answers)[row].text    ? *(*answers)[row].text
              : (*answers)[row].real  ? python_repr(*(*answers)[row].real)
              : (*answers)[row].whole ? std::to_string(*(*answers)[row].whole)
                                      : "null");
      ++compared;
    }
    ++expressions;
  }
  EXPECT_GT(expressions, 1000u);
  EXPECT_GT(compared, 30'000u);
}

}  // namespace
}  // namespace slipway::features
