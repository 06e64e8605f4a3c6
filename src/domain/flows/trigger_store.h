#pragma once

#include <string>
#include <vector>

#include "domain/flows/trigger.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// What triggers heard, remember and decided, in the catalogue. Functions of a caller's Tx; no
// threads. An occasion, what each trigger decides about it, the firing and the run it asks for are
// one transaction, so that a kill anywhere leaves all of it or nothing, and telling the same
// occasion again changes nothing. Tables: runs_store.h makes them.
namespace slipway::flows {

struct Decided {
  std::string trigger;
  Decision decision;
  std::string firing, run;  // of a firing
};
struct Noticed {
  bool is_new = false;  // false: it was told before, or nobody listens
  int listeners = 0;
  std::vector<std::string> heard_by;  // the names of those that listen
  std::string unheard;                // why nobody does; "" where somebody does
  std::vector<Decided> decided;
};
/// Tells the triggers of `file` that listen, or the one called `only`. An occasion that nobody
/// listens to is not kept.
Result<Noticed> notice(db::Tx& tx, const project::ProjectFile& file, const Occasion& occasion,
                       UnixMs now_ms, const std::string& only = "");
/// Ticks that the catch-up policy left out: a decision with its count.
Result<> note_missed(db::Tx& tx, const std::string& trigger, std::int64_t ticks, UnixMs now_ms);
/// Messages that nobody can read, which are not kept: a decision with their count and why, of the
/// first of them. `message` names that one.
Result<> note_refused(db::Tx& tx, const std::string& trigger, std::int64_t messages,
                      const std::string& message, const std::string& why, UnixMs now_ms);
/// The source of a trigger is there, or is not: an event trigger.listening or trigger.unreachable
/// with `data`.
Result<> note_source(db::Tx& tx, const std::string& trigger, bool is_there, wire::Json data,
                     UnixMs now_ms);
/// An incident is over: nothing waits for it any more.
Result<> note_closed(db::Tx& tx, const std::string& incident, UnixMs now_ms);

/// The run of the firing at `fired_ms` was skipped: see without_firing().
Result<> take_back_firing(db::Tx& tx, const std::string& trigger, UnixMs fired_ms,
                          UnixMs before_ms);

/// Decides what waited until now, or for a run that has ended. Bounded; call it again while it
/// decided something.
Result<std::vector<Decided>> decide_due(db::Tx& tx, const project::ProjectFile& file,
                                        UnixMs now_ms);

/// Whether decide_due() may have anything to do; for a reader.
Result<bool> has_due(db::Tx& tx, UnixMs now_ms);

/// Events of before that nothing waits for: what is told again after so long is new. How many.
Result<std::int64_t> forget_events(db::Tx& tx, UnixMs before_ms);
inline constexpr std::int64_t kEventsKeptMs = 90LL * 24 * 3'600'000;

/// A run that a person asks for: a firing without a trigger. kMissing for an unknown pipeline.
struct ByHand {
  std::string pipeline, actor, commit;
  std::vector<ParamInput> params;
};
Result<std::string> ask_run(db::Tx& tx, const project::ProjectFile& file, const ByHand& wish,
                            UnixMs now_ms);

/// What the source of a trigger has seen so far (a time, a digest, a commit), as text of the
/// source's own. "" at first.
Result<std::string> watched(db::Tx& tx, const std::string& trigger);
/// The same for a reader.
Result<std::string> peek_watched(db::Tx& tx, const std::string& trigger);
/// When it fired last, for a reader, as its cool-down sees it: a firing whose run was skipped does
/// not count. 0: never.
Result<UnixMs> last_fired(db::Tx& tx, const std::string& trigger);
/// When it fired last, whatever became of it. 0: never.
Result<UnixMs> last_firing(db::Tx& tx, const std::string& trigger);
Result<> set_watched(db::Tx& tx, const std::string& trigger, const std::string& text);
/// What every trigger's source has seen, also of those that are no longer declared.
struct Watching {
  std::string trigger, text;
};
WIRE(Watching, trigger, text)
Result<std::vector<Watching>> all_watched(db::Tx& tx);

/// What a trigger decided. Decisions not to fire that follow each other within a minute for the
/// same reason are one, with a count.
struct TriggerDecision {
  std::int64_t id = 0;
  std::string trigger;
  std::int64_t event = 0;
  std::string act, rule, reason, run;
  std::int64_t decided = 0;  // how many times
  std::int64_t first_ms = 0, last_ms = 0, log_seq = 0;
};
WIRE(TriggerDecision, id, trigger, event, act, rule, reason, run, decided, first_ms, last_ms,
     log_seq)
/// The newest of a trigger, or of all for "".
Result<std::vector<TriggerDecision>> decisions(db::Tx& tx, const std::string& trigger, int limit);

inline constexpr std::int64_t kStormMs = 60'000;

}  // namespace slipway::flows
