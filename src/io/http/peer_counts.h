#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

// How many connections each peer has. Internal to this folder.
namespace slipway::http {

class PeerCounts;

/// One connection's place among its peer's, given back when destroyed.
class PeerPlace {
 public:
  PeerPlace() = default;
  PeerPlace(PeerCounts& counts, std::string peer) : counts_(&counts), peer_(std::move(peer)) {}
  PeerPlace(PeerPlace&& other) noexcept
      : counts_(std::exchange(other.counts_, nullptr)), peer_(std::move(other.peer_)) {}
  PeerPlace& operator=(PeerPlace&&) = delete;
  inline ~PeerPlace();

 private:
  PeerCounts* counts_ = nullptr;
  std::string peer_;
};

/// Any thread; outlives the places.
class PeerCounts {
 public:
  /// False when the peer has `max` connections already.
  bool take(const std::string& peer, int max) {
    std::lock_guard lock(mutex_);
    int& count = counts_[peer];
    if (count >= max) return false;
    ++count;
    return true;
  }
  void leave(const std::string& peer) {
    std::lock_guard lock(mutex_);
    const auto found = counts_.find(peer);
    if (found != counts_.end() && --found->second <= 0) counts_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, int> counts_;
};

inline PeerPlace::~PeerPlace() {
  if (counts_ != nullptr) counts_->leave(peer_);
}

}  // namespace slipway::http
