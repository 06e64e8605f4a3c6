#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "app/check_facts.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/loop/cached_data.h"
#include "app/project.h"
#include "base/file.h"
#include "base/text.h"
#include "domain/checks/cell_text.h"
#include "domain/checks/infer.h"
#include "domain/checks/profile_text.h"
#include "domain/checks/suite.h"
#include "domain/project/project_file.h"
#include "io/wire/json.h"

// check, profile, infer: contracts on files.
namespace slipway::app {
namespace {

using std::filesystem::path;

constexpr std::uint64_t kContractBytesMax = 4u << 20;

Error wrong_flag(const std::string& message) {
  return with_tag(invalid(message), "usage");
}

/// The file's place as slipway.yaml names it: relative to the repository's root.
std::string data_path(const path& root, const path& file) {
  return std::filesystem::absolute(file).lexically_normal().lexically_relative(root).string();
}

/// Tables by their name in a folder and in those right below it, relative to `from`.
void append_tables(const path& from, const path& folder, std::vector<std::string>& names) {
  constexpr std::size_t kLookedAtMax = 10'000;
  constexpr std::string_view kEndings[] = {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet"};
  std::error_code failed;
  std::filesystem::recursive_directory_iterator entry(
      from / folder, std::filesystem::directory_options::skip_permission_denied, failed);
  const std::filesystem::recursive_directory_iterator end;
  for (std::size_t seen = 0; !failed && entry != end && seen < kLookedAtMax; ++seen) {
    const std::string name = entry->path().filename().string();
    if (entry.depth() > 0 || name.starts_with(".")) entry.disable_recursion_pending();
    const bool is_table =
        std::any_of(std::begin(kEndings), std::end(kEndings),
                    [&](std::string_view ending) { return name.ends_with(ending); });
    if (is_table) names.push_back(entry->path().lexically_relative(from).string());
    entry.increment(failed);
  }
}

/// The table that is asked for; where there is none, what may have been meant: one near it, or one
/// that slipway.yaml names.
Result<path> table_of(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& named = arguments.positional.front();
  const path file = surroundings.folder / named;
  std::error_code failed;
  if (std::filesystem::exists(file, failed) || failed) return file;
  std::vector<std::string> known;
  append_tables(surroundings.folder, path(named).parent_path(), known);
  const path root = project_root(surroundings.folder);
  if (const auto project = project::read_project(root); project.ok()) {
    for (const project::ContractBinding& binding : project->contracts)
      known.push_back((root / binding.path).lexically_proximate(surroundings.folder).string());
  }
  const auto has_its_name = [&](const std::string& one) {
    return path(one).filename() == path(named).filename();
  };
  const auto elsewhere = std::find_if(known.begin(), known.end(), has_its_name);
  const auto near = elsewhere != known.end() ? std::optional(*elsewhere) : nearest(named, known);
  return missing(
      "there is no file " + named +
      (near ? "; did you mean '" + *near + "'?" : "; a table is expected: CSV or Parquet"));
}

/// --contract, or what the project binds to this file.
Result<path> contract_of(const Arguments& arguments, const Surroundings& surroundings,
                         const path& file) {
  const std::string named = flag(arguments, "contract");
  if (!named.empty()) return surroundings.folder / named;
  const path root = project_root(surroundings.folder);
  Result<project::ProjectFile> project = project::read_project(root);
  if (!project.ok() && project.error().code == Code::kMissing)
    return wrong_flag("there is no slipway.yaml that binds a contract to " + file.string() +
                      ": name one with --contract, or make one with `slipway infer`");
  if (!project.ok()) return project.error();
  const std::string data = data_path(root, file);
  if (const project::ContractBinding* bound = project->find_contract(data))
    return root / bound->file;
  std::vector<std::string> known;
  for (const project::ContractBinding& binding : project->contracts) known.push_back(binding.path);
  std::string message = "slipway.yaml binds no contract to '" + data + "'";
  if (auto near = nearest(data, known)) message += "; did you mean '" + *near + "'?";
  return wrong_flag(message + ": add it under 'contracts:', or name one with --contract");
}

Result<checks::Contract> read_contract(const path& file, const Surroundings& surroundings) {
  const std::string text = TRY(read_file(file, kContractBytesMax));
  return checks::parse_contract(text, file.lexically_proximate(surroundings.folder).string());
}

/// --contract, or what the project binds to this file; nothing where there is neither.
Result<std::optional<path>> contract_if_any(const Arguments& arguments,
                                            const Surroundings& surroundings, const path& file) {
  Result<path> contract = contract_of(arguments, surroundings, file);
  if (contract.ok()) return std::optional(std::move(contract).value());
  if (contract.error().tag == "usage") return std::optional<path>();
  return contract.error();
}

/// Columns that a check by the contract reads as they are written (`007`): so does a profile that
/// it is to be compared with.
Result<std::vector<std::string>> text_columns(const Arguments& arguments,
                                              const Surroundings& surroundings, const path& file) {
  std::vector<std::string> names;
  const std::optional<path> found = TRY(contract_if_any(arguments, surroundings, file));
  if (!found) return names;
  const checks::Suite suite = checks::compile(TRY(read_contract(*found, surroundings)));
  for (const checks::ColumnPlan& column : suite.plan.columns) {
    if (column.as_text) names.push_back(column.column);
  }
  return names;
}

/// A reference that was made without the contract has numbers where the contract has texts: what
/// tells `007` from `7` is not seen, which nobody would guess from a verdict that passes.
void warn_of_numbers(const checks::Contract& contract, const checks::Suite& suite,
                     const path& file, const std::string& contract_name,
                     const Surroundings& surroundings) {
  if (table::Scan::has_columns_apart(file)) return;  // has types of its own
  std::vector<std::string> names;
  for (const checks::ColumnPlan& alone : checks::compile(contract).plan.columns) {
    const checks::ColumnPlan* column = suite.plan.find(alone.column);
    if (alone.as_text && column != nullptr && !column->as_text)
      names.push_back("'" + alone.column + "'");
  }
  if (names.empty()) return;
  warn("the contract declares " + join(names, ", ") +
           " as string, and the reference has numbers there: it is read as numbers too, so 007 "
           "may be 7. Make the reference by the contract: `slipway profile TABLE --contract " +
           contract_name + " -o PROFILE`",
       surroundings);
}

/// Profiles by name, kept where a References can point to them.
struct NamedProfiles {
  std::map<std::string, checks::Profile> owned;
  checks::References references() const {
    checks::References all;
    for (const auto& [name, profile] : owned) all[name] = &profile;
    return all;
  }
};

/// "PROFILE" is the reference "training"; "NAME=PROFILE,NAME=PROFILE" names them.
Result<NamedProfiles> read_references(const std::string& text, const path& folder) {
  NamedProfiles profiles;
  if (text.empty()) return profiles;
  for (std::string_view part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const bool is_named = equals != std::string_view::npos && part.find('/') > equals;
    const std::string name(is_named ? part.substr(0, equals) : "training");
    const path file = folder / part.substr(is_named ? equals + 1 : 0);
    const std::string content = TRY(read_file(file));
    Result<checks::Profile> profile = checks::parse_profile(content);
    if (!profile.ok()) return with_context(file.string(), profile.error());
    profiles.owned[name] = std::move(profile).value();
  }
  return profiles;
}

/// --as-of, or now.
Result<UnixMs> time_of(const Arguments& arguments) {
  const std::string text = flag(arguments, "as-of");
  if (text.empty()) return SystemClock().now_ms();
  if (auto micros = checks::parse_time(text)) return *micros / 1000;
  return wrong_flag("'" + text + "' is no date or time such as 2011-05-01 or 2011-05-01T12:00:00Z");
}

Result<checks::Environment> environment_of(const Arguments& arguments) {
  const std::string text = flag(arguments, "env", "TRAINING");
  if (auto environment = checks::parse_environment(text)) return *environment;
  return wrong_flag("'" + text +
                    "' is no environment: TRAINING, CI, VALIDATION or SERVING is expected");
}

/// Size and time of change: another one means other bytes.
using FileStamp = std::pair<std::uintmax_t, std::filesystem::file_time_type>;

struct CheckResult {
  std::vector<checks::Verdict> verdicts;
  CheckFact fact;
  FileStamp stamp;  // of the file before it was read
};

FileStamp stamp_of(const path& file) {
  std::error_code ignored;
  return {std::filesystem::file_size(file, ignored),
          std::filesystem::last_write_time(file, ignored)};
}

/// Where facts go, when there is such a place.
std::optional<path> state_of(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.on("no-record")) return {};
  const path state = state_folder(arguments, surroundings);
  std::error_code ignored;
  if (!std::filesystem::is_directory(state, ignored)) return {};
  return state;
}

Result<> record_in(const path& state, const path& file, const path& root, CheckResult& result) {
  result.fact.md5 = TRY(md5_of_file(file));
  if (stamp_of(file) != result.stamp) return unavailable("the file changed meanwhile");
  result.fact.path = data_path(root, file);
  result.fact.actor = user_name();
  TRY(record_check(state, result.fact));
  return {};
}

/// A verdict that can't be kept is given all the same.
void record(const Arguments& arguments, const Surroundings& surroundings, CheckResult& result) {
  const std::optional<path> state = state_of(arguments, surroundings);
  if (!state) return;
  const Result<> kept = record_in(*state, surroundings.folder / arguments.positional.front(),
                                  project_root(surroundings.folder), result);
  if (!kept.ok()) warn("the verdicts are not recorded: " + kept.error().message, surroundings);
}

/// Beside each column that is missing: what the file has instead, and the contract does not name.
void name_extras(const checks::Profile& profile, std::vector<checks::Verdict>& verdicts) {
  constexpr std::size_t kShownMax = 10;
  constexpr std::string_view kNoColumn = "there is no such column";
  if (profile.others.empty()) return;
  std::vector<std::string> shown(
      profile.others.begin(),
      profile.others.begin() + static_cast<long>(std::min(profile.others.size(), kShownMax)));
  if (shown.size() < profile.others.size()) shown.emplace_back("...");
  for (checks::Verdict& verdict : verdicts) {
    // Of the checks of a column only the first says it; the others have no data.
    const bool has_data = verdict.status != checks::Status::kNoData;
    if (!has_data || !verdict.words.starts_with(kNoColumn)) continue;
    const auto near = nearest(verdict.column, profile.others);
    if (near) verdict.words += "; did you mean '" + *near + "'?";
    verdict.words += " (the file has, and the contract does not name: " + join(shown, ", ") + ")";
  }
}

Result<CheckResult> check_file(const Arguments& arguments, const Surroundings& surroundings) {
  const path file = TRY(table_of(arguments, surroundings));
  checks::Circumstances circumstances;
  circumstances.environment = TRY(environment_of(arguments));
  circumstances.now_ms = TRY(time_of(arguments));
  const path contract_file = TRY(contract_of(arguments, surroundings, file));
  const std::string text = TRY(read_file(contract_file, kContractBytesMax));
  const std::string shown = contract_file.lexically_proximate(surroundings.folder).string();
  const checks::Contract contract = TRY(checks::parse_contract(text, shown));
  const NamedProfiles named =
      TRY(read_references(flag(arguments, "reference"), surroundings.folder));
  circumstances.references = named.references();
  const checks::Suite suite = checks::compile(contract, circumstances.references);
  warn_of_numbers(contract, suite, file, shown, surroundings);
  CheckResult result;
  result.stamp = stamp_of(file);
  const checks::Profile profile = TRY(checks::profile_table(file, suite.plan));
  result.verdicts = checks::evaluate(suite, profile, circumstances);
  name_extras(profile, result.verdicts);
  CheckFact& fact = result.fact;
  fact.contract_file = shown;
  fact.contract = text;
  fact.profile = checks::to_json(profile);
  for (const auto& [name, reference] : named.owned)
    fact.references.push_back({name, checks::to_json(reference)});
  fact.environment = checks::to_string(circumstances.environment);
  fact.as_of_ms = circumstances.now_ms;
  return result;
}

Result<std::string> format_of(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string format = flag(arguments, "format", surroundings.json ? "json" : "table");
  if (format != "table" && format != "json" && format != "junit")
    return wrong_flag("'" + format + "' is no format: table, json or junit is expected");
  if (surroundings.json && format != "json")
    return wrong_flag("--json and --format " + format + " exclude each other");
  return format;
}

int run_check(const Arguments& arguments, const Surroundings& surroundings) {
  Result<std::string> format = format_of(arguments, surroundings);
  if (!format.ok()) return report(format.error(), surroundings);
  Result<CheckResult> result = check_file(arguments, surroundings);
  if (!result.ok()) return report(result.error(), surroundings);
  const std::vector<checks::Verdict>& verdicts = result->verdicts;
  if (*format == "json")
    surroundings.out << wire::dump(checks::to_json(verdicts)) << "\n";
  else if (*format == "junit")
    surroundings.out << checks::to_junit(verdicts, arguments.positional.front());
  else
    surroundings.out << checks::to_table(verdicts, arguments.on("all"));
  record(arguments, surroundings, *result);
  return checks::failed(verdicts) ? kAnswerIsNo : kDone;
}

std::string document_of(const char* key, const std::string& value) {
  wire::Json json;
  json.set(key, value);
  return wire::dump(json) + "\n";
}

/// `content` to a file, or `document` to standard output. With --json a file is answered with its
/// name.
Result<> put_out(const Arguments& arguments, const Surroundings& surroundings,
                 const std::string& content, const std::string& document, bool keep_existing) {
  const std::string target = flag(arguments, "output");
  if (target.empty()) {
    surroundings.out << document;
    return {};
  }
  std::error_code ignored;
  const path named = surroundings.folder / target;
  if (named.has_parent_path()) std::filesystem::create_directories(named.parent_path(), ignored);
  const path file = TRY(file_to_write(named));
  if (keep_existing && std::filesystem::exists(file, ignored) && !arguments.on("force"))
    return conflict(file.string() + " exists already: --force replaces it");
  TRY(write_file_atomic(file, content));
  if (surroundings.json) surroundings.out << document_of("file", target);
  return {};
}

int run_profile(const Arguments& arguments, const Surroundings& surroundings) {
  Result<path> file = table_of(arguments, surroundings);
  if (!file.ok()) return report(file.error(), surroundings);
  Result<std::vector<std::string>> texts = text_columns(arguments, surroundings, *file);
  if (!texts.ok()) return report(texts.error(), surroundings);
  Result<checks::Profile> profile = checks::profile_fully(*file, {.texts = *texts});
  if (!profile.ok()) return report(profile.error(), surroundings);
  profile->made_ms = SystemClock().now_ms();
  const std::string text = checks::to_json(*profile);
  // A sketch of a thousand bins is for programs.
  Result<> done = put_out(arguments, surroundings, text,
                          surroundings.json ? text : checks::to_table(*profile), false);
  return done.ok() ? kDone : report(done.error(), surroundings);
}

int run_infer(const Arguments& arguments, const Surroundings& surroundings) {
  Result<UnixMs> now = time_of(arguments);
  if (!now.ok()) return report(now.error(), surroundings);
  Result<path> file = table_of(arguments, surroundings);
  if (!file.ok()) return report(file.error(), surroundings);
  Result<checks::Profile> profile = checks::profile_fully(*file);
  if (!profile.ok()) return report(profile.error(), surroundings);
  const std::string contract =
      checks::infer_contract(*profile, {.id = flag(arguments, "id"), .now_ms = *now});
  const std::string document = surroundings.json ? document_of("contract", contract) : contract;
  Result<> done = put_out(arguments, surroundings, contract, document, /*keep_existing=*/true);
  return done.ok() ? kDone : report(done.error(), surroundings);
}

}  // namespace

std::vector<Command> checks_commands() {
  std::vector<Command> all;
  all.push_back(
      {.name = "check",
       .summary = "a table against its contract (exit code 1 if a check fails)",
       .positional = "FILE",
       .positional_min = 1,
       .positional_max = 1,
       .positional_help = "a table: CSV or Parquet",
       .flags = {{"--contract", "FILE",
                  "the contract; else the one slipway.yaml binds to the file"},
                 {"--env", "ENV", "TRAINING (default), CI, VALIDATION or SERVING"},
                 {"--reference", "PROFILE",
                  "what drift is measured against: a profile, or NAME=PROFILE,..."},
                 {"--as-of", "TIME", "the time that freshness counts from (now)"},
                 {"--format", "FORMAT", "table, json or junit"},
                 {"--all", "", "list passed checks too"},
                 {"--state", "DIR", "where the verdicts are kept (.slipway of this project)"},
                 {"--no-record", "", "leave no fact in the state folder"}},
       .examples = {"slipway check data/hour.csv",
                    "slipway check data/hour.csv --reference hour.profile.json --format junit"},
       .run = run_check});
  all.push_back({.name = "profile",
                 .summary = "the statistics of a table, to compare others with",
                 .positional = "FILE",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "a table: CSV or Parquet",
                 .flags = {{"-o,--output", "FILE",
                            "where to write it, as JSON; without it a table is shown, and the "
                            "JSON with --json"},
                           {"--contract", "FILE",
                            "columns of a CSV file that it declares string are read as they are "
                            "written; else by the one slipway.yaml binds to the file"}},
                 .examples = {"slipway profile data/hour.csv",
                              "slipway profile data/hour.csv -o hour.profile.json"},
                 .run = run_profile});
  all.push_back({.name = "infer",
                 .summary = "a first contract for a table, from what is in it",
                 .positional = "FILE",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "a table: CSV or Parquet",
                 .flags = {{"-o,--output", "FILE", "where to write it (standard output)"},
                           {"--id", "ID", "of the contract (the table's name)"},
                           {"--as-of", "TIME", "when the data was fresh (now)"},
                           {"-f,--force", "", "replace an existing file"}},
                 .examples = {"slipway infer data/hour.csv -o contracts/hour.odcs.yaml"},
                 .run = run_infer});
  return all;
}

}  // namespace slipway::app
