#include <functional>
#include <ostream>

#include "domain/data/commands.h"
#include "io/wire/json.h"

// How `slipway` says what the data commands did.
namespace slipway::data {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr int kDone = 0, kUsedWrongly = 2, kCouldNotBeDone = 3;

/// A path that can never be added is wrong use; all else kept the command from being done. No data
/// command asks a question, so that none is answered with no (1).
int exit_code(const Error& error) {
  for (const char* tag : {"outside", "inside_dvc", "symlink"}) {
    if (error.tag == tag) return kUsedWrongly;
  }
  return kCouldNotBeDone;
}

int fail(const Error& error, Console& console) {
  if (console.json) {
    Json json;
    json.set("error", error.message);
    json.set("code", to_string(error.code));
    console.out << wire::dump(json) << "\n";
  } else {
    console.err << "slipway: error: " << error.message << "\n";
  }
  return exit_code(error);
}

Json names(const std::vector<fs::path>& paths, const fs::path& from) {
  Json::Array list;
  for (const fs::path& path : paths) list.emplace_back(shown(path, from));
  return list;
}

void print_written(const Added& added, const fs::path& from, bool uses_git, Console& console) {
  if (console.json) {
    Json json;
    json.set("files", names(added.files, from));
    json.set("staged", added.staged);
    console.out << wire::dump(json) << "\n";
    return;
  }
  for (const fs::path& file : added.files) console.out << "wrote " << shown(file, from) << "\n";
  if (!added.files.empty() && !added.staged && uses_git)
    console.out << "commit these with git to keep this state\n";
}

int with_repository(const fs::path& from, Console& console,
                    const std::function<Result<int>(Repository&)>& work) {
  Result<Repository> repository = Repository::open(from);
  if (!repository.ok()) return fail(repository.error(), console);
  Result<int> code = work(*repository);
  return code.ok() ? *code : fail(code.error(), console);
}

void print_changes(const CheckedOut& done, const fs::path& from, Console& console) {
  const Changes& changes = done.changes;
  if (console.json) {
    Json json;
    json.set("added", names(changes.added, from));
    json.set("modified", names(changes.modified, from));
    json.set("deleted", names(changes.deleted, from));
    json.set("failed", names(done.failed, from));
    std::vector<fs::path> passed_over;
    for (const PassedOver& one : done.passed_over) passed_over.push_back(one.file);
    if (!passed_over.empty()) json.set("passed_over", names(passed_over, from));
    console.out << wire::dump(json) << "\n";
    return;
  }
  auto print = [&](const char* word, const std::vector<fs::path>& paths) {
    for (const fs::path& path : paths) console.out << word << " " << shown(path, from) << "\n";
  };
  print("modified", changes.modified);
  print("added", changes.added);
  print("deleted", changes.deleted);
  const bool is_whole = done.failed.empty() && done.passed_over.empty();
  if (changes.empty() && is_whole) console.out << "nothing to do\n";
}

/// A fresh clone has none of its data: that is where this is met first.
void print_failed(const std::vector<fs::path>& failed, const fs::path& from, Console& console) {
  for (const fs::path& path : failed) {
    std::error_code ignored;
    const bool exists = fs::exists(fs::symlink_status(path, ignored));
    console.err << "slipway: error: " << shown(path, from)
                << (exists ? " is not in the cache; it was left as it is\n"
                           : " is neither here nor in the cache\n");
  }
  console.err << "slipway: a fresh clone has an empty cache: `dvc pull` of DVC 3 fills it from a "
                 "remote, or copy .dvc/cache from where the data was added; outputs of stages come "
                 "with `slipway repro`\n";
}

}  // namespace

int run_init(const fs::path& folder, bool no_scm, bool force, bool subdir, Console& console) {
  Result<> done = Repository::init(folder, no_scm, force, subdir);
  if (!done.ok()) return fail(done.error(), console);
  if (console.json)
    console.out << "{}\n";
  else
    console.out << "a project begins in " << folder.string()
                << "; `slipway add PATH` versions data\n";
  return kDone;
}

int run_add(const AddRequest& request, Console& console) {
  return with_repository(request.from, console, [&](Repository& repository) -> Result<int> {
    Result<Added> added = add(repository, request);
    if (!added.ok() && added.error().tag == "pipeline_output") {
      return conflict("this is an output of stage '" + added.error().message +
                      "'; run the stage instead");
    }
    if (!added.ok()) return added.error();
    print_written(*added, request.from, repository.uses_git(), console);
    return kDone;
  });
}

int run_checkout(const CheckoutRequest& request, Console& console) {
  return with_repository(request.from, console, [&](Repository& repository) -> Result<int> {
    CheckedOut done = TRY(checkout(repository, request));
    print_changes(done, request.from, console);
    for (const PassedOver& one : done.passed_over) {
      console.err << "slipway: warning: passed over, its outputs are as they were: "
                  << one.error.message << "\n";
    }
    const int code = done.passed_over.empty() ? kDone : kCouldNotBeDone;
    if (done.failed.empty() || request.allow_missing) return code;
    print_failed(done.failed, request.from, console);
    return kCouldNotBeDone;
  });
}

}  // namespace slipway::data
