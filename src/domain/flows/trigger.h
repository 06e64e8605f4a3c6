#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/project/project_file.h"
#include "graph/graph.h"
#include "io/wire/json.h"

// What a trigger does about what it hears: decided from values alone. Any thread.
namespace slipway::flows {

/// Something that happened outside of a pipeline: a tick of the calendar, a message, an alert, an
/// incident, a new data version, a commit, a person's wish.
struct Occasion {
  /// The same for the same thing, however often it is told, and for nothing else.
  std::string key;
  graph::NodeRef cause;  // "message", "tick", "incident", "data", "commit", "person"
  std::string id, type, source, subject;
  UnixMs time_ms = 0;          // when it happened
  std::string commit = {};     // that the run shall be at; "": the project's own
  std::int64_t cause_seq = 0;  // the event of the log that told of it; 0: none
  wire::Json data = {};        // an object
};

/// Whether this trigger is for it. Ticks, data, commits and messages of a broker are told to one
/// trigger by its name.
bool listens(const project::TriggerSpec& trigger, const Occasion& occasion);
/// Why none of the triggers is for it, in words for who sent it, with what would be heard. Pure.
std::string why_unheard(const std::vector<project::TriggerSpec>& triggers,
                        const Occasion& occasion);
/// Whether a message is of the type and source that are asked for.
bool is_asked_for(const project::MessageSource& source, const Occasion& message);

/// All that a trigger remembers.
struct TriggerState {
  UnixMs last_fired_ms = 0;   // 0: never
  std::vector<UnixMs> fired;  // within the span of at_most, oldest first
  struct Waiting {
    std::int64_t event = 0;  // the newest that it was told of
    UnixMs since_ms = 0, due_ms = 0;
    std::string rule;
  };
  std::optional<Waiting> waiting;
  std::int64_t buffered = 0;  // waits for a run to end; 0: nothing
};

enum class Act {
  kFire,
  kWait,    // until a time
  kBuffer,  // until the trigger's run has ended
  kDrop,
};
const char* to_string(Act act);

struct Decision {
  Act act = Act::kDrop;
  UnixMs until_ms = 0;  // of kWait; of kDrop until when the same would be dropped, if that is known
  /// What decided it, as one word: "debounce", "cooldown", "at_most", "overlap",
  /// "missed", "mapping", "closed", "removed", "replaced"; "" for a firing that nothing held up.
  std::string rule;
  std::string reason;  // for people
};

/// The longest that a stream of events without a pause holds up a firing, in debounce spans.
inline constexpr int kDebouncesMax = 10;

/// On hearing of an occasion: debounce first, then as decide_now(). `active`: a run of this trigger
/// is under way.
Decision decide(const project::TriggerSpec& trigger, const TriggerState& state, bool active,
                UnixMs now_ms);
/// When nothing is to be waited for any more. Cool-down and at_most drop what came too early, but
/// an incident waits for their end: it may be open still. Firings that lie in the future (the clock
/// was put back) do not count.
Decision decide_now(const project::TriggerSpec& trigger, const TriggerState& state, bool active,
                    UnixMs now_ms);
/// What the state is after firing at `now_ms`: nothing waits.
TriggerState after_firing(const project::TriggerSpec& trigger, TriggerState state, UnixMs now_ms);
/// What it is once the run of the firing at `fired_ms` was skipped, as there was no new
/// information: that one counts no more. `before_ms`: the firing before it; 0: none.
TriggerState without_firing(TriggerState state, UnixMs fired_ms, UnixMs before_ms);

/// The ticks that passed after `after_ms` and not later than `now_ms`, and what is done of them.
struct Ticks {
  struct Tick {
    UnixMs at_ms = 0;
    std::string nominal;  // identifies it, see cron.h
  };
  std::vector<Tick> fire;   // oldest first, at most `kTicksMax`
  std::int64_t missed = 0;  // left out by the catch-up policy
  UnixMs cursor_ms = 0;     // ticks up to here are dealt with
};
inline constexpr int kTicksMax = 100;
/// `up_since_ms`: when this server began to look; earlier ticks were missed. "none" leaves those
/// out; "latest" takes the newest of several; "all" takes each, one at a time while a run of the
/// trigger is `active` unless runs may overlap. kInvalid for a rule or zone that can't be.
Result<Ticks> due_ticks(const project::CronSource& cron, bool may_overlap, bool active,
                        UnixMs after_ms, UnixMs up_since_ms, UnixMs now_ms);

/// Whether something has stayed as it is for long enough, by marks that change when it does.
class Settling {
 public:
  /// At `now_ms` it looks like `mark`; true once it has done so for `span`.
  bool look(const std::string& mark, project::Span span, UnixMs now_ms);

 private:
  std::string mark_;
  std::optional<UnixMs> since_ms_;
};

/// Whether a path of a commit is one that the trigger asks for: globs of slipway.yaml, where `*`
/// stays inside a folder, `**` goes through folders and `?` is one character. No globs: any path.
bool touches(const std::vector<std::string>& globs, const std::vector<std::string>& paths);

// --- inputs of the run --------------------------------------------------------------------------

/// A value for a key of a parameter file.
struct ParamInput {
  std::string file = "params.yaml";
  std::string key;  // dotted
  std::string value;
  bool operator==(const ParamInput&) const = default;
};
/// What `with:` makes of an occasion. kInvalid names a template that this occasion has nothing for.
Result<std::vector<ParamInput>> inputs_of(const project::TriggerSpec& trigger,
                                          const Occasion& occasion);
/// The templates of `value` that no occasion of this source can have something for, each with what
/// it could be. Empty: all are known.
std::vector<std::string> unknown_templates(const project::TriggerSource& source,
                                           std::string_view value);

}  // namespace slipway::flows
