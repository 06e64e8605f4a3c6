#include "io/proc/record.h"

#include <unistd.h>

#include <map>

#include "base/text.h"

namespace slipway::proc {
namespace {

constexpr std::string_view kKinds[] = {"exited", "signaled", "not_started", "lost"};
// The last line: a text without it was cut short.
constexpr std::string_view kEnd = "end";

using Fields = std::map<std::string, std::string, std::less<>>;

void put(std::string& text, std::string_view key, std::string_view value) {
  text.append(key).append(" ").append(value).append("\n");
}

Result<Fields> parse_fields(std::string_view text) {
  Fields fields;
  for (std::string_view line : split(text, '\n')) {
    std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    fields.emplace(line.substr(0, space), line.substr(space + 1));
  }
  if (!fields.contains(kEnd)) return invalid("the record of an attempt is not complete");
  return fields;
}

Result<std::int64_t> number(const Fields& fields, std::string_view key) {
  auto found = fields.find(key);
  auto value = found == fields.end() ? std::nullopt : to_int64(found->second);
  if (!value) {
    return invalid("the record of an attempt has no number \"" + std::string(key) + "\"");
  }
  return *value;
}

std::string text_of(const Fields& fields, std::string_view key) {
  auto found = fields.find(key);
  return found == fields.end() ? std::string() : found->second;
}

}  // namespace

std::uint64_t start_ticks_of(pid_t pid) {
  Result<std::string> stat = read_file("/proc/" + std::to_string(pid) + "/stat", 64u << 10);
  if (!stat.ok()) return 0;
  // The name, in parentheses, may hold anything; fields are counted after its end.
  std::size_t name_end = stat->rfind(')');
  if (name_end == std::string::npos) return 0;
  constexpr std::size_t kStartTime = 22 - 2;
  std::vector<std::string_view> fields = split(std::string_view(*stat).substr(name_end + 1), ' ');
  if (fields.size() <= kStartTime) return 0;
  return static_cast<std::uint64_t>(to_int64(fields[kStartTime]).value_or(0));
}

std::string boot_id() {
  Result<std::string> text = read_file("/proc/sys/kernel/random/boot_id", 1u << 10);
  return text.ok() ? std::string(trim(*text)) : std::string();
}

Supervisor Supervisor::self() {
  return {getpid(), start_ticks_of(getpid()), boot_id(), SystemClock().now_ms()};
}

std::string to_text(const Supervisor& supervisor) {
  std::string text;
  put(text, "version", "1");
  put(text, "pid", std::to_string(supervisor.pid));
  put(text, "start_ticks", std::to_string(supervisor.start_ticks));
  put(text, "boot", supervisor.boot);
  put(text, "started_ms", std::to_string(supervisor.started_ms));
  put(text, kEnd, "1");
  return text;
}

Result<Supervisor> parse_supervisor(std::string_view text) {
  Fields fields = TRY(parse_fields(text));
  Supervisor supervisor;
  supervisor.pid = static_cast<pid_t>(TRY(number(fields, "pid")));
  supervisor.start_ticks = static_cast<std::uint64_t>(TRY(number(fields, "start_ticks")));
  supervisor.boot = text_of(fields, "boot");
  supervisor.started_ms = TRY(number(fields, "started_ms"));
  if (supervisor.pid <= 0) return invalid("the record of an attempt names no process");
  return supervisor;
}

std::string to_text(const Outcome& outcome) {
  std::string text;
  put(text, "version", "1");
  put(text, "kind", kKinds[static_cast<std::size_t>(outcome.kind)]);
  put(text, "code", std::to_string(outcome.code));
  put(text, "signal", std::to_string(outcome.signal));
  put(text, "command", std::to_string(outcome.command));
  put(text, "cancelled", outcome.cancelled ? "1" : "0");
  put(text, "ended_ms", std::to_string(outcome.ended_ms));
  put(text, "cpu_us", std::to_string(outcome.cpu_us));
  put(text, "memory_max_kb", std::to_string(outcome.memory_max_kb));
  put(text, "message", replace_all(outcome.message, "\n", " "));
  put(text, kEnd, "1");
  return text;
}

Result<Outcome> parse_outcome(std::string_view text) {
  Fields fields = TRY(parse_fields(text));
  Outcome outcome;
  std::string kind = text_of(fields, "kind");
  bool known = false;
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    if (kind != kKinds[i]) continue;
    outcome.kind = static_cast<Outcome::Kind>(i);
    known = true;
  }
  if (!known) return invalid("the record of an attempt has an unknown kind \"" + kind + "\"");
  outcome.code = static_cast<int>(TRY(number(fields, "code")));
  outcome.signal = static_cast<int>(TRY(number(fields, "signal")));
  outcome.command = static_cast<std::size_t>(TRY(number(fields, "command")));
  outcome.cancelled = TRY(number(fields, "cancelled")) != 0;
  outcome.ended_ms = TRY(number(fields, "ended_ms"));
  outcome.cpu_us = TRY(number(fields, "cpu_us"));
  outcome.memory_max_kb = TRY(number(fields, "memory_max_kb"));
  outcome.message = text_of(fields, "message");
  return outcome;
}

}  // namespace slipway::proc
