#include "domain/data/locks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "io/wire/json.h"

namespace slipway::data {
namespace {

using wire::Json;

Error locked(std::string message) {
  Error error = busy(std::move(message));
  error.tag = "locked";
  return error;
}

bool is_alive(std::int64_t pid) {
  return pid > 0 && (kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

bool overlaps(const std::string& a, const std::string& b) {
  auto contains = [](const std::string& outer, const std::string& inner) {
    return inner == outer ||
           (inner.size() > outer.size() && inner.starts_with(outer) && inner[outer.size()] == '/');
  };
  return contains(a, b) || contains(b, a);
}

struct Info {
  std::int64_t pid = 0;
  std::string command;
  bool operator==(const Info&) const = default;
};

struct Held {
  std::string path;
  Info info;
};

struct Claims {
  std::vector<Held> writes, reads;
};

Json to_json(const Info& info) {
  Json json;
  json.set("pid", info.pid);
  json.set("cmd", info.command);
  return json;
}

Result<Info> to_info(const Json& json) {
  const Json* pid = json.find("pid");
  const Json* command = json.find("cmd");
  if (pid == nullptr || !pid->is_integer() || command == nullptr || !command->is_string()) {
    return invalid("an entry needs \"pid\" and \"cmd\"");
  }
  return Info{pid->as_int64(), command->as_string()};
}

Result<Claims> parse_claims(const std::string& text) {
  Claims claims;
  Json json = TRY(wire::parse(text));
  if (const Json* writes = json.find("write"); writes != nullptr && writes->is_object()) {
    for (const auto& [path, info] : writes->as_object())
      claims.writes.push_back({path, TRY(to_info(info))});
  }
  if (const Json* reads = json.find("read"); reads != nullptr && reads->is_object()) {
    for (const auto& [path, infos] : reads->as_object()) {
      if (!infos.is_array()) return invalid("\"read\" takes lists");
      for (const Json& info : infos.as_array()) claims.reads.push_back({path, TRY(to_info(info))});
    }
  }
  return claims;
}

std::string dump_claims(const Claims& claims) {
  Json writes = Json(Json::Object());
  for (const Held& held : claims.writes) writes.set(held.path, to_json(held.info));
  Json reads = Json(Json::Object());
  for (const Held& held : claims.reads) {
    Json list = reads.find(held.path) != nullptr ? *reads.find(held.path) : Json(Json::Array());
    list.as_array().push_back(to_json(held.info));
    reads.set(held.path, std::move(list));
  }
  Json all = Json(Json::Object());
  if (!claims.writes.empty()) all.set("write", std::move(writes));
  if (!claims.reads.empty()) all.set("read", std::move(reads));
  wire::DumpStyle style;
  style.spaces = style.ascii = true;
  return wire::dump(all, style);
}

/// Reads the claims under rwlock.lock, lets `change` edit them, writes them back.
template <class Change>
Result<> edit_claims(const std::filesystem::path& tmp_folder, Change change) {
  Fd guard = TRY(take_lock_file(tmp_folder / "rwlock.lock"));
  std::filesystem::path file = tmp_folder / "rwlock";
  Claims claims;
  Result<std::string> text = read_file(file, 64u << 20);
  if (!text.ok() && text.error().code != Code::kMissing) return text.error();
  if (text.ok()) {
    Result<Claims> parsed = parse_claims(*text);
    if (!parsed.ok()) {
      return invalid(file.string() + " is damaged (" + parsed.error().message +
                     "); remove it when no dvc and no slipway is running here");
    }
    claims = std::move(*parsed);
  }
  TRY(change(claims));
  return write_file_quick(file, dump_claims(claims));
}

Result<> refuse_overlap(const std::vector<Held>& held, const std::vector<std::string>& wanted,
                        const Info& self) {
  for (const Held& other : held) {
    if (other.info == self) continue;
    for (const std::string& path : wanted) {
      if (!overlaps(other.path, path)) continue;
      return locked("'" + path + "' is busy, it is being blocked by:\n  (PID " +
                    std::to_string(other.info.pid) + "): " + other.info.command);
    }
  }
  return {};
}

void drop_dead(std::vector<Held>& held) {
  std::erase_if(held, [](const Held& other) { return !is_alive(other.info.pid); });
}

}  // namespace

Result<Fd> take_lock_file(const std::filesystem::path& file) {
  constexpr int kTriesMax = 61;
  constexpr std::chrono::milliseconds kPause{50};
  Fd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return system_error("cannot open " + file.string(), errno);
  for (int tries = 1; flock(fd.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return system_error("cannot lock " + file.string(), errno);
    if (tries == kTriesMax) {
      return locked("another dvc or slipway is at work here (it holds " + file.string() + ")");
    }
    std::this_thread::sleep_for(kPause);
  }
  std::string content = " " + std::to_string(getpid()) + "\n";
  // Written over and then cut: ext4 sends a file that was emptied to the disk when it is closed,
  // and who takes the lock next would wait for that.
  const auto size = static_cast<off_t>(content.size());
  struct stat before {};
  if (fstat(fd.get(), &before) != 0 ||
      pwrite(fd.get(), content.data(), content.size(), 0) != size ||
      (before.st_size > size && ftruncate(fd.get(), size) != 0)) {
    return system_error("cannot write " + file.string(), errno);
  }
  return fd;
}

Result<> enter_claim(const std::filesystem::path& tmp_folder, const PathClaim& claim) {
  Info self{getpid(), claim.command};
  return edit_claims(tmp_folder, [&](Claims& claims) -> Result<> {
    drop_dead(claims.writes);
    drop_dead(claims.reads);
    TRY(refuse_overlap(claims.writes, claim.reads, self));
    TRY(refuse_overlap(claims.writes, claim.writes, self));
    TRY(refuse_overlap(claims.reads, claim.writes, self));
    for (const std::string& path : claim.reads) claims.reads.push_back({path, self});
    for (const std::string& path : claim.writes) claims.writes.push_back({path, self});
    return {};
  });
}

Result<> leave_claim(const std::filesystem::path& tmp_folder, const PathClaim& claim) {
  Info self{getpid(), claim.command};
  auto take_out = [&](std::vector<Held>& held, const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
      auto mine = [&](const Held& other) { return other.path == path && other.info == self; };
      auto found = std::find_if(held.begin(), held.end(), mine);
      if (found != held.end()) held.erase(found);
    }
  };
  return edit_claims(tmp_folder, [&](Claims& claims) -> Result<> {
    take_out(claims.reads, claim.reads);
    take_out(claims.writes, claim.writes);
    return {};
  });
}

}  // namespace slipway::data
