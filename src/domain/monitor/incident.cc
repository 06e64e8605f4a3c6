#include "domain/monitor/incident.h"

namespace slipway::monitor {
namespace {

bool is_good(Status status) {
  return status == Status::kGood || status == Status::kWarn;
}

/// How many windows of `version` in a row, up to now, `counts`; undecided ones are passed over,
/// as are those without a row of their own: `follows(earlier, later)` says whether two that have
/// only such ones between them are still in a row.
template <class Counts, class Follows>
int streak(const Situation& s, const std::string& version, const Counts& counts,
           const Follows& follows) {
  int n = 0;
  const JudgedWindow* later = nullptr;
  for (auto window = s.windows.rbegin(); window != s.windows.rend(); ++window) {
    if (window->version != version || window->status == Status::kUndecided) continue;
    if (!counts(*window) || (later != nullptr && !follows(*window, *later))) break;
    later = &*window;
    ++n;
  }
  return n;
}

/// By time, for of windows in which nobody was answered only the first is kept.
bool are_near(const JudgedWindow& earlier, const JudgedWindow& later, int windows_between_max) {
  return later.start_ms - earlier.end_ms <=
         windows_between_max * (earlier.end_ms - earlier.start_ms);
}

int bad_streak(const Situation& s) {
  // What goes on from an incident that is open is the same problem, however seldom it is seen.
  const bool is_known = s.open && s.open->version == s.live;
  return streak(
      s, s.live, [](const JudgedWindow& w) { return w.status == Status::kBad; },
      [&](const JudgedWindow& earlier, const JudgedWindow& later) {
        return is_known || are_near(earlier, later, s.persist);
      });
}

/// Good windows that say something about an open incident: later than what opened it.
int good_streak(const Situation& s, const std::string& version) {
  const UnixMs opened = s.open ? s.open->window_end_ms : 0;
  return streak(
      s, version, [&](const JudgedWindow& w) { return is_good(w.status) && w.end_ms > opened; },
      [](const JudgedWindow&, const JudgedWindow&) { return true; });
}

/// The window that opened the incident is good by now: labels came late, or were corrected.
bool is_taken_back(const Situation& s) {
  for (const JudgedWindow& w : s.windows) {
    if (w.version == s.open->version && w.end_ms == s.open->window_end_ms && is_good(w.status))
      return true;
  }
  return false;
}

std::string in_a_row(int n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? " window" : " windows in a row");
}

/// The newest window, where it says anything about this version.
const JudgedWindow* newest(const Situation& s, const std::string& version) {
  if (s.windows.empty()) return nullptr;
  const UnixMs start = s.windows.back().start_ms;
  for (auto window = s.windows.rbegin(); window != s.windows.rend(); ++window) {
    if (window->start_ms != start) break;
    if (window->version == version) return &*window;
  }
  return nullptr;
}

Step close(std::string remedy, const std::string& version, std::string reason) {
  return {Step::Kind::kClose, std::move(remedy), version, false, std::move(reason), 0};
}

/// The version that it asked for had a good window. One that is live no more by the time its window
/// is judged has helped all the same; but not where the version that the incident is about is live
/// again: then the remedy was taken back.
bool has_helped(const Situation& s) {
  const OpenIncident& open = *s.open;
  if (open.remedy_version.empty() || s.live == open.version) return false;
  const JudgedWindow* last = newest(s, open.remedy_version);
  if (last == nullptr || !is_good(last->status)) return false;
  // Answers may be about the past: windows of theirs end before whatever happens now.
  return last->end_ms > open.promoted_ms || good_streak(s, open.remedy_version) >= kGoodWindows;
}

Step close_by_remedy(const Situation& s) {
  const std::string& remedy = s.open->remedy_version;
  return close("promotion", remedy,
               "version " + remedy + ", which it asked for, had a good window");
}

Step step_of_open(const Situation& s, const JudgedWindow& last) {
  const OpenIncident& open = *s.open;
  const bool is_remedy = !open.remedy_version.empty() && open.remedy_version == s.live;
  if (is_good(last.status)) {
    if (is_taken_back(s))
      return close("none", s.live, "by later labels the window that opened it was a good one");
    if (good_streak(s, s.live) < kGoodWindows) return {};
    return close(s.live == open.version ? "none" : "replacement", s.live,
                 in_a_row(kGoodWindows, "good") + " of version " + s.live);
  }
  if (open.remedy_under_way) return {};
  if (last.status == Status::kUndecided) {
    if (open.failed_remedies == 0 || !open.remedy_version.empty()) return {};
    return {Step::Kind::kUnresolved, "", "", false,
            "a remedy has failed, and no window shows that it is over", 0};
  }
  const int bad = bad_streak(s);
  if (bad < s.persist) return {};
  return {Step::Kind::kUnresolved, "", "", is_remedy,
          in_a_row(bad, "bad") + " of version " + s.live +
              (is_remedy ? ", which was to be the remedy" : ""),
          bad};
}

}  // namespace

Step next_step(const Situation& s) {
  if (s.live.empty()) return {};
  if (s.open && has_helped(s)) return close_by_remedy(s);
  const JudgedWindow* last = newest(s, s.live);
  if (last == nullptr) return {};
  if (s.open) return step_of_open(s, *last);
  if (last->status != Status::kBad) return {};
  const int bad = bad_streak(s);
  if (bad < s.persist) return {};
  return {Step::Kind::kOpen, "", "", false, in_a_row(bad, "bad") + " of version " + s.live, bad};
}

OpenIncident after(OpenIncident incident, RemedyNews news, const std::string& version,
                   UnixMs time_ms) {
  switch (news) {
    case RemedyNews::kStarted:
      incident.remedy_under_way = true;
      break;
    case RemedyNews::kPromoted:
      incident.remedy_under_way = false;
      incident.remedy_version = version;
      incident.promoted_ms = time_ms;
      break;
    case RemedyNews::kUndecided:
      incident.remedy_under_way = false;
      break;
    case RemedyNews::kFailed:
      incident.remedy_under_way = false;
      ++incident.failed_remedies;
      // Promoted before, and rolled back after all.
      if (incident.remedy_version == version) incident.remedy_version.clear();
      break;
  }
  return incident;
}

}  // namespace slipway::monitor
