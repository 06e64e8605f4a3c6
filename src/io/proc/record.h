#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "io/proc/proc.h"

// What is written about an attempt: lines of `key value` (docs/formats/attempt-record.md).
namespace slipway::proc {

/// Which process watches over an attempt. A pid alone would name another process some day: together
/// with its start time and the boot it is unique.
struct Supervisor {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  std::string boot;               // /proc/sys/kernel/random/boot_id
  UnixMs started_ms = 0;

  static Supervisor self();
};

std::string to_text(const Supervisor& supervisor);
Result<Supervisor> parse_supervisor(std::string_view text);
std::string to_text(const Outcome& outcome);
/// kInvalid for anything but a complete text.
Result<Outcome> parse_outcome(std::string_view text);

/// The start time of a process in clock ticks since boot; 0 when there is none with that pid.
std::uint64_t start_ticks_of(pid_t pid);
std::string boot_id();

}  // namespace slipway::proc
