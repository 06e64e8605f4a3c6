#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace slipway {

/// A callable that is owned and can be moved but not copied, so that it may carry unique things (a Reply, a promise).
/// std::function asks for copies, std::move_only_function for C++23. Calling an empty one is undefined.
template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
             std::is_invocable_r_v<R, F&, Args...>)
  UniqueFunction(F f) : target_(std::make_unique<Holder<F>>(std::move(f))) {}

  R operator()(Args... args) { return target_->call(std::forward<Args>(args)...); }
  explicit operator bool() const { return target_ != nullptr; }

 private:
  struct Target {
    virtual ~Target() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Target {
    explicit Holder(F held) : f(std::move(held)) {}
    R call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  std::unique_ptr<Target> target_;
};

/// What an operation that finishes later calls, exactly once, on the thread that finished it.
template <class T = void>
using Done = UniqueFunction<void(Result<T>)>;

}  // namespace slipway
