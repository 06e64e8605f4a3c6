#include "app/loop/errand.h"

#include <utility>

#include "base/check.h"

namespace slipway::app {

Errand::~Errand() {
  if (thread_.joinable()) thread_.join();
}

void Errand::start(std::function<Result<>()> work) {
  CHECK(!under_way_);
  under_way_ = true;
  thread_ = std::thread([this, work = std::move(work)] {
    Result<> done = work();
    outcome_.with([&](auto& outcome) { outcome.emplace(std::move(done)); });
    if (ended_) ended_();
  });
}

std::optional<Result<>> Errand::take() {
  std::optional<Result<>> outcome =
      outcome_.with([](auto& kept) { return std::exchange(kept, std::nullopt); });
  if (!outcome) return outcome;
  thread_.join();
  under_way_ = false;
  return outcome;
}

}  // namespace slipway::app
