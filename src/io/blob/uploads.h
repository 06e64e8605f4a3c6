#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "io/blob/blobs.h"
#include "io/blob/disk.h"

// Objects of a folder store that come in parts. Internal to this folder.
namespace slipway::blob {

/// Each part grows in a file of its own; as soon as all before it are in, it is appended to the
/// object and its file goes. So the disk holds little twice, the object's digest is known at the
/// end, and joining is one commit. What a crash leaves is swept with `incoming`. Any thread.
class Uploads {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;
  static constexpr std::size_t kOpenMax = 256;            // each has a file open
  static constexpr std::chrono::hours kIdleMax{24};       // then it is nobody's; looked at by begin()
  static constexpr std::size_t kJoinedRemembered = 1000;  // for who asks once more

  /// `incoming` is a folder's descriptor, borrowed.
  Uploads(Disk& disk, int incoming, Now now = &std::chrono::steady_clock::now)
      : disk_(disk), incoming_(incoming), now_(std::move(now)) {}
  ~Uploads();

  Result<std::string> begin(const std::string& key, std::unique_ptr<Writer> whole);
  Result<std::unique_ptr<Writer>> create_part(const std::string& upload, int number);
  Result<Stored> join(const std::string& key, const std::string& upload,
                      const std::vector<Part>& parts);
  /// Under another key than it was begun with, it is as unknown.
  void drop(const std::string& key, const std::string& upload);

 private:
  class Upload;
  class PartWriter;
  std::shared_ptr<Upload> find(const std::string& upload);
  void drop_idle();

  Disk& disk_;
  const int incoming_;
  const Now now_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Upload>> open_;
  std::map<std::string, Stored> joined_;
  std::deque<std::string> joined_order_;
};

}  // namespace slipway::blob
