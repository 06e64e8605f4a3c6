#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/features/column.h"

// Row expressions: a scalar subset of SQL, compiled once to a register program. The same program
// runs on columns (offline) and on one row (online), and gives the same bits.
// docs/formats/feature-view.md lists operators and functions. The semantics, once:
//
// - Types are those of column.h. int64 becomes float64 where both meet; nothing else is converted
//   without CAST. A bare NULL takes the type that its place asks for.
// - null in, null out, except AND, OR and NOT (three-valued: false AND null is false), IS [NOT]
//   NULL, IS [NOT] DISTINCT FROM, CASE, COALESCE, NULLIF, and GREATEST, LEAST and CONCAT, which
//   skip nulls. x IN (...) is null when x is null, or equals none and one of the list is null.
// - float64 is IEEE 754 binary64, rounded to nearest after each operation; NaN equals nothing, not
//   even itself, and is neither less nor greater. Results may be infinite.
// - `/` always divides as float64; `//` and `%` of int64 truncate towards zero. Division by zero
//   gives null.
// - What overflows int64, lies outside of a function's domain (sqrt(-1), ln(0)), can't be cast, or
//   leaves years 1 to 9999 gives null and is counted. What lies in a branch of CASE or COALESCE
//   that is not taken is not counted; both sides of AND and OR are always evaluated.
// - CAST of float64 to int64 rounds to nearest, ties to even. round() rounds ties away from zero.
// - Texts are UTF-8, positions and lengths are code points from 1, order is by code point; lower()
//   and upper() change A-Z only. A function's text longer than 32 KiB gives null and is counted.
// - Timestamps are UTC instants in microseconds; weeks are ISO weeks; dates the Gregorian calendar.
//
// exp, ln, pow and the like are those of the C library the program runs with: equal bits are
// promised within one installation, the rest everywhere.
namespace slipway::features {

struct Input {
  std::string name;
  Type type = Type::kFloat64;
};

/// Rows (not operations) are not told apart: an operation that gave null for one of these reasons.
struct Faults {
  std::uint64_t overflows = 0;
  std::uint64_t domain_errors = 0;
  std::uint64_t failed_casts = 0;
  std::uint64_t total() const { return overflows + domain_errors + failed_casts; }
  bool operator==(const Faults&) const = default;
};

inline constexpr std::size_t kExpressionBytesMax = 16'384;
inline constexpr int kExpressionDepthMax = 100;
inline constexpr std::size_t kExpressionNodesMax = 500;
inline constexpr std::size_t kTextBytesMax = 32'768;

/// A compiled expression. Immutable; any thread; cheap to copy.
class Program {
 public:
  Type type() const;
  /// Places in the `inputs` it was compiled with that it reads, ascending.
  const std::vector<std::size_t>& reads() const;

  struct Code;
  explicit Program(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  const Code& code() const { return *code_; }

 private:
  std::shared_ptr<const Code> code_;
};

/// kInvalid begins with "character N: " (from 1) and says what was found and expected. With a
/// `declared` type the result has it: int64 becomes float64, anything else that differs is an
/// error.
Result<Program> compile(std::string_view text, std::span<const Input> inputs,
                        std::optional<Type> declared = std::nullopt);

/// Runs one program; holds its registers, so that a run allocates nothing but texts. One thread.
class Evaluator {
 public:
  explicit Evaluator(Program program);
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  /// `inputs` as compile() had them, each of `rows` rows (those that are not read may be null).
  Column columns(std::span<const Column* const> inputs, std::size_t rows, Faults& faults);
  /// The same of one row.
  Value row(std::span<const Value> inputs, Faults& faults);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::features
