#include <algorithm>

#include "base/check.h"
#include "domain/features/expression.h"
#include "domain/features/kernels.h"

namespace slipway::features {
namespace {

// Small enough that the registers of an ordinary expression stay in the second-level cache.
constexpr std::size_t kChunkRows = 512;

/// What a register owns. Inputs lie in their columns, except texts and single values.
struct Buffer {
  std::vector<std::uint8_t> valid;
  std::vector<std::int64_t> ints;
  std::vector<double> reals;
  std::vector<std::string_view> texts;

  void resize(Type type, std::size_t rows) {
    valid.resize(rows);
    if (type == Type::kFloat64)
      reals.resize(rows);
    else if (type == Type::kString)
      texts.resize(rows);
    else
      ints.resize(rows);
  }
  Lane lane() { return {valid.data(), ints.data(), reals.data(), texts.data()}; }
};

/// A text that a value holds stays where it is; everything else is copied.
void store(Buffer& buffer, std::size_t row, const Value& value) {
  buffer.valid[row] = is_null(value) ? 0 : 1;
  if (is_null(value)) return;
  switch (type_of(value)) {
    case Type::kBool:
      buffer.ints[row] = std::get<bool>(value) ? 1 : 0;
      break;
    case Type::kInt64:
      buffer.ints[row] = std::get<std::int64_t>(value);
      break;
    case Type::kFloat64:
      buffer.reals[row] = std::get<double>(value);
      break;
    case Type::kString:
      buffer.texts[row] = std::get<std::string>(value);
      break;
    case Type::kTimestamp:
      buffer.ints[row] = std::get<Timestamp>(value).us;
      break;
  }
}

Value load(const Lane& lane, Type type, std::size_t row) {
  if (lane.valid[row] == 0) return {};
  switch (type) {
    case Type::kBool:
      return lane.ints[row] != 0;
    case Type::kInt64:
      return lane.ints[row];
    case Type::kFloat64:
      return lane.reals[row];
    case Type::kString:
      return std::string(lane.texts[row]);
    case Type::kTimestamp:
      return Timestamp{lane.ints[row]};
  }
  return {};
}

/// Kernels only read it, so the column may be a constant one.
template <class T>
T* place(const std::vector<T>& values, std::size_t row) {
  return values.empty() ? nullptr : const_cast<T*>(values.data() + row);
}

}  // namespace

struct Evaluator::State {
  Program program;
  std::vector<Buffer> buffers;
  std::vector<Lane> lanes;
  Arena arena;
  std::size_t capacity = 0;

  explicit State(Program p)
      : program(std::move(p)), buffers(code().registers.size()), lanes(code().registers.size()) {}
  const Program::Code& code() const { return program.code(); }

  void make_room(std::size_t rows) {
    if (rows <= capacity) return;
    capacity = rows;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      const Register& spec = code().registers[i];
      buffers[i].resize(spec.type, rows);
      lanes[i] = buffers[i].lane();
      if (spec.source != Register::Source::kConstant) continue;
      for (std::size_t row = 0; row < rows; ++row) store(buffers[i], row, spec.constant);
    }
  }

  void bind(std::size_t i, const Column& column, std::size_t first, std::size_t rows) {
    CHECK(column.type == code().registers[i].type && first + rows <= column.size());
    lanes[i] = {place(column.valid, first), place(column.ints, first), place(column.reals, first),
                buffers[i].texts.data()};
    if (column.type != Type::kString) return;
    for (std::size_t row = 0; row < rows; ++row) buffers[i].texts[row] = column.texts[first + row];
  }

  void bind(std::size_t i, const Value& value) {
    CHECK(is_null(value) || type_of(value) == code().registers[i].type);
    lanes[i] = buffers[i].lane();
    store(buffers[i], 0, value);
  }

  void run(std::size_t rows, Faults& faults) {
    arena.clear();
    Frame frame{lanes.data(), rows, &arena, &faults};
    for (const Instruction& instruction : code().instructions) {
      instruction.kernel(frame, instruction);
    }
  }

  template <class F>
  void each_input(F f) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const Register& spec = code().registers[i];
      if (spec.source == Register::Source::kInput) f(i, spec.input);
    }
  }
};

Evaluator::Evaluator(Program program) : state_(std::make_unique<State>(std::move(program))) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

Column Evaluator::columns(std::span<const Column* const> inputs, std::size_t rows, Faults& faults) {
  State& state = *state_;
  state.make_room(std::min(rows, kChunkRows));
  Column out(state.code().type);
  out.reserve(rows);
  for (std::size_t first = 0; first < rows; first += kChunkRows) {
    const std::size_t count = std::min(kChunkRows, rows - first);
    state.each_input(
        [&](std::size_t reg, std::size_t input) { state.bind(reg, *inputs[input], first, count); });
    state.run(count, faults);
    const Lane& result = state.lanes[state.code().result];
    for (std::size_t row = 0; row < count; ++row) out.push(load(result, out.type, row));
  }
  return out;
}

Value Evaluator::row(std::span<const Value> inputs, Faults& faults) {
  State& state = *state_;
  state.make_room(1);
  state.each_input([&](std::size_t reg, std::size_t input) { state.bind(reg, inputs[input]); });
  state.run(1, faults);
  return load(state.lanes[state.code().result], state.code().type, 0);
}

}  // namespace slipway::features
