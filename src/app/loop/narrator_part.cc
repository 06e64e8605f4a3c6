#include "app/loop/narrator_part.h"

#include <algorithm>

#include "app/event_words.h"
#include "base/log.h"

namespace slipway::app {
namespace {

constexpr int kEventsMax = 500;  // a turn

bool is_told(const std::string& type) {
  constexpr const char* kBeginnings[] = {"gate.", "rollout.", "deployment."};
  return std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                     [&](const char* beginning) { return type.starts_with(beginning); });
}

}  // namespace

Result<std::unique_ptr<NarratorPart>> NarratorPart::begin(db::Pool& pool, Tell tell) {
  const std::int64_t seq = TRY(pool.read([](db::Tx& tx) { return graph::newest_seq(tx); }));
  return std::unique_ptr<NarratorPart>(new NarratorPart(pool, seq, std::move(tell)));
}

Result<bool> NarratorPart::turn(UnixMs) {
  const auto events =
      TRY(pool_.read([&](db::Tx& tx) { return graph::events_after(tx, seq_, kEventsMax); }));
  for (const graph::LoggedEvent& event : events) {
    if (is_told(event.event.type)) tell_(event);
    seq_ = event.seq;
  }
  return !events.empty();
}

Result<bool> NarratorPart::stand_by(UnixMs, const std::string&) {
  seq_ = TRY(pool_.read([](db::Tx& tx) { return graph::newest_seq(tx); }));
  return false;
}

void NarratorPart::log_event(const graph::LoggedEvent& event) {
  log_info(event.event.type, {{"subject", event.event.subject.id},
                              {"said", words_of_event(event.event.type, event.event.data)},
                              {"actor", event.event.actor},
                              {"event", event.seq}});
}

}  // namespace slipway::app
