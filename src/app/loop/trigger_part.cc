#include "app/loop/trigger_part.h"

#include <algorithm>

#include "base/failpoint.h"
#include "domain/flows/runs_store.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

using flows::Occasion;
using project::ProjectFile;
using project::TriggerSpec;

constexpr int kEventsMax = 1000;  // of the log, in one turn

bool asked_for_a_run(const flows::Noticed& noticed) {
  for (const flows::Decided& decided : noticed.decided)
    if (!decided.run.empty()) return true;
  return false;
}

/// An incident that opened, or that says again that nothing has helped.
Occasion incident_of(const graph::LoggedEvent& event) {
  Occasion occasion;
  occasion.key = "log/" + std::to_string(event.seq);
  occasion.cause = event.event.subject;
  occasion.id = event.id;
  occasion.type = event.event.type;
  occasion.source = "slipway";
  occasion.subject = event.event.subject.id;
  occasion.time_ms = event.time_ms;
  occasion.cause_seq = event.seq;
  occasion.data = event.event.data;
  return occasion;
}

enum class News { kNone, kTold, kClosed };
News news_of(const graph::Event& event) {
  if (event.subject.kind != graph::kind::kIncident) return News::kNone;
  if (event.type == "incident.opened" || event.type == "incident.unresolved") return News::kTold;
  return event.type == "incident.closed" ? News::kClosed : News::kNone;
}

Result<> take(db::Tx& tx, const ProjectFile& file, const graph::LoggedEvent& event, UnixMs now) {
  const News news = news_of(event.event);
  if (news == News::kTold) TRY(flows::notice(tx, file, incident_of(event), now));
  if (news == News::kClosed) TRY(flows::note_closed(tx, event.event.subject.id, now));
  return {};
}

/// How far a calendar has come, and which one it was.
struct Calendar {
  std::string rule;
  std::int64_t cursor_ms = 0;
};
WIRE(Calendar, rule, cursor_ms)

std::string rule_of(const project::CronSource& cron) {
  return cron.tz + " " + cron.expression;
}

Occasion tick_of(const TriggerSpec& trigger, const flows::Ticks::Tick& tick) {
  Occasion occasion;
  const std::string name = trigger.name + "/" + tick.nominal;
  occasion.key = "tick/" + name;
  occasion.cause = {graph::kind::kTick, name};
  occasion.id = tick.nominal;
  occasion.type = "tick";
  occasion.time_ms = tick.at_ms;
  occasion.data.set("nominal", tick.nominal);
  return occasion;
}

}  // namespace

// --- TriggerPost ---

Result<std::shared_ptr<const project::Applied>> TriggerPost::project() {
  return pool_.read([&](db::Tx& tx) { return current_.get(tx); });
}

Result<std::vector<flows::Noticed>> TriggerPost::tell(const std::vector<Occasion>& occasions,
                                                      UnixMs now) {
  auto applied = TRY(project());
  if (applied == nullptr) {
    flows::Noticed unheard;
    unheard.unheard = "no project has been applied here yet: `slipway apply` does it";
    return std::vector<flows::Noticed>(occasions.size(), unheard);
  }
  auto all = TRY(pool_.write([&](db::Tx& tx) -> Result<std::vector<flows::Noticed>> {
    std::vector<flows::Noticed> noticed;
    for (const Occasion& occasion : occasions)
      noticed.push_back(TRY(flows::notice(tx, applied->declared.file, occasion, now)));
    return noticed;
  }));
  failpoint("trigger.decided");
  if (std::any_of(all.begin(), all.end(), asked_for_a_run)) wake_();
  return all;
}

// --- TriggerPart ---

Result<bool> TriggerPart::turn(UnixMs now) {
  if (!up_since_ms_) up_since_ms_ = now;
  auto applied = TRY(pool_.read([&](db::Tx& tx) { return current_.get(tx); }));
  const ProjectFile* file = applied == nullptr ? nullptr : &applied->declared.file;
  bool did = TRY(read_log(file, now));
  if (file == nullptr) return did;
  for (const TriggerSpec& trigger : file->triggers) {
    if (!std::holds_alternative<project::CronSource>(trigger.source)) continue;
    did = TRY(tick(*applied, trigger, now)) || did;
  }
  TRY(forget(now));
  return TRY(decide_due(*file, now)) || did;
}

/// Once a day.
Result<> TriggerPart::forget(UnixMs now) {
  constexpr std::int64_t kDayMs = 24LL * 3'600'000;
  if (forgot_ms_ && now - *forgot_ms_ < kDayMs && now >= *forgot_ms_) return {};
  TRY(pool_.write(
      [&](db::Tx& tx) { return flows::forget_events(tx, now - flows::kEventsKeptMs); }));
  forgot_ms_ = now;
  return {};
}

/// Occasions and cursor in one transaction. Most events are nothing to a trigger: the cursor is
/// moved over them in memory, and now and then for good.
Result<bool> TriggerPart::read_log(const ProjectFile* file, UnixMs now) {
  std::int64_t cursor = 0;
  const auto events = TRY(pool_.read([&](db::Tx& tx) -> Result<std::vector<graph::LoggedEvent>> {
    cursor = TRY(graph::read_cursor(tx, kReader));
    return graph::events_after(tx, std::max(cursor, seen_), kEventsMax);
  }));
  if (events.empty()) return false;
  bool news = false;
  for (const graph::LoggedEvent& event : events) news = news || news_of(event.event) != News::kNone;
  const std::int64_t end = events.back().seq;
  if (news || end - cursor >= kEventsMax) {
    TRY(pool_.write([&](db::Tx& tx) -> Result<> {
      for (const graph::LoggedEvent& event : events)
        if (file != nullptr) TRY(take(tx, *file, event, now));
      return graph::move_cursor(tx, kReader, end);
    }));
    if (news) failpoint("trigger.decided");
  }
  seen_ = end;
  return news || events.size() == kEventsMax;
}

Result<bool> TriggerPart::tick(const project::Applied& applied, const TriggerSpec& trigger,
                               UnixMs now) {
  const ProjectFile& file = applied.declared.file;
  const auto& cron = std::get<project::CronSource>(trigger.source);
  const bool may_overlap = trigger.overlap == "allow";
  bool active = false;
  const std::string before = TRY(pool_.read([&](db::Tx& tx) -> Result<std::string> {
    active = TRY(flows::has_open_run(tx, trigger.name));
    return flows::peek_watched(tx, trigger.name);
  }));
  Calendar calendar;
  if (!before.empty()) calendar = TRY(wire::decode<Calendar>(before));
  // One that was just declared, or declared anew, begins with that.
  bool begins = calendar.rule != rule_of(cron);
  if (begins) calendar = {rule_of(cron), std::min(applied.time_ms, now)};
  // The clock was put back: on from what it shows. A tick that was told before is no news.
  if (calendar.cursor_ms > now) {
    calendar.cursor_ms = now;
    begins = true;
  }
  const flows::Ticks ticks =
      TRY(flows::due_ticks(cron, may_overlap, active, calendar.cursor_ms, *up_since_ms_, now));
  if (!begins && ticks.cursor_ms == calendar.cursor_ms) return false;
  calendar.cursor_ms = ticks.cursor_ms;
  TRY(pool_.write([&](db::Tx& tx) -> Result<> {
    if (TRY(flows::watched(tx, trigger.name)) != before) return {};
    if (ticks.missed > 0) TRY(flows::note_missed(tx, trigger.name, ticks.missed, now));
    for (const flows::Ticks::Tick& one : ticks.fire)
      TRY(flows::notice(tx, file, tick_of(trigger, one), now, trigger.name));
    return flows::set_watched(tx, trigger.name, wire::encode(calendar));
  }));
  failpoint("trigger.decided");
  return true;
}

Result<bool> TriggerPart::decide_due(const ProjectFile& file, UnixMs now) {
  if (!TRY(pool_.read([&](db::Tx& tx) { return flows::has_due(tx, now); }))) return false;
  const auto decided =
      TRY(pool_.write([&](db::Tx& tx) { return flows::decide_due(tx, file, now); }));
  failpoint("trigger.decided");
  return !decided.empty();
}

}  // namespace slipway::app
