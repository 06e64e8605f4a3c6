#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "io/blob/journal.h"

// Any bytes as a journal: frames lie in the file one behind the other, and what is missing is told.
namespace {

using namespace slipway;

/// One file, written anew for each input; it goes with the process.
struct File {
  File() {
    std::filesystem::path folder = "/dev/shm";
    if (!std::filesystem::is_directory(folder)) folder = std::filesystem::temp_directory_path();
    path = folder / ("journal_fuzz_" + std::to_string(getpid()));
    fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) std::abort();
  }
  ~File() { unlink(path.c_str()); }
  void write(std::string_view bytes) const {
    if (pwrite(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()) ||
        ftruncate(fd, static_cast<off_t>(bytes.size())) != 0)
      std::abort();
  }
  std::filesystem::path path;
  int fd = -1;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const File file;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  file.write(bytes);
  std::uint64_t frames = 0, payloads = 0, damages = 0, lost = 0, passed_over = 0;
  const blob::JournalVisitor visitor{[&](std::string_view payload) {
                                       ++frames;
                                       payloads += payload.size();
                                       if (bytes.find(payload) == std::string_view::npos)
                                         std::abort();
                                       return true;
                                     },
                                     [&](const blob::Damage& damage) {
                                       ++damages;
                                       lost += damage.frames;
                                       passed_over += damage.bytes;
                                       if (damage.at + damage.bytes > size) std::abort();
                                     }};
  const Result<blob::JournalEnd> end = blob::read_journal(file.path, "facts", visitor);
  if (!end.ok()) return 0;
  if (end->frames != frames || end->damages != damages || end->lost_frames != lost) std::abort();
  if (end->bytes > size || payloads + 8 * frames > size) std::abort();
  (void)blob::read_last_frame(file.path, "facts", 33).ok();
  return 0;
}
