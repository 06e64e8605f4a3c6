#pragma once

#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

// Failure in the type: a function that can fail returns Result<T>, and TRY passes an error on.
namespace slipway {

/// What kind of failure it is; tables at the edges map it to HTTP, gRPC, exit codes and dialects' names.
enum class Code {
  kInvalid,      // the request is wrong, and will be wrong again
  kMissing,      // what was asked for does not exist
  kConflict,     // it exists already, or its state forbids the change
  kDenied,       // the caller may not do this
  kBusy,         // a bound was reached; trying later may work
  kUnavailable,  // something outside (disk, network, another program) failed
  kInternal,     // our own mistake
};

/// The enumerator's name without `k`, in lower case: "invalid", "missing", ...
const char* to_string(Code code);

/// A message says what was asked, what was found, and what to do.
/// `tag` narrows the code where one face needs more kinds than seven (a neutral word such as
/// "already_exists"; empty for none). A tag never carries a foreign spelling.
struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::string tag = {};
};

inline Error invalid(std::string message) { return {Code::kInvalid, std::move(message)}; }
inline Error missing(std::string message) { return {Code::kMissing, std::move(message)}; }
inline Error conflict(std::string message) { return {Code::kConflict, std::move(message)}; }
inline Error denied(std::string message) { return {Code::kDenied, std::move(message)}; }
inline Error busy(std::string message) { return {Code::kBusy, std::move(message)}; }
inline Error unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
inline Error internal(std::string message) { return {Code::kInternal, std::move(message)}; }

/// kUnavailable with the text of `errno_value`: "cannot open /x/y: No such file or directory".
Error system_error(std::string what, int errno_value);

/// The same error with `context` before its message: "reading dvc.yaml: line 3 ...".
Error with_context(std::string context, Error error);

/// The same error with `tag`.
inline Error with_tag(Error error, std::string tag) {
  error.tag = std::move(tag);
  return error;
}

/// Holds a T or an Error. A plain union: half the compile time of std::variant (measured).
template <class T = void>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : ok_(true) { new (&value_) T(std::move(value)); }
  Result(Error error) : ok_(false) { new (&error_) Error(std::move(error)); }
  template <class U>
    requires(std::is_convertible_v<U&&, T> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, T>)
  Result(U&& value) : ok_(true) {
    new (&value_) T(std::forward<U>(value));
  }
  Result(Result&& other) noexcept : ok_(other.ok_) { take(std::move(other)); }
  Result(const Result& other)
    requires std::is_copy_constructible_v<T>
      : ok_(other.ok_) {
    if (ok_) new (&value_) T(other.value_);
    else new (&error_) Error(other.error_);
  }
  Result& operator=(Result&& other) noexcept {
    if (this != &other) {
      destroy();
      ok_ = other.ok_;
      take(std::move(other));
    }
    return *this;
  }
  ~Result() { destroy(); }

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  /// Precondition of the first group: ok(); of error(): !ok().
  T& value() & { return value_; }
  const T& value() const& { return value_; }
  T&& value() && { return std::move(value_); }
  T& operator*() { return value_; }
  const T& operator*() const { return value_; }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }
  Error& error() { return error_; }
  const Error& error() const { return error_; }

  T value_or(T fallback) && { return ok_ ? std::move(value_) : std::move(fallback); }

 private:
  void take(Result&& other) {
    if (ok_) new (&value_) T(std::move(other.value_));
    else new (&error_) Error(std::move(other.error_));
  }
  void destroy() {
    if (ok_) value_.~T();
    else error_.~Error();
  }

  bool ok_;
  union {
    T value_;
    Error error_;
  };
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}
  Result(Result&&) noexcept = default;
  Result& operator=(Result&&) noexcept = default;
  Result(const Result& other)
      : error_(other.error_ ? std::make_unique<Error>(*other.error_) : nullptr) {}

  bool ok() const { return error_ == nullptr; }
  explicit operator bool() const { return ok(); }
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }
  void value() const {}

 private:
  std::unique_ptr<Error> error_;
};

}  // namespace slipway

/// The value of `expr`, a Result; or this function returns its error:
///   Run run = TRY(runs.find(id));
///   TRY(file.sync());
#define TRY(expr) SLIPWAY_TRY_EXPAND(expr, __COUNTER__)
// A name of its own for each, so that one TRY may stand inside another.
#define SLIPWAY_TRY_EXPAND(expr, number) SLIPWAY_TRY(expr, number)
#define SLIPWAY_TRY(expr, number) SLIPWAY_TRY_NAMED(expr, try_result_##number##_)
#define SLIPWAY_TRY_NAMED(expr, name)              \
  __extension__({                                  \
    auto name = (expr);                            \
    if (!name.ok()) return std::move(name).error(); \
    std::move(name).value();                       \
  })
