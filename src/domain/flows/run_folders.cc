#include "domain/flows/run_folders.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "base/failpoint.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGoing = ".going-";

/// An id, as runs have them.
bool may_be_a_run(const std::string& name) {
  constexpr std::size_t kIdBytes = 36;
  return name.size() == kIdBytes && std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
         });
}

}  // namespace

std::vector<std::string> folders_to_remove(std::vector<RunFolderFacts> folders,
                                           const RunFolderPolicy& policy, UnixMs now) {
  std::erase_if(folders, [](const RunFolderFacts& one) { return !is_over(one.state); });
  std::sort(folders.begin(), folders.end(), [](const RunFolderFacts& a, const RunFolderFacts& b) {
    return std::tie(a.ended_ms, a.run) < std::tie(b.ended_ms, b.run);
  });
  const auto kept = static_cast<std::size_t>(std::max(policy.newest, 0));
  folders.resize(folders.size() - std::min(folders.size(), kept));
  std::vector<std::string> gone;
  for (const RunFolderFacts& one : folders)
    if (one.ended_ms <= now - policy.age_ms) gone.push_back(one.run);
  return gone;
}

Result<std::optional<Fd>> lock_run(const RunFolder& folder) {
  const fs::path file = folder.lock();
  Fd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return system_error("cannot open " + file.string(), errno);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  if (fcntl(fd.get(), F_OFD_SETLK, &whole) == 0) return std::optional<Fd>(std::move(fd));
  if (errno == EAGAIN || errno == EACCES) return std::optional<Fd>();
  return system_error("cannot lock " + file.string(), errno);
}

Error log_is_gone(const std::string& run, UnixMs ended_ms) {
  return missing("the log of run " + run + " is gone: it ended at " + to_iso8601(ended_ms) +
                 ", and folders of runs are kept for a while (`slipway up --keep-runs`)");
}

Result<RunFolders> list_run_folders(const fs::path& state, std::size_t max) {
  RunFolders found;
  std::error_code failure;
  fs::directory_iterator at(state / "runs", failure);
  if (failure == std::errc::no_such_file_or_directory) return found;
  for (const fs::directory_iterator end; !failure && at != end; at.increment(failure)) {
    std::string name = at->path().filename().string();
    if (may_be_a_run(name) && found.runs.size() < max) found.runs.push_back(name);
    if (name.starts_with(kGoing) && found.going.size() < max) found.going.push_back(name);
  }
  if (failure) return system_error("cannot read " + (state / "runs").string(), failure.value());
  return found;
}

Result<bool> remove_run_folder(const fs::path& state, const std::string& run,
                               const fs::path& project) {
  const RunFolder folder = RunFolder::of(state, run);
  const std::optional<Fd> lock = TRY(lock_run(folder));
  if (!lock) return false;
  std::error_code failure;
  if (fs::exists(folder.tree(), failure)) TRY(remove_tree(folder, project));
  const std::string going = std::string(kGoing) + run;
  fs::rename(folder.path, state / "runs" / going, failure);
  if (failure) return system_error("cannot rename " + folder.path.string(), failure.value());
  failpoint("run.folder_going");
  TRY(finish_removal(state, going));
  return true;
}

Result<> finish_removal(const fs::path& state, const std::string& going) {
  std::error_code failure;
  fs::remove_all(state / "runs" / going, failure);
  if (failure) {
    return system_error("cannot remove " + (state / "runs" / going).string(), failure.value());
  }
  return {};
}

}  // namespace slipway::flows
