#pragma once

#include <vector>

#include "app/cli/command.h"

// What each command does; one file a theme (README.md).
namespace slipway::app {

int run_init(const Arguments& arguments, const Surroundings& surroundings);
int run_add(const Arguments& arguments, const Surroundings& surroundings);
int run_checkout(const Arguments& arguments, const Surroundings& surroundings);
int run_status(const Arguments& arguments, const Surroundings& surroundings);
int run_commit(const Arguments& arguments, const Surroundings& surroundings);
int run_repro(const Arguments& arguments, const Surroundings& surroundings);
int run_dvc(const Arguments& arguments, const Surroundings& surroundings);

std::vector<Flag> up_flags();
int run_up(const Arguments& arguments, const Surroundings& surroundings);

int run_lint(const Arguments& arguments, const Surroundings& surroundings);
std::vector<Flag> project_flags();
int run_plan(const Arguments& arguments, const Surroundings& surroundings);
int run_apply(const Arguments& arguments, const Surroundings& surroundings);

/// check, profile, infer.
std::vector<Command> checks_commands();
/// features train-set, materialize, get.
std::vector<Command> features_commands();

/// report.
std::vector<Command> report_commands();

/// deployments, deploy, promote, rollback, gates.
std::vector<Command> delivery_commands();

/// feedback.
std::vector<Command> feedback_commands();

/// users, tokens, permissions.
std::vector<Command> people_commands();

/// monitors, incidents.
std::vector<Command> monitor_commands();

/// import.
std::vector<Command> import_commands();
std::vector<Command> sync_commands();

/// doctor.
std::vector<Command> doctor_commands();

/// `runs VERB` of runs that scripts logged; what its flags are.
bool is_tracked_verb(const Arguments& arguments);
std::vector<Flag> tracked_flags();
int run_tracked(const Arguments& arguments, const Surroundings& surroundings);

/// run, runs, logs, cancel, events, run-attempt.
std::vector<Command> runs_commands();

std::vector<Flag> explain_flags();
int run_explain(const Arguments& arguments, const Surroundings& surroundings);

}  // namespace slipway::app
