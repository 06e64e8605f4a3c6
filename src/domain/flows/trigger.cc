#include "domain/flows/trigger.h"

#include <algorithm>
#include <type_traits>

#include "base/text.h"
#include "base/timezone.h"
#include "domain/flows/cron.h"
#include "graph/kinds.h"

namespace slipway::flows {
namespace {

using project::TriggerSpec;

std::string text_member(const wire::Json& json, std::string_view key) {
  const wire::Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

bool has_labels(const wire::Json& data,
                const std::vector<std::pair<std::string, std::string>>& wanted) {
  const wire::Json* labels = data.find("labels");
  if (labels == nullptr) return false;
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    return text_member(*labels, label.first) == label.second;
  });
}

struct Listens {
  const Occasion& occasion;

  bool operator()(const project::CronSource&) const { return false; }
  bool operator()(const project::DataSource&) const { return false; }
  bool operator()(const project::GitSource&) const { return false; }
  bool operator()(const project::MessageSource& source) const {
    return source.subject.empty() && occasion.cause.kind == graph::kind::kMessage &&
           is_asked_for(source, occasion);
  }
  bool operator()(const project::AlertSource& source) const {
    return occasion.cause.kind == graph::kind::kAlert && has_labels(occasion.data, source.labels);
  }
  bool operator()(const project::IncidentSource& source) const {
    if (occasion.cause.kind != graph::kind::kIncident) return false;
    return (source.monitor.empty() || text_member(occasion.data, "monitor") == source.monitor) &&
           (source.deployment.empty() ||
            text_member(occasion.data, "deployment") == source.deployment);
  }
};

std::int64_t ms(project::Span span) {
  return span.count();
}

/// Of firings within the span that ends now, which is the newest whose leaving makes room for one
/// more; nothing while there is room.
std::optional<UnixMs> room_at(const project::Rate& rate, const std::vector<UnixMs>& fired,
                              UnixMs now_ms) {
  std::vector<UnixMs> within;
  for (UnixMs at : fired)
    if (at <= now_ms && at > now_ms - ms(rate.per)) within.push_back(at);
  const auto most = static_cast<std::size_t>(std::max(rate.count, 1.0));
  if (within.size() < most) return std::nullopt;
  std::sort(within.begin(), within.end());
  return within[within.size() - most] + ms(rate.per);
}

Decision dropped(const char* rule, UnixMs until_ms, std::string why) {
  return {Act::kDrop, until_ms, rule, std::move(why) + " until " + to_iso8601(until_ms)};
}

// --- globs ---

/// Whether the glob from `g` on matches the path from `p` on, for every pair: no glob of many stars
/// takes longer than their product.
bool glob_matches(std::string_view glob, std::string_view path) {
  const std::size_t width = path.size() + 1;
  std::vector<bool> fits((glob.size() + 1) * width, false);
  auto at = [&](std::size_t g, std::size_t p) { return fits[g * width + p]; };
  fits.back() = true;  // nothing matches nothing
  for (std::size_t g = glob.size(); g-- > 0;) {
    const std::string_view rest = glob.substr(g);
    const bool folders = rest.starts_with("**/"), anything = rest.starts_with("**");
    for (std::size_t p = path.size() + 1; p-- > 0;) {
      const bool ended = p == path.size();
      bool matches = false;
      if (folders) {  // none, or through the next '/'
        const std::size_t slash = ended ? std::string_view::npos : path.find('/', p);
        matches = at(g + 3, p) ||
                  (slash != std::string_view::npos && (at(g + 3, slash + 1) || at(g, slash + 1)));
      } else if (anything) {
        matches = at(g + 2, p) || (!ended && at(g, p + 1));
      } else if (rest.front() == '*') {
        matches = at(g + 1, p) || (!ended && path[p] != '/' && at(g, p + 1));
      } else if (!ended) {
        const bool same = rest.front() == path[p] || (rest.front() == '?' && path[p] != '/');
        matches = same && at(g + 1, p + 1);
      }
      fits[g * width + p] = matches;
    }
  }
  return at(0, 0);
}

}  // namespace

const char* to_string(Act act) {
  static constexpr const char* kNames[] = {"fired", "waits", "buffered", "ignored"};
  return kNames[static_cast<std::size_t>(act)];
}

bool is_asked_for(const project::MessageSource& source, const Occasion& message) {
  return message.type == source.type && (source.source.empty() || message.source == source.source);
}

bool listens(const TriggerSpec& trigger, const Occasion& occasion) {
  return std::visit(Listens{occasion}, trigger.source);
}

namespace {

constexpr std::size_t kTriggersNamed = 5;

/// "late takes severity=page, team=ml"
std::string words_of(const std::vector<std::pair<std::string, std::string>>& labels) {
  std::string words;
  for (const auto& [name, value] : labels)
    words += (words.empty() ? "" : ", ") + name + "=" + value;
  return words.empty() ? "any alert" : words;
}

std::string words_of(const project::MessageSource& source) {
  return "type " + source.type + (source.source.empty() ? "" : " from source " + source.source);
}

/// What each trigger of that source takes.
template <class Source>
std::vector<std::string> taken(const std::vector<TriggerSpec>& triggers) {
  std::vector<std::string> all;
  for (const TriggerSpec& trigger : triggers) {
    const auto* source = std::get_if<Source>(&trigger.source);
    if (source == nullptr) continue;
    if constexpr (std::is_same_v<Source, project::MessageSource>) {
      if (!source->subject.empty()) continue;  // from NATS, and not over HTTP
      all.push_back(trigger.name + " takes " + words_of(*source));
    } else {
      all.push_back(trigger.name + " takes " + words_of(source->labels));
    }
  }
  return all;
}

std::string listed(std::vector<std::string> all) {
  const std::size_t more = all.size() - std::min(all.size(), kTriggersNamed);
  all.resize(all.size() - more);
  return join(all, "; ") + (more > 0 ? "; and " + std::to_string(more) + " more" : "");
}

}  // namespace

std::string why_unheard(const std::vector<TriggerSpec>& triggers, const Occasion& occasion) {
  const bool is_alert = occasion.cause.kind == graph::kind::kAlert;
  const std::vector<std::string> all = is_alert ? taken<project::AlertSource>(triggers)
                                                : taken<project::MessageSource>(triggers);
  const std::string what = is_alert ? "an alert with these labels"
                                    : "type " + occasion.type + " from source " + occasion.source;
  if (all.empty())
    return std::string("no trigger of slipway.yaml takes ") +
           (is_alert ? "alerts (`alert:`)" : "messages over HTTP (`cloudevent:`)");
  return "no trigger takes " + what + ": " + listed(all);
}

Decision decide(const TriggerSpec& trigger, const TriggerState& state, bool active, UnixMs now_ms) {
  const std::int64_t span = ms(trigger.debounce);
  if (span <= 0) return decide_now(trigger, state, active, now_ms);
  const UnixMs since = state.waiting ? std::min(state.waiting->since_ms, now_ms) : now_ms;
  const UnixMs due = std::min(now_ms + span, since + kDebouncesMax * span);
  return {Act::kWait, due, "debounce", "waits for quiet until " + to_iso8601(due)};
}

Decision decide_now(const TriggerSpec& trigger, const TriggerState& state, bool active,
                    UnixMs now_ms) {
  const UnixMs cool_at = state.last_fired_ms + ms(trigger.cooldown);
  const bool is_hot = state.last_fired_ms > 0 && state.last_fired_ms <= now_ms && now_ms < cool_at;
  if (is_hot) {
    return dropped("cooldown", cool_at,
                   "fired at " + to_iso8601(state.last_fired_ms) + "; cools down");
  }
  if (trigger.at_most) {
    if (auto at = room_at(*trigger.at_most, state.fired, now_ms)) {
      return dropped("at_most", *at,
                     "fired " + project::to_text(*trigger.at_most) + " already; may not");
    }
  }
  if (!active || trigger.overlap == "allow") return {Act::kFire, 0, "", ""};
  if (trigger.overlap == "buffer_one") {
    return {Act::kBuffer, 0, "overlap", "waits until the run under way has ended"};
  }
  return {Act::kDrop, 0, "overlap", "a run of this trigger is under way"};
}

TriggerState after_firing(const TriggerSpec& trigger, TriggerState state, UnixMs now_ms) {
  state.last_fired_ms = now_ms;
  state.waiting.reset();
  state.buffered = 0;
  if (!trigger.at_most) {
    state.fired.clear();
    return state;
  }
  const UnixMs begin = now_ms - ms(trigger.at_most->per);
  std::erase_if(state.fired, [&](UnixMs at) { return at <= begin || at > now_ms; });
  state.fired.push_back(now_ms);
  return state;
}

TriggerState without_firing(TriggerState state, UnixMs fired_ms, UnixMs before_ms) {
  if (state.last_fired_ms == fired_ms) state.last_fired_ms = before_ms;
  const auto found = std::find(state.fired.begin(), state.fired.end(), fired_ms);
  if (found != state.fired.end()) state.fired.erase(found);
  return state;
}

Result<Ticks> due_ticks(const project::CronSource& cron, bool may_overlap, bool active,
                        UnixMs after_ms, UnixMs up_since_ms, UnixMs now_ms) {
  const CronRule rule = TRY(CronRule::parse(cron.expression));
  const TimeZone zone = TRY(TimeZone::find(cron.tz));
  const bool all = cron.catchup == "all", none = cron.catchup == "none";
  Ticks ticks;
  ticks.cursor_ms = after_ms;
  // Bounded: a rule of every minute and a server that was away for a year are 525,600 ticks.
  constexpr int kLooksMax = 1'000'000;
  for (int i = 0; i < kLooksMax; ++i) {
    const std::optional<CronFiring> next = next_firing(rule, zone, ticks.cursor_ms);
    if (!next || next->at_ms > now_ms) break;
    if (all &&
        (ticks.fire.size() == kTicksMax || (!may_overlap && (active || !ticks.fire.empty())))) {
      return ticks;  // the next one's turn comes later
    }
    ticks.cursor_ms = next->at_ms;
    if (none && next->at_ms < up_since_ms) {
      ++ticks.missed;
      continue;
    }
    if (!all && !ticks.fire.empty()) {
      ticks.missed += static_cast<std::int64_t>(ticks.fire.size());
      ticks.fire.clear();
    }
    ticks.fire.push_back({next->at_ms, next->nominal});
  }
  return ticks;
}

bool Settling::look(const std::string& mark, project::Span span, UnixMs now_ms) {
  const bool is_same = since_ms_ && mark == mark_ && *since_ms_ <= now_ms;
  if (!is_same) {
    mark_ = mark;
    since_ms_ = now_ms;
  }
  return now_ms - *since_ms_ >= ms(span);
}

bool touches(const std::vector<std::string>& globs, const std::vector<std::string>& paths) {
  if (globs.empty()) return true;
  return std::any_of(paths.begin(), paths.end(), [&](const std::string& path) {
    return std::any_of(globs.begin(), globs.end(),
                       [&](const std::string& glob) { return glob_matches(glob, path); });
  });
}

}  // namespace slipway::flows
