#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/features/calendar.h"
#include "domain/features/column.h"
#include "domain/features/expression.h"

// What the instructions of a row expression do. Private to this folder: expression.cc chooses
// kernels, evaluator.cc runs them.
namespace slipway::features {

/// The texts that a run makes; their addresses stay until clear().
class Arena {
 public:
  char* allocate(std::size_t bytes);
  void clear();

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t used_ = 0, size_ = 0;  // of the last block
};

/// The values of a register for the rows of one run. Kernels never write what they read.
struct Lane {
  std::uint8_t* valid = nullptr;
  std::int64_t* ints = nullptr;
  double* reals = nullptr;
  std::string_view* texts = nullptr;
};

struct Frame {
  Lane* lanes = nullptr;
  std::size_t rows = 0;
  Arena* arena = nullptr;
  Faults* faults = nullptr;
};

inline constexpr std::uint16_t kNoMask = 0xffff;

struct Instruction;
using Kernel = void (*)(Frame& frame, const Instruction& instruction);

struct Instruction {
  Kernel kernel = nullptr;
  std::uint16_t out = 0;
  std::uint16_t mask = kNoMask;  // register of the rows whose faults count
  std::array<std::uint16_t, 4> arguments{};
  std::int64_t immediate = 0;  // a DatePart, or 0
};

struct Register {
  enum class Source { kComputed, kInput, kConstant };
  Type type = Type::kFloat64;
  Source source = Source::kComputed;
  std::size_t input = 0;
  Value constant;
};

struct Program::Code {
  std::vector<Register> registers;
  std::vector<Instruction> instructions;
  std::vector<std::size_t> reads;
  std::uint16_t result = 0;
  Type type = Type::kFloat64;
};

namespace kernels {

/// A function of values that are not null.
struct Function {
  std::string_view name;
  std::vector<Type> arguments;
  Type result = Type::kFloat64;
  Kernel kernel = nullptr;
};
std::vector<const Function*> find_functions(std::string_view name);
std::vector<std::string> function_names();
/// "substr(string, int64)".
std::string signature(const Function& function);

/// date_part, date_trunc, date_diff, date_add. `arguments` are those after the part.
bool takes_date_part(std::string_view name);
/// Null when the function can't do it with this part.
const Function* find_date_function(std::string_view name, DatePart part);

/// Null where there is none for the type. "negate" is unary minus.
Kernel arithmetic(std::string_view op, Type type);
Kernel comparison(std::string_view op, Type type);
Kernel cast(Type from, Type to);
Kernel widen();                     // int64 to float64
Kernel logic(std::string_view op);  // "and", "or"
Kernel logic_not();
Kernel is_null();
Kernel is_distinct(Type type);
Kernel narrow();  // mask AND (condition is true) = immediate
Kernel select(Type type);
Kernel extreme(bool greatest, Type type);
Kernel like();
Kernel join_texts();
Kernel join_present();  // a null second text is skipped

}  // namespace kernels
}  // namespace slipway::features
