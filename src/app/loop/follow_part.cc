#include "app/loop/follow_part.h"

#include "graph/graph.h"

namespace slipway::app {
namespace {

constexpr int kEventsMax = 500;  // a turn

bool is_of_the_registry(const std::string& type) {
  return type.starts_with("registered_model.") || type.starts_with("model_version.") ||
         type.starts_with("alias.");
}

}  // namespace

Result<std::unique_ptr<FollowPart>> FollowPart::begin(db::Pool& pool,
                                                      std::function<void()> registry_changed) {
  const std::int64_t seq = TRY(pool.read([](db::Tx& tx) { return graph::newest_seq(tx); }));
  return std::unique_ptr<FollowPart>(new FollowPart(pool, seq, std::move(registry_changed)));
}

Result<bool> FollowPart::turn(UnixMs) {
  const auto events =
      TRY(pool_.read([&](db::Tx& tx) { return graph::events_after(tx, seq_, kEventsMax); }));
  bool has_changed = false;
  for (const graph::LoggedEvent& event : events) {
    has_changed = has_changed || is_of_the_registry(event.event.type);
    seq_ = event.seq;
  }
  if (has_changed) registry_changed_();
  return !events.empty();
}

}  // namespace slipway::app
