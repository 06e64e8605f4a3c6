#include "app/loop/facts_part.h"

#include "app/facts.h"
#include "app/outbox.h"

namespace slipway::app {

LeftFacts::LeftFacts(db::Pool& pool, const Clock& clock, std::filesystem::path state,
                     blob::Damages* damages)
    : pool_(pool), clock_(clock), state_(std::move(state)), damages_(damages) {}

Result<bool> LeftFacts::take() {
  if (!has_outboxes(state_)) return false;
  std::lock_guard lock(mutex_);
  bool any = false;
  TRY(deliver_left(
      state_,
      [&](const std::string& outbox, std::int64_t first, const wire::Json::Array& facts) {
        any = true;
        return take_facts(pool_, clock_, outbox, first, facts);
      },
      damages_));
  return any;
}

}  // namespace slipway::app
