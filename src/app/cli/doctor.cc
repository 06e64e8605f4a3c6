#include <algorithm>
#include <iostream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/doctor.h"
#include "app/project.h"
#include "base/log.h"
#include "io/wire/json.h"

// doctor: is this installation sound?
namespace slipway::app {
namespace {

struct Findings {
  bool sound = true;
  std::vector<Finding> findings;
};
WIRE(Findings, sound, findings)

int run_doctor(const Arguments& arguments, const Surroundings& surroundings) {
  set_log_level(LogLevel::kError);
  DoctorRequest request;
  request.project = project_root(surroundings.folder);
  request.state = state_folder(arguments, surroundings);
  request.store = flag(arguments, "store");
  request.artifacts = flag(arguments, "artifacts");
  SystemClock clock;
  Findings all;
  all.findings = examine(request, clock);
  all.sound = std::none_of(all.findings.begin(), all.findings.end(),
                           [](const Finding& one) { return one.level == "problem"; });
  if (surroundings.json) {
    surroundings.out << wire::encode(all) << "\n";
  } else {
    for (const Finding& one : all.findings) {
      constexpr std::size_t kWidth = 9;
      surroundings.out << one.level << std::string(kWidth - one.level.size(), ' ') << one.about
                       << ": " << one.found << "\n";
      if (!one.todo.empty()) surroundings.out << "         -> " << one.todo << "\n";
    }
  }
  return all.sound ? kDone : kAnswerIsNo;
}

}  // namespace

std::vector<Command> doctor_commands() {
  std::vector<Command> all;
  all.push_back({.name = "doctor",
                 .summary = "is this installation sound? Looks, and changes nothing (exit code 1 "
                            "where there is a problem)",
                 .flags = {{"--state", "DIR", "the state folder (.slipway of this project)"},
                           {"--store", "URI", "the catalogue, when it is not where this state had it last"},
                           {"--artifacts", "PLACE",
                            "where files of runs and models lie, as of `up`"}},
                 .examples = {"slipway doctor", "slipway --json doctor --state /var/lib/slipway"},
                 .run = run_doctor});
  return all;
}

}  // namespace slipway::app
