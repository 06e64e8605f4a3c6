#include "dialects/dvc/dvc.h"

#include <algorithm>
#include <map>
#include <ostream>
#include <set>

#include "base/text.h"
#include "dialects/dvc/later.h"
#include "domain/flows/commands.h"
#include "io/wire/json.h"

namespace slipway::dvc {
namespace {

namespace fs = std::filesystem;
using data::Repository;
using wire::Json;

constexpr int kOk = 0, kFailed = 1, kConfigError = 251, kNoRepository = 253, kUsage = 254,
              kOther = 255;

constexpr char kWelcome[] = "Initialized DVC repository.\n\n";
constexpr char kCommitHint[] = "You can now commit the changes to git.\n\n";
constexpr char kWhatsNext[] =
    "What's next?\n------------\n- Check out the documentation: <https://dvc.org/doc>\n"
    "- Get help and share ideas: <https://dvc.org/chat>\n- Star us on GitHub: "
    "<https://github.com/treeverse/dvc>\n";
constexpr char kEmptyProject[] =
    "There are no data or pipelines tracked in this project yet.\nSee <https://dvc.org/doc/start> "
    "to get started!\n";
constexpr char kLocked[] =
    "Unable to acquire lock. Most likely another DVC process is running or was terminated "
    "abruptly. Check the page "
    "<https://dvc.org/doc/user-guide/troubleshooting#lock-issue> for other possible reasons and to "
    "learn how to resolve "
    "this.";

struct Face {
  fs::path from;
  std::ostream& out;
  std::ostream& err;
  Pipelines* pipelines;
};

/// Flags and targets of one command.
struct Parsed {
  std::set<std::string> flags;
  std::vector<std::string> targets;
  std::string unknown;  // the first word that is no flag of the command
  bool has(const char* flag) const { return flags.contains(flag); }
};

/// `known`: every spelling of a flag to its long name.
Parsed parse(const std::vector<std::string>& arguments,
             const std::map<std::string, std::string>& known) {
  Parsed parsed;
  bool only_targets = false;
  for (const std::string& argument : arguments) {
    if (only_targets || argument == "-" || !argument.starts_with("-")) {
      parsed.targets.push_back(argument);
    } else if (argument == "--") {
      only_targets = true;
    } else if (auto flag = known.find(argument); flag != known.end()) {
      parsed.flags.insert(flag->second);
    } else if (parsed.unknown.empty()) {
      parsed.unknown = argument;
    }
  }
  return parsed;
}

const std::map<std::string, std::string>& common_flags() {
  static const std::map<std::string, std::string> flags = {
      {"-q", "quiet"},          {"--quiet", "quiet"}, {"-v", "verbose"},
      {"--verbose", "verbose"}, {"-h", "help"},       {"--help", "help"}};
  return flags;
}

std::map<std::string, std::string> with_common(std::map<std::string, std::string> flags) {
  flags.insert(common_flags().begin(), common_flags().end());
  return flags;
}

int fail(const Face& face, const std::string& message, int code) {
  face.err << "ERROR: " << message << "\n";
  return code;
}

int fail(const Face& face, const Error& error) {
  return fail(face, message_of(error), exit_code(error));
}

/// What `add` and others say of a single error, by its tag.
std::string shown_missing(const std::string& target) {
  return "'" + target +
         "' does not exist as an output or a stage name in 'dvc.yaml': 'dvc.yaml' does not exist";
}

std::string as_word(const std::string& word) {
  bool plain = !word.empty() &&
               word.find_first_not_of(
                   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_-+=:,./") ==
                   std::string::npos;
  if (plain) return word;
  std::string result = "'";
  for (char c : word) result += c == '\'' ? std::string("'\"'\"'") : std::string(1, c);
  return result + "'";
}

void hint_git_add(const Face& face, const Repository& repository, const data::Added& added,
                  bool quiet) {
  if (quiet || added.staged || added.files.empty() || !repository.uses_git()) return;
  face.out << "\nTo track the changes with git, run:\n\n\tgit add";
  for (const fs::path& file : added.files) face.out << " " << as_word(data::shown(file, face.from));
  face.out << "\n\nTo enable auto staging, run:\n\n\tdvc config core.autostage true\n";
}

int run_init(const Face& face, const Parsed& parsed) {
  fs::path folder =
      parsed.targets.empty() ? face.from : (face.from / parsed.targets[0]).lexically_normal();
  bool no_scm = parsed.has("no-scm"), subdir = parsed.has("subdir");
  if (no_scm && subdir)
    return fail(face, "Cannot initialize repo with `--no-scm` and `--subdir`", kOther);
  Result<> done = Repository::init(folder, no_scm, parsed.has("force"), subdir);
  if (!done.ok() && done.error().tag == "exists") {
    return fail(face,
                "failed to initiate DVC - '" + data::shown(folder / ".dvc", face.from) +
                    "' exists. Use `-f` to force.",
                kFailed);
  }
  if (!done.ok() && done.error().tag == "no_git") {
    return fail(face,
                "failed to initiate DVC - " + folder.string() +
                    " is not tracked by any supported SCM tool (e.g. Git). Use `--no-scm` if you "
                    "don't want to use any SCM or "
                    "`--subdir` if initializing inside a subdirectory of a parent SCM repository.",
                kFailed);
  }
  if (!done.ok() && done.error().tag == "ignored") {
    return fail(face,
                "failed to initiate DVC - " + (folder / ".dvc").string() +
                    " is ignored by your SCM tool. \nMake sure that it's tracked, for example, by "
                    "adding '!.dvc' to .gitignore.",
                kFailed);
  }
  if (!done.ok()) return fail(face, "failed to initiate DVC - " + done.error().message, kFailed);
  if (parsed.has("quiet")) return kOk;
  face.out << kWelcome << (no_scm ? "" : kCommitHint) << kWhatsNext;
  return kOk;
}

std::string add_message(const Error& error, const data::AddRequest& request) {
  auto first = [&] { return request.targets.empty() ? std::string() : request.targets[0]; };
  if (error.tag == "no_output") {
    // 'NAME' stands first in the message.
    std::string name = error.message.substr(1, error.message.find('\'', 1) - 1);
    return "output '" + name + "' does not exist: [Errno 2] No such file or directory: '" +
           (request.from / name).lexically_normal().string() + "'";
  }
  if (error.tag == "pipeline_output") {
    return "cannot update '" + first() + "': overlaps with an output of stage: '" + error.message +
           "' in 'dvc.yaml'.\nRun the pipeline or use 'dvc commit' to force update it.";
  }
  if (error.tag == "tracked_by_git") {
    std::string path = error.message.substr(0, error.message.find(" is tracked by git"));
    std::string name = data::shown(path, request.from);
    return " output '" + name +
           "' is already tracked by SCM (e.g. Git).\n    You can remove it from Git, then add to "
           "DVC.\n"
           "        To stop tracking from Git:\n            git rm -r --cached '" +
           name + "'\n            git commit -m \"stop tracking " + name + "\" ";
  }
  if (error.tag == "inside_dvc")
    return "Path '" + (request.from / first()).lexically_normal().string() +
           "' is ignored by :.dvc/";
  if (error.tag == "outside") {
    return "Cached output(s) outside of DVC project: " +
           (request.from / first()).lexically_normal().string() +
           ". See <https://dvc.org/doc/user-guide/data-management/importing-external-data> for "
           "more info.";
  }
  if (error.tag == "overlap_parent" || error.tag == "overlap_child") {
    // "cannot add 'A': it overlaps with 'B' of OWNER"
    const std::string& text = error.message;
    std::size_t a = text.find('\'') + 1, a_end = text.find('\'', a);
    std::size_t b = text.find('\'', a_end + 1) + 1, b_end = text.find('\'', b);
    std::string added = text.substr(a, a_end - a), other = text.substr(b, b_end - b);
    std::string owner = text.substr(b_end + 5);
    std::string head = "Cannot add '" + added +
                       "', because it is overlapping with other DVC tracked output: '" + other +
                       "'.\n";
    if (error.tag == "overlap_parent") {
      return head + "To include '" + other + "' in '" + added + "', run 'dvc remove " + owner +
             "' and then 'dvc add " + added + "'";
    }
    return head + "To include '" + added + "' in '" + other + "', run 'dvc commit " + owner + "'";
  }
  return message_of(error);
}

int run_add(const Face& face, Repository& repository, const Parsed& parsed) {
  if (parsed.targets.empty())
    return fail(face, "the following arguments are required: targets", kUsage);
  data::AddRequest request{parsed.targets, face.from, !parsed.has("no-commit"),
                           !parsed.has("no-relink")};
  Result<data::Added> added = data::add(repository, request);
  if (!added.ok()) return fail(face, add_message(added.error(), request), kFailed);
  hint_git_add(face, repository, *added, parsed.has("quiet"));
  return kOk;
}

Json states_to_json(const StageStatus::States& states) {
  Json json = Json(Json::Object());
  for (const auto& [path, state] : states) json.set(path, state);
  return json;
}

Json status_to_json(const StageStatus& status) {
  Json::Array parts;
  if (!status.deps.empty() || !status.params.empty()) {
    Json deps = states_to_json(status.deps);
    for (const auto& [file, states] : status.params) deps.set(file, states_to_json(states));
    Json entry;
    entry.set("changed deps", std::move(deps));
    parts.push_back(std::move(entry));
  }
  if (!status.outs.empty()) {
    Json entry;
    entry.set("changed outs", states_to_json(status.outs));
    parts.push_back(std::move(entry));
  }
  if (status.changed_command) parts.emplace_back("changed command");
  if (status.always_changed) parts.emplace_back("always changed");
  return parts;
}

void show_states(std::ostream& out, const StageStatus::States& states, const std::string& indent) {
  constexpr std::size_t kStatusWidth = 20;
  for (const auto& [path, state] : states) {
    std::string word = state + ":";
    word.resize(std::max(word.size(), kStatusWidth), ' ');
    out << indent << word << path << "\n";
  }
}

void show_status(std::ostream& out, const StageStatus& status) {
  out << status.owner << ":\n";
  if (!status.deps.empty() || !status.params.empty()) {
    out << "\tchanged deps:\n";
    show_states(out, status.deps, "\t\t");
    for (const auto& [file, states] : status.params) {
      out << "\t\t" << file << ":\n";
      show_states(out, states, "\t\t\t");
    }
  }
  if (!status.outs.empty()) {
    out << "\tchanged outs:\n";
    show_states(out, status.outs, "\t\t");
  }
  if (status.changed_command) out << "\tchanged command\n";
  if (status.always_changed) out << "\talways changed\n";
}

StageStatus to_stage_status(const data::OwnerStatus& owner, const fs::path& from) {
  StageStatus status;
  status.owner = owner.owner;
  status.always_changed = owner.always_changed;
  for (const auto& [path, state] : owner.deps)
    status.deps.emplace_back(data::shown(path, from), to_string(state));
  for (const auto& [path, state] : owner.outs)
    status.outs.emplace_back(data::shown(path, from), to_string(state));
  return status;
}

/// The file that a section of the status stands for, relative to where it was asked.
std::string file_of(const std::string& owner) {
  if (owner.ends_with(".dvc")) return owner;
  const std::size_t colon = owner.rfind(':');
  return colon == std::string::npos ? "dvc.yaml" : owner.substr(0, colon);
}

/// As os.walk meets the files: those of a folder in its own order, then those of its sub-folders.
class WalkOrder {
 public:
  explicit WalkOrder(fs::path from) : from_(std::move(from)) {}

  /// Sorts before another file's key where the walk meets it before.
  std::vector<std::pair<bool, std::size_t>> key(const std::string& file) {
    std::vector<std::pair<bool, std::size_t>> key;
    fs::path folder = from_.root_path();
    const fs::path path = (from_ / file).lexically_normal();
    for (const fs::path& part : path.relative_path()) {
      const fs::path child = folder / part;
      key.emplace_back(child != path, position(folder, part.string()));  // files come first
      folder = child;
    }
    return key;
  }

 private:
  std::size_t position(const fs::path& folder, const std::string& name) {
    auto known = folders_.find(folder);
    if (known == folders_.end()) {
      known = folders_.emplace(folder, std::map<std::string, std::size_t>()).first;
      std::error_code failed;
      for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
        known->second.emplace(entry.path().filename().string(), known->second.size());
      }
    }
    auto found = known->second.find(name);
    return found == known->second.end() ? known->second.size() : found->second;
  }

  fs::path from_;
  std::map<fs::path, std::map<std::string, std::size_t>> folders_;
};

void order_as_walked(std::vector<StageStatus>& all, const fs::path& from) {
  WalkOrder order(from);
  std::vector<std::pair<std::vector<std::pair<bool, std::size_t>>, StageStatus>> keyed;
  for (StageStatus& status : all) {
    auto key = order.key(file_of(status.owner));
    keyed.emplace_back(std::move(key), std::move(status));
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  all.clear();
  for (auto& [key, status] : keyed) all.push_back(std::move(status));
}

struct CollectedStatus {
  std::vector<StageStatus> all;
  std::vector<data::PassedOver> passed_over;  // pipelines that were not looked at
};

/// Data is looked at even beside pipelines with something that is not supported yet.
Result<CollectedStatus> collect_status(const Face& face, Repository& repository,
                                       const Parsed& parsed) {
  CollectedStatus collected;
  bool is_whole = true;
  if (face.pipelines != nullptr) {
    Result<std::vector<StageStatus>> stages = face.pipelines->status(parsed.targets);
    is_whole = stages.ok();
    if (is_whole)
      collected.all = std::move(*stages);
    else if (stages.error().tag != "unsupported" ||
             !TRY(data::can_do_without_stages(repository, parsed.targets, face.from)))
      return stages.error();
  }
  std::vector<data::PassedOver>* passed_over = is_whole ? nullptr : &collected.passed_over;
  for (const data::OwnerStatus& owner :
       TRY(data::status(repository, parsed.targets, face.from, passed_over))) {
    collected.all.push_back(to_stage_status(owner, face.from));
  }
  if (parsed.targets.empty()) order_as_walked(collected.all, face.from);
  return collected;
}

int run_status(const Face& face, Repository& repository, const Parsed& parsed) {
  Result<CollectedStatus> collected = collect_status(face, repository, parsed);
  if (!collected.ok() && collected.error().tag == "no_target")
    return fail(face, shown_missing(parsed.targets[0]), kFailed);
  if (!collected.ok())
    return fail(face, message_of(collected.error()),
                exit_code(collected.error()) == kOther ? kFailed : exit_code(collected.error()));
  const std::vector<StageStatus>& all = collected->all;
  const bool is_whole = collected->passed_over.empty();
  for (const data::PassedOver& one : collected->passed_over) fail(face, one.error);
  if (parsed.has("json")) {
    Json json = Json(Json::Object());
    for (const StageStatus& status : all) json.set(status.owner, status_to_json(status));
    wire::DumpStyle style;
    style.spaces = true;
    face.out << wire::dump(json, style) << "\n";
    return is_whole ? kOk : kFailed;
  }
  if (parsed.has("quiet")) return all.empty() && is_whole ? kOk : kFailed;
  for (const StageStatus& status : all) show_status(face.out, status);
  if (!is_whole) return kFailed;
  if (!all.empty()) return kOk;
  Result<Repository::StageFiles> files = repository.stage_files();
  bool nothing = files.ok() && files->single.empty() && files->pipelines.empty();
  face.out << (nothing ? kEmptyProject : "Data and pipelines are up to date.\n");
  return kOk;
}

/// Folders first, each with a slash at its end, then files.
std::vector<std::string> sorted_names(const std::vector<fs::path>& paths, const fs::path& from) {
  std::vector<std::string> names;
  std::error_code failure;
  for (const fs::path& path : paths) {
    names.push_back(data::shown(path, from) + (fs::is_directory(path, failure) ? "/" : ""));
  }
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    bool folder_a = a.ends_with('/'), folder_b = b.ends_with('/');
    return folder_a != folder_b ? folder_a : a < b;
  });
  return names;
}

std::string summary(const data::Changes& changes) {
  std::vector<std::string> parts;
  auto count = [&](std::size_t files, const std::string& word) {
    if (files == 0) return;
    parts.push_back(std::to_string(files) + (files == 1 ? " file " : " files ") + word);
  };
  count(changes.files_modified, "modified");
  count(changes.files_added, "added");
  count(changes.files_deleted, "deleted");
  if (parts.empty()) return "No changes.";
  std::string text = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i)
    text += (i + 1 == parts.size() ? " and " : ", ") + parts[i];
  return text;
}

int run_checkout(const Face& face, Repository& repository, const Parsed& parsed) {
  data::CheckoutRequest request{parsed.targets, face.from, parsed.has("force"),
                                parsed.has("relink"), parsed.has("allow-missing")};
  Result<data::CheckedOut> done = data::checkout(repository, request);
  if (!done.ok() && done.error().tag == "no_target") {
    return fail(face,
                "Did you mean `git checkout " + parsed.targets[0] +
                    "`?: " + shown_missing(parsed.targets[0]),
                kOther);
  }
  if (!done.ok() && done.error().tag == "unsaved") {
    std::string files = done.error().message.substr(done.error().message.find('\n'));
    return fail(
        face,
        "Can't remove the following unsaved files without confirmation. Use `--force` to force." +
            files,
        kOther);
  }
  if (!done.ok()) return fail(face, done.error());
  if (parsed.has("summary")) {
    face.out << summary(done->changes) << "\n";
  } else if (!parsed.has("quiet")) {
    for (const std::string& name : sorted_names(done->changes.modified, face.from))
      face.out << "M       " << name << "\n";
    for (const std::string& name : sorted_names(done->changes.added, face.from))
      face.out << "A       " << name << "\n";
    for (const std::string& name : sorted_names(done->changes.deleted, face.from))
      face.out << "D       " << name << "\n";
  }
  for (const data::PassedOver& one : done->passed_over) fail(face, one.error);
  if (!done->failed.empty() && !request.allow_missing) {
    std::string names;
    for (const fs::path& path : done->failed) names += data::shown(path, face.from) + "\n";
    return fail(face,
                "Checkout failed for following targets:\n" + names +
                    "Is your cache up to date?\n<https://error.dvc.org/missing-files>",
                kOther);
  }
  if (request.relink) face.out << "Relinked successfully\n";
  return done->passed_over.empty() ? kOk : kOther;
}

int run_commit(const Face& face, Repository& repository, const Parsed& parsed) {
  data::CommitRequest request{parsed.targets, face.from, parsed.has("force"),
                              !parsed.has("no-relink")};
  std::string head = "failed to commit" +
                     (parsed.targets.empty() ? std::string() : " " + parsed.targets[0]) + " - ";
  Result<data::Added> added = data::commit(repository, request);
  if (!added.ok() && added.error().tag == "changed") {
    return fail(face,
                head + "unable to commit changed stage: '" + added.error().message +
                    "'. Use `-f|--force` to force.",
                kFailed);
  }
  if (!added.ok() && added.error().tag == "no_target")
    return fail(face, head + shown_missing(parsed.targets[0]), kFailed);
  if (!added.ok() && added.error().code == Code::kMissing) {
    return fail(
        face,
        head + "output '" + (parsed.targets.empty() ? "" : parsed.targets[0]) + "' does not exist",
        kFailed);
  }
  if (!added.ok()) return fail(face, head + message_of(added.error()), kFailed);
  if (face.pipelines == nullptr) return kOk;
  Result<> stages = face.pipelines->commit(parsed.targets, parsed.has("force"), request.relink);
  return stages.ok() ? kOk : fail(face, head + stages.error().message, kFailed);
}

struct Command {
  std::map<std::string, std::string> flags;
  std::set<std::string> later;  // flags that DVC has, and we not yet
  int (*run)(const Face&, Repository&, const Parsed&);
};

const std::map<std::string, Command>& commands() {
  static const std::map<std::string, Command> table = {
      {"add",
       {with_common({{"--no-commit", "no-commit"},
                     {"--no-relink", "no-relink"},
                     {"-f", "force"},
                     {"--force", "force"}}),
        {"--glob", "-o", "--out", "--to-remote", "-r", "--remote", "--remote-jobs"},
        run_add}},
      {"status",
       // What --no-updates leaves out, imports from elsewhere, is never looked at.
       {with_common({{"--json", "json"}, {"--no-updates", "no-updates"}}),
        {"-c", "--cloud", "-r", "--remote", "-j", "--jobs", "-a", "--all-branches", "-T",
         "--all-tags", "-A", "--all-commits", "-d", "--with-deps", "-R", "--recursive"},
        run_status}},
      {"checkout",
       {with_common({{"-f", "force"},
                     {"--force", "force"},
                     {"--relink", "relink"},
                     {"--allow-missing", "allow-missing"},
                     {"--summary", "summary"}}),
        {"-d", "--with-deps", "-R", "--recursive"},
        run_checkout}},
      {"commit",
       {with_common({{"-f", "force"}, {"--force", "force"}, {"--no-relink", "no-relink"}}),
        {"-d", "--with-deps", "-R", "--recursive"},
        run_commit}},
  };
  return table;
}

std::string unknown_command(const std::string& name) {
  std::vector<std::string> known = commands_not_yet();
  known.insert(known.end(), {"init", "repro"});
  for (const auto& [command, what] : commands()) known.push_back(command);
  std::string message = "argument command: invalid choice: '" + name + "'";
  std::optional<std::string> near = nearest(name, known);
  return near ? message + "; did you mean '" + *near + "'?" : message;
}

int run_repro(const Face& face, const std::vector<std::string>& rest) {
  if (face.pipelines == nullptr) return fail(face, "not supported yet: repro", kOther);
  return face.pipelines->repro(rest, face.out, face.err);
}

std::map<std::string, std::string> repro_flags() {
  std::map<std::string, std::string> flags;
  for (const std::string& name : flows::repro_flags()) flags[name] = name;
  return flags;
}

const std::map<std::string, std::string>& init_flags() {
  static const std::map<std::string, std::string> flags = with_common(
      {{"--no-scm", "no-scm"}, {"--subdir", "subdir"}, {"-f", "force"}, {"--force", "force"}});
  return flags;
}

/// What to say of a word that is no flag of `command`.
int refuse(const Face& face, const std::string& command, const std::string& word,
           const std::set<std::string>& later) {
  if (later.contains(word.substr(0, word.find('='))))
    return fail(face, "not supported yet: " + command + " " + word, kOther);
  return fail(face, "unrecognized arguments: " + word, kUsage);
}

int run_init(const Face& face, const std::vector<std::string>& rest) {
  Parsed parsed = parse(rest, init_flags());
  if (parsed.unknown.empty() && parsed.targets.size() > 1) parsed.unknown = parsed.targets[1];
  if (!parsed.unknown.empty()) return refuse(face, "init", parsed.unknown, {});
  return run_init(face, parsed);
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end, [](const std::string& argument) {
    return argument == "-h" || argument == "--help";
  });
}

int show_overview(const Face& face) {
  face.out << "usage: dvc command ...\n\nThe commands of DVC that Slipway has: init, add, status, "
              "checkout, commit, repro.\nUse `dvc command --help` for their flags.\n";
  return kOk;
}

int show_help(const Face& face, const std::string& name,
              const std::map<std::string, std::string>& flags) {
  face.out << "usage: dvc " << name;
  for (const auto& [spelling, flag] : flags) face.out << " [" << spelling << "]";
  face.out << (name == "init" ? " [directory]\n" : " [targets ...]\n");
  return kOk;
}

}  // namespace

int exit_code(const Error& error) {
  if (error.tag == "config") return kConfigError;
  if (error.tag == "no_repository") return kNoRepository;
  return kOther;
}

std::string message_of(const Error& error) {
  if (error.tag == "no_repository")
    return "you are not inside of a DVC repository (checked up to mount point '/')";
  if (error.tag == "locked" && error.message.find("is busy") == std::string::npos) return kLocked;
  return error.message;
}

int run_dvc(const std::vector<std::string>& arguments, const fs::path& from, std::ostream& out,
            std::ostream& err, Pipelines* pipelines) {
  Face face{from, out, err, pipelines};
  if (arguments.empty()) return fail(face, "the following arguments are required: command", kUsage);
  const std::string& name = arguments[0];
  std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (asks_for_help({name})) return show_overview(face);
  if (name.starts_with("-")) return fail(face, "unrecognized arguments: " + name, kUsage);
  bool help = asks_for_help(rest);
  if (name == "init") return help ? show_help(face, name, init_flags()) : run_init(face, rest);
  if (name == "repro") return help ? show_help(face, name, repro_flags()) : run_repro(face, rest);
  auto command = commands().find(name);
  if (command == commands().end()) {
    if (std::optional<std::string> later = not_yet(name)) return fail(face, *later, kOther);
    return fail(face, unknown_command(name), kUsage);
  }
  if (help) return show_help(face, name, command->second.flags);
  Parsed parsed = parse(rest, command->second.flags);
  if (!parsed.unknown.empty()) return refuse(face, name, parsed.unknown, command->second.later);
  Result<Repository> repository = Repository::open(from);
  if (!repository.ok()) return fail(face, repository.error());
  return command->second.run(face, *repository, parsed);
}

}  // namespace slipway::dvc
