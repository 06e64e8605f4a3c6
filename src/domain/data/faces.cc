#include <functional>
#include <ostream>

#include "domain/data/commands.h"
#include "io/wire/json.h"

// How `slipway` says what the data commands did.
namespace slipway::data {
namespace {

namespace fs = std::filesystem;
using wire::Json;

int exit_code(Code code) {
  switch (code) {
    case Code::kInvalid:
      return 2;
    case Code::kUnavailable:
    case Code::kInternal:
      return 3;
    default:
      return 1;
  }
}

int fail(const Error& error, Console& console) {
  console.err << "slipway: " << error.message << "\n";
  return error.tag == "no_repository" ? 3 : exit_code(error.code);
}

Json names(const std::vector<fs::path>& paths, const fs::path& from) {
  Json::Array list;
  for (const fs::path& path : paths) list.emplace_back(shown(path, from));
  return list;
}

void print_written(const Added& added, const fs::path& from, Console& console) {
  if (console.json) {
    Json json;
    json.set("files", names(added.files, from));
    json.set("staged", added.staged);
    console.out << wire::dump(json) << "\n";
    return;
  }
  for (const fs::path& file : added.files) console.out << "wrote " << shown(file, from) << "\n";
  if (!added.files.empty() && !added.staged)
    console.out << "commit these with git to keep this state\n";
}

int with_repository(const fs::path& from, Console& console,
                    const std::function<Result<int>(Repository&)>& work) {
  Result<Repository> repository = Repository::open(from);
  if (!repository.ok()) return fail(repository.error(), console);
  Result<int> code = work(*repository);
  return code.ok() ? *code : fail(code.error(), console);
}

Json to_json(const std::vector<std::pair<fs::path, State>>& states, const fs::path& from) {
  Json json = Json(Json::Object());
  for (const auto& [path, state] : states) json.set(shown(path, from), to_string(state));
  return json;
}

void print_status(const std::vector<OwnerStatus>& owners, const fs::path& from, Console& console) {
  if (console.json) {
    Json json = Json(Json::Object());
    for (const OwnerStatus& owner : owners) {
      Json one;
      one.set("deps", to_json(owner.deps, from));
      one.set("outs", to_json(owner.outs, from));
      json.set(owner.owner, std::move(one));
    }
    console.out << wire::dump(json) << "\n";
    return;
  }
  if (owners.empty()) console.out << "data is as recorded\n";
  for (const OwnerStatus& owner : owners) {
    console.out << owner.owner << "\n";
    for (const auto& [path, state] : owner.deps)
      console.out << "  input " << shown(path, from) << ": " << to_string(state) << "\n";
    for (const auto& [path, state] : owner.outs)
      console.out << "  " << shown(path, from) << ": " << to_string(state) << "\n";
  }
}

void print_changes(const CheckedOut& done, const fs::path& from, Console& console) {
  const Changes& changes = done.changes;
  if (console.json) {
    Json json;
    json.set("added", names(changes.added, from));
    json.set("modified", names(changes.modified, from));
    json.set("deleted", names(changes.deleted, from));
    json.set("failed", names(done.failed, from));
    console.out << wire::dump(json) << "\n";
    return;
  }
  auto print = [&](const char* word, const std::vector<fs::path>& paths) {
    for (const fs::path& path : paths) console.out << word << " " << shown(path, from) << "\n";
  };
  print("modified", changes.modified);
  print("added", changes.added);
  print("deleted", changes.deleted);
  if (changes.empty() && done.failed.empty()) console.out << "nothing to do\n";
}

}  // namespace

int run_init(const fs::path& folder, bool no_scm, bool force, Console& console) {
  Result<> done = Repository::init(folder, no_scm, force);
  if (!done.ok()) return fail(done.error(), console);
  if (console.json)
    console.out << "{}\n";
  else
    console.out << "a project begins in " << folder.string()
                << "; `slipway add PATH` versions data\n";
  return 0;
}

int run_add(const AddRequest& request, Console& console) {
  return with_repository(request.from, console, [&](Repository& repository) -> Result<int> {
    Result<Added> added = add(repository, request);
    if (!added.ok() && added.error().tag == "pipeline_output") {
      return conflict("this is an output of stage '" + added.error().message +
                      "'; run the stage instead");
    }
    if (!added.ok()) return added.error();
    print_written(*added, request.from, console);
    return 0;
  });
}

int run_status(const std::vector<std::string>& targets, const fs::path& from, Console& console) {
  return with_repository(from, console, [&](Repository& repository) -> Result<int> {
    std::vector<OwnerStatus> owners = TRY(status(repository, targets, from));
    print_status(owners, from, console);
    return 0;
  });
}

int run_checkout(const CheckoutRequest& request, Console& console) {
  return with_repository(request.from, console, [&](Repository& repository) -> Result<int> {
    CheckedOut done = TRY(checkout(repository, request));
    print_changes(done, request.from, console);
    if (done.failed.empty() || request.allow_missing) return 0;
    for (const fs::path& path : done.failed) {
      console.err << "slipway: " << shown(path, request.from)
                  << " is not in the cache; it was left as it is\n";
    }
    return 1;
  });
}

int run_commit(const CommitRequest& request, Console& console) {
  return with_repository(request.from, console, [&](Repository& repository) -> Result<int> {
    Result<Added> added = commit(repository, request);
    if (!added.ok() && added.error().tag == "changed") {
      return conflict("what " + added.error().message +
                      " records has changed; use -f to record the present state");
    }
    if (!added.ok()) return added.error();
    print_written(*added, request.from, console);
    return 0;
  });
}

}  // namespace slipway::data
