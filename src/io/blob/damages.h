#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/metrics.h"

// What journals have lost, said where people look.
namespace slipway::blob {

/// Of one file, as far as it was read.
struct Loss {
  std::uint64_t places = 0;    // that cannot be read
  std::uint64_t first_at = 0;  // the first of them, in bytes
  std::uint64_t frames = 0;    // that are missing

  void add(std::uint64_t at, std::uint64_t frames_there) {
    if (places++ == 0) first_at = at;
    frames += frames_there;
  }
};

/// Warns of a loss and counts it: once, however often the file is read. Any thread.
class Damages {
 public:
  explicit Damages(Metrics& metrics);
  void tell(const std::filesystem::path& file, std::string_view kind, const Loss& loss);

 private:
  static constexpr std::size_t kFilesMax = 10'000;  // remembered; then it may say it again

  Counter& places_;
  Counter& frames_;
  Guarded<std::map<std::string, Loss>> told_;
};

/// The same where nobody counts: warns, each time.
void tell_loss(Damages* damages, const std::filesystem::path& file, std::string_view kind,
               const Loss& loss);

}  // namespace slipway::blob
