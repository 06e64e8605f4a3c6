#pragma once

#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/repository.h"

// What the commands init, add, status, checkout and commit do with data. Faces (the command line,
// dialects) call these and say in their own words what came out. One thread.
namespace slipway::data {

/// An output that something records: a .dvc file, or a stage together with dvc.lock.
struct Tracked {
  std::string owner;  // "data/x.dvc", or a stage: "train", "sub/dvc.yaml:train"; relative to the
                      // folder asked from
  std::filesystem::path file;  // the .dvc or dvc.yaml, absolute
  std::string stage;           // empty: a .dvc file
  std::size_t index = 0;       // among the file's outs
  std::filesystem::path path;  // absolute
  Version version;             // an empty md5: never recorded
  bool cache = true;
  bool persist = false;
};

/// A dvc.yaml with something in it that is not supported yet.
struct PassedOver {
  std::filesystem::path file;  // absolute
  Error error;                 // tag "unsupported"
};

/// All outputs of the project: .dvc files first, then stages, each in order of file and place.
/// `from`: what owners' names are relative to. With `passed_over` what is not supported yet goes
/// there instead of being an error: who needs no stage can go on.
Result<std::vector<Tracked>> tracked(const Repository& repository,
                                     const std::filesystem::path& from,
                                     std::vector<PassedOver>* passed_over = nullptr);

/// Those that `targets` name: .dvc files, stages, outputs, or folders that hold outputs. All when
/// there are no targets. kMissing with tag "no_target" names the first target that fits nothing,
/// and what is called nearly so.
Result<std::vector<Tracked>> select(const std::vector<Tracked>& all,
                                    const std::vector<std::string>& targets,
                                    const std::filesystem::path& from);

/// `path` as shown to somebody in `from`.
std::string shown(const std::filesystem::path& path, const std::filesystem::path& from);

struct AddRequest {
  std::vector<std::string> targets;  // relative to `from`
  std::filesystem::path from;        // absolute
  bool store = true;                 // into the cache (false: --no-commit)
  bool relink = true;
};
struct Added {
  std::vector<std::filesystem::path> files;  // that were written and belong into git, absolute
  bool staged = false;                       // and they are in git's index already
};
/// Tags of errors: "no_output" (kMissing), "overlap" (kConflict), "pipeline_output" (kConflict),
/// "tracked_by_git", "inside_dvc". Takes the locks.
Result<Added> add(Repository& repository, const AddRequest& request);

/// Differences of one owner: its outputs with a state other than kSame, in order.
struct OwnerStatus {
  std::string owner;
  std::vector<std::pair<std::filesystem::path, State>> deps, outs;
  bool always_changed = false;
};
/// Of .dvc files only; flows says it of stages. Owners without differences are left out.
/// `passed_over` as for tracked(), of files that the targets name or hold: then targets that only a
/// stage could fit are an error still, and so is everything when there is nothing else to look at.
Result<std::vector<OwnerStatus>> status(Repository& repository,
                                        const std::vector<std::string>& targets,
                                        const std::filesystem::path& from,
                                        std::vector<PassedOver>* passed_over = nullptr);

/// Whether there is an answer although a dvc.yaml has something that is not supported yet: data
/// that `targets` name, or hold, and no stage by its name; without targets any data.
Result<bool> can_do_without_stages(const Repository& repository,
                                   const std::vector<std::string>& targets,
                                   const std::filesystem::path& from);

struct CheckoutRequest {
  std::vector<std::string> targets;
  std::filesystem::path from;
  bool force = false;
  bool relink = false;
  bool allow_missing = false;
};
struct CheckedOut {
  Changes changes;
  std::vector<std::filesystem::path>
      failed;  // outputs whose objects are not in the cache; left as they were
  std::vector<PassedOver> passed_over;  // their outputs are as they were
};
/// kConflict with tag "unsaved" lists in its message's lines, after the first, the files that would
/// be lost; nothing is changed then. Takes the locks.
Result<CheckedOut> checkout(Repository& repository, const CheckoutRequest& request);

struct CommitRequest {
  std::vector<std::string> targets;
  std::filesystem::path from;
  bool force = false;
  bool relink = true;
};
/// Of .dvc files: records what is in the workspace now. Without `force` kConflict with tag
/// "changed" (and the owner's name as message) when something differs from what is recorded. Takes
/// the locks.
Result<Added> commit(Repository& repository, const CommitRequest& request);

/// The faces of `slipway`: print what people read, or with `json` one JSON document, of an error
/// too, and return the exit code: 0 done, 2 used wrongly, 3 could not be done.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool json = false;
};
int run_init(const std::filesystem::path& folder, bool no_scm, bool force, bool subdir,
             Console& console);
int run_add(const AddRequest& request, Console& console);
int run_checkout(const CheckoutRequest& request, Console& console);

}  // namespace slipway::data
