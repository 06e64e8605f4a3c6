#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/notify/undelivered.h"
#include "io/wire/codec.h"

// Whether an installation is sound: what a person would look at who is asked "it does not work".
// Changes nothing, and works beside a server.
namespace slipway::app {

/// "ok"; "warning": it works, and soon may not, or a part of it does not; "problem": it does not.
struct Finding {
  std::string about;  // "state folder", "server", "catalogue", ...
  std::string level;
  std::string found;
  std::string todo = {};  // empty where it is ok
};
WIRE(Finding, about, level, found, todo)

struct DoctorRequest {
  std::filesystem::path project, state;
  std::string store;      // URI of the catalogue; empty: where the state folder says
  std::string artifacts;  // empty: the server's, else those in the state folder
};
/// In the order in which a person would look. Waits for a server and a database, some seconds.
std::vector<Finding> examine(const DoctorRequest& request, const Clock& clock);

// What is found of numbers. Pure.
Finding judge_space(const std::string& about, const std::string& place, std::uint64_t free_bytes,
                    std::uint64_t all_bytes);
/// `last_ms`: of the newest event that the catalogue knows.
Finding judge_clock(UnixMs now_ms, const std::optional<UnixMs>& last_ms);
/// Every receiver that does not take notifications; one that says all is well when there is none.
std::vector<Finding> judge_notifications(const std::vector<notify::Undelivered>& undelivered);

}  // namespace slipway::app
