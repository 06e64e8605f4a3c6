// Counts and times the disk syncs of a program: LD_PRELOAD=libsync_count.so SLIPWAY_SYNC_COUNT=FILE
// program ...
//
// FILE becomes two little-endian 64-bit numbers, syncs and nanoseconds in them, shared by the
// program and its children. So the benchmark shows that both sides really sync each commit, and
// what a sync takes where and when they do it. The library costs two clock readings per sync.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace {

struct Counts {
  std::atomic<std::uint64_t> syncs, nanoseconds;
};
static_assert(sizeof(Counts) == 16);

Counts* map_counts() {
  static Counts unshared{};
  const char* file = std::getenv("SLIPWAY_SYNC_COUNT");
  if (file == nullptr) return &unshared;
  const int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(Counts)) != 0) return &unshared;
  void* memory = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? &unshared : static_cast<Counts*>(memory);
}

int counted(const char* name, int fd) {
  using Sync = int (*)(int);
  static Counts* const counts = map_counts();
  const auto sync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name));
  const auto began = std::chrono::steady_clock::now();
  const int outcome = sync(fd);
  const auto took = std::chrono::steady_clock::now() - began;
  counts->syncs += 1;
  counts->nanoseconds += static_cast<std::uint64_t>(took.count());
  return outcome;
}

}  // namespace

extern "C" int fdatasync(int fd) {
  return counted("fdatasync", fd);
}
extern "C" int fsync(int fd) {
  return counted("fsync", fd);
}
