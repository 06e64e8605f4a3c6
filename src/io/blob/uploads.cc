#include "io/blob/uploads.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "base/hash.h"
#include "base/ids.h"

namespace slipway::blob {
namespace {

constexpr std::size_t kCopyBytes = 256u << 10;

Error unknown(const std::string& upload) {
  return missing("there is no upload '" + upload +
                 "': it was joined, dropped, or this server has been restarted since; begin again");
}

/// Tells the bytes of a part from others that a confused client may send under its number.
std::string etag_of(std::uint32_t sum, std::uint64_t bytes) {
  std::array<char, 40> text;
  const int n = std::snprintf(text.data(), text.size(), "%08x-%llu", sum,
                              static_cast<unsigned long long>(bytes));
  return {text.data(), static_cast<std::size_t>(n)};
}

}  // namespace

/// One of them. Any thread.
class Uploads::Upload {
 public:
  Upload(std::string key, std::unique_ptr<Writer> whole, int incoming)
      : key_(std::move(key)), whole_(std::move(whole)), incoming_(incoming) {}
  ~Upload() { drop(); }

  const std::string& key() const { return key_; }

  /// Takes over the file `name` of the folder `incoming`; it is gone or kept when this returns.
  Result<> take(int number, const std::string& name, const std::string& etag) {
    std::lock_guard lock(mutex_);
    if (whole_ == nullptr) return missing("the upload of '" + key_ + "' was dropped meanwhile");
    if (number < next_) {
      unlinkat(incoming_, name.c_str(), 0);
      const bool same = etags_[static_cast<std::size_t>(number) - 1] == etag;
      return same ? Result<>()
                  : conflict("part " + std::to_string(number) + " of '" + key_ +
                             "' has come before with other bytes; begin the upload again");
    }
    forget(number);
    waiting_[number] = {name, etag};
    Result<> put = append_ready();
    if (!put.ok()) let_go();
    return put;
  }

  /// Closed to parts from now on, whatever comes of it.
  Result<Stored> join(const std::vector<Part>& parts) {
    std::lock_guard lock(mutex_);
    if (whole_ == nullptr) return missing("the upload of '" + key_ + "' was dropped meanwhile");
    TRY(check(parts));
    Result<Stored> stored = whole_->commit();
    let_go();
    return stored;
  }

  void drop() {
    std::lock_guard lock(mutex_);
    let_go();
  }

 private:
  struct Waiting {
    std::string name, etag;
  };

  void let_go() {
    while (!waiting_.empty()) forget(waiting_.begin()->first);
    whole_.reset();
  }

  void forget(int number) {
    auto found = waiting_.find(number);
    if (found == waiting_.end()) return;
    unlinkat(incoming_, found->second.name.c_str(), 0);
    waiting_.erase(found);
  }

  /// All that follow one another.
  Result<> append_ready() {
    for (auto part = waiting_.find(next_); part != waiting_.end(); part = waiting_.find(next_)) {
      TRY(append(part->second.name));
      etags_.push_back(part->second.etag);
      forget(next_++);
    }
    return {};
  }

  Result<> append(const std::string& name) {
    Fd file(openat(incoming_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) return system_error("cannot read a part", errno);
    std::string buffer(kCopyBytes, '\0');
    while (true) {
      const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("cannot read a part", errno);
      if (got == 0) return {};
      TRY(whole_->write({buffer.data(), static_cast<std::size_t>(got)}));
    }
  }

  Result<> check(const std::vector<Part>& parts) const {
    if (parts.empty()) return invalid("an upload in parts needs at least one part");
    if (!waiting_.empty() || parts.size() != etags_.size()) {
      return invalid("the upload of '" + key_ + "' has parts 1 to " +
                     std::to_string(etags_.size()) +
                     (waiting_.empty() ? std::string()
                                       : " and part " + std::to_string(waiting_.begin()->first)) +
                     ", not the " + std::to_string(parts.size()) + " that are to be joined");
    }
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].number != static_cast<int>(i) + 1) {
        return invalid("the parts to join must be 1, 2, 3 and so on; in place " +
                       std::to_string(i + 1) + " is " + std::to_string(parts[i].number));
      }
      if (!parts[i].etag.empty() && parts[i].etag != etags_[i]) {
        return invalid("part " + std::to_string(i + 1) + " has ETag " + etags_[i] + ", not " +
                       parts[i].etag);
      }
    }
    return {};
  }

  const std::string key_;
  std::mutex mutex_;
  std::unique_ptr<Writer> whole_;  // null: closed
  const int incoming_;
  int next_ = 1;                   // the first part that is not in `whole_`
  std::vector<std::string> etags_;  // of those that are
  std::map<int, Waiting> waiting_;

 public:
  std::chrono::steady_clock::time_point used{};  // under the mutex of Uploads
};

class Uploads::PartWriter final : public Writer {
 public:
  PartWriter(Disk& disk, int incoming, std::shared_ptr<Upload> upload, int number,
             std::string name, Fd file)
      : disk_(disk),
        incoming_(incoming),
        upload_(std::move(upload)),
        number_(number),
        name_(std::move(name)),
        file_(std::move(file)) {}
  ~PartWriter() override {
    if (!given_) unlinkat(incoming_, name_.c_str(), 0);
  }

  Result<> write(std::string_view data) override {
    if (given_) return conflict("the part was committed already");
    TRY(disk_.write(file_.get(), data));
    sum_ = crc32c(data, sum_);
    bytes_ += data.size();
    return {};
  }

  Result<Stored> commit() override {
    if (given_) return conflict("the part was committed already");
    Stored stored{bytes_, etag_of(sum_, bytes_), ""};
    Result<> taken = upload_->take(number_, name_, stored.stamp);
    // Of a closed upload the file is still ours.
    given_ = taken.ok() || taken.error().code != Code::kMissing;
    TRY(std::move(taken));
    return stored;
  }

 private:
  Disk& disk_;
  const int incoming_;
  const std::shared_ptr<Upload> upload_;
  const int number_;
  const std::string name_;
  Fd file_;
  std::uint32_t sum_ = 0;
  std::uint64_t bytes_ = 0;
  bool given_ = false;
};

Uploads::~Uploads() = default;

Result<std::string> Uploads::begin(const std::string& key, std::unique_ptr<Writer> whole) {
  drop_idle();
  std::lock_guard lock(mutex_);
  if (open_.size() >= kOpenMax) {
    return Error{Code::kBusy,
                 std::to_string(kOpenMax) +
                     " uploads in parts are under way already; try again when one is joined",
                 ""};
  }
  std::string id = random_hex32();
  auto upload = std::make_shared<Upload>(key, std::move(whole), incoming_);
  upload->used = now_();
  open_[id] = std::move(upload);
  return id;
}

void Uploads::drop_idle() {
  std::vector<std::shared_ptr<Upload>> idle;  // let go without the lock: it deletes files
  std::lock_guard lock(mutex_);
  for (auto it = open_.begin(); it != open_.end();) {
    if (now_() - it->second->used <= kIdleMax) {
      ++it;
      continue;
    }
    idle.push_back(std::move(it->second));
    it = open_.erase(it);
  }
}

std::shared_ptr<Uploads::Upload> Uploads::find(const std::string& upload) {
  std::lock_guard lock(mutex_);
  auto found = open_.find(upload);
  if (found == open_.end()) return nullptr;
  found->second->used = now_();
  return found->second;
}

Result<std::unique_ptr<Writer>> Uploads::create_part(const std::string& upload, int number) {
  if (number < 1 || number > kPartsMax) {
    return invalid("parts are numbered from 1 to " + std::to_string(kPartsMax) + ", not " +
                   std::to_string(number));
  }
  std::shared_ptr<Upload> found = find(upload);
  if (found == nullptr) return unknown(upload);
  std::string name = random_hex32();
  Fd file(openat(incoming_, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file) return system_error("cannot create a part", errno);
  return std::unique_ptr<Writer>(std::make_unique<PartWriter>(
      disk_, incoming_, std::move(found), number, std::move(name), std::move(file)));
}

Result<Stored> Uploads::join(const std::string& key, const std::string& upload,
                             const std::vector<Part>& parts) {
  std::shared_ptr<Upload> found = find(upload);
  if (found != nullptr && found->key() != key) return unknown(upload);
  Result<Stored> stored = found ? found->join(parts) : Result<Stored>(unknown(upload));
  std::lock_guard lock(mutex_);
  if (!stored.ok()) {
    // Whose answer was lost asks again.
    auto before = joined_.find(upload + key);
    if (stored.error().code == Code::kMissing && before != joined_.end()) return before->second;
    if (stored.error().code != Code::kInvalid) open_.erase(upload);
    return stored;
  }
  open_.erase(upload);
  joined_[upload + key] = *stored;
  joined_order_.push_back(upload + key);
  if (joined_order_.size() > kJoinedRemembered) {
    joined_.erase(joined_order_.front());
    joined_order_.pop_front();
  }
  return stored;
}

void Uploads::drop(const std::string& key, const std::string& upload) {
  std::shared_ptr<Upload> found = find(upload);
  if (found == nullptr || found->key() != key) return;
  found->drop();
  std::lock_guard lock(mutex_);
  open_.erase(upload);
}

}  // namespace slipway::blob
