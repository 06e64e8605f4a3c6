#include "domain/flows/attempts.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/hash.h"
#include "base/text.h"
#include "io/proc/record.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr std::size_t kLineBytesMax = 64u << 10;
constexpr std::uint64_t kIntentBytesMax = 1u << 20;

Result<> make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) return system_error("cannot create " + folder.string(), failure.value());
  return {};
}

std::string text_member(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

/// Whether the process that wrote `intent` is still there.
bool starter_lives(const Json& intent) {
  Result<proc::Supervisor> starter = proc::parse_supervisor(text_member(intent, "starter"));
  if (!starter.ok()) return false;
  return starter->boot == proc::boot_id() && starter->start_ticks != 0 &&
         starter->start_ticks == proc::start_ticks_of(starter->pid);
}

}  // namespace

std::vector<std::string> shell_arguments(const std::string& command, const std::string& shell) {
  static const std::map<std::string, std::vector<std::string>> kQuietly = {
      {"bash", {"--noprofile", "--norc"}}, {"zsh", {"--no-rcs"}}, {"fish", {"--no-config"}}};
  std::vector<std::string> arguments = {shell.empty() ? "/bin/sh" : shell};
  auto quietly = kQuietly.find(to_lower(fs::path(arguments[0]).filename().string()));
  if (quietly != kQuietly.end()) {
    arguments.insert(arguments.end(), quietly->second.begin(), quietly->second.end());
  }
  arguments.push_back("-c");
  arguments.push_back(command);
  return arguments;
}

std::vector<std::string> commands_of(const project::Stage& stage) {
  if (stage.is_command_list || stage.commands.empty()) return stage.commands;
  std::string text = replace_all(replace_all(stage.commands[0], "\r\n", "\n"), "\r", "\n");
  if (text.ends_with('\n')) text.pop_back();
  std::vector<std::string> lines;
  for (std::string_view line : split(text, '\n')) lines.emplace_back(line);
  return lines;
}

Result<std::optional<StageLock>> StageLock::try_take(const fs::path& state,
                                                     std::string_view stage_id) {
  // One byte of one file per stage, at a place that its name decides.
  fs::path path = state / "stages.lock";
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file) return system_error("cannot open " + path.string(), errno);
  std::string digits = md5_hex(stage_id).substr(0, 15);
  struct flock range {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(std::stoll(digits, nullptr, 16));
  range.l_len = 1;
  // Of the open file, not of the process: it goes where the descriptor goes.
  if (fcntl(file.get(), F_OFD_SETLK, &range) == 0) {
    return std::optional<StageLock>(StageLock(std::move(file)));
  }
  if (errno == EAGAIN || errno == EACCES) return std::optional<StageLock>();
  return system_error("cannot lock " + path.string(), errno);
}

Result<AttemptFolder> AttemptFolder::create(const fs::path& state, const std::string& id,
                                            const std::string& stage_id, const std::string& stage,
                                            const std::string& pipeline) {
  static const std::string self = proc::to_text(proc::Supervisor::self());
  AttemptFolder folder{state / "attempts" / id};
  TRY(make_folder(folder.path));
  Json intent;
  intent.set("id", id);
  intent.set("stage_id", stage_id);
  intent.set("stage", stage);
  intent.set("pipeline", pipeline);
  intent.set("starter", self);
  TRY(write_file_quick(folder.path / "intent.json", wire::dump(intent)));
  return folder;
}

void AttemptFolder::remove() const {
  // Should it stay, the next run finds it, sees that the attempt is over, and tries again.
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

Result<std::vector<LeftAttempt>> left_attempts(const fs::path& state) {
  std::vector<LeftAttempt> left;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(state / "attempts", failure)) {
    LeftAttempt attempt;
    attempt.folder.path = entry.path();
    attempt.id = entry.path().filename().string();
    Result<std::string> text = read_file(entry.path() / "intent.json", kIntentBytesMax);
    if (!text.ok() && text.error().code != Code::kMissing) return text.error();
    Result<Json> intent = text.ok() ? wire::parse(*text) : Result<Json>(Json());
    if (intent.ok() && starter_lives(*intent)) continue;
    if (intent.ok()) {
      attempt.stage_id = text_member(*intent, "stage_id");
      attempt.stage = text_member(*intent, "stage");
      attempt.pipeline = text_member(*intent, "pipeline");
    }
    left.push_back(std::move(attempt));
  }
  return left;
}

Result<LineRelay> LineRelay::open(std::string prefix, int to) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("cannot open a pipe", errno);
  LineRelay relay;
  relay.read_end_ = Fd(ends[0]);
  relay.write_end_ = Fd(ends[1]);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  relay.prefix_ = std::move(prefix);
  relay.to_ = to;
  return relay;
}

void LineRelay::pump() {
  std::string block(kLineBytesMax, '\0');
  while (read_end_) {
    ssize_t got = read(read_end_.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      read_end_ = Fd();
      return;
    }
    partial_.append(block, 0, static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = partial_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      pass_on(std::string_view(partial_).substr(begin, end - begin));
    }
    partial_.erase(0, begin);
    if (partial_.size() < kLineBytesMax) continue;
    pass_on(partial_);
    partial_.clear();
  }
}

void LineRelay::finish() {
  pump();
  if (!partial_.empty()) pass_on(partial_);
  partial_.clear();
}

void LineRelay::pass_on(std::string_view line) const {
  std::string whole = prefix_ + std::string(line) + "\n";
  std::string_view rest = whole;
  while (!rest.empty()) {
    ssize_t put = write(to_, rest.data(), rest.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;  // nobody reads: the stage goes on all the same
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
}

}  // namespace slipway::flows
