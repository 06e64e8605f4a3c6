#pragma once

#include <future>

#include "base/function.h"

namespace slipway {

/// For tests: waits for what a call that finishes later gives.
///   Result<Run> run = wait_for<Run>([&](Done<Run> done) { start(..., std::move(done)); });
template <class T = void, class Call>
Result<T> wait_for(Call call) {
  std::promise<Result<T>> promise;
  call(Done<T>([&](Result<T> result) { promise.set_value(std::move(result)); }));
  return promise.get_future().get();
}

}  // namespace slipway
