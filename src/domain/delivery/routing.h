#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Who answers a request: decided by a hash of its key, so that one user stays with one version, and
// whoever is on the candidate at 5 % is still on it at 25 %. Pure; any thread; no memory is taken
// for keys up to 200 bytes.
namespace slipway::delivery {

/// Buckets are hundredths of a percent.
inline constexpr std::uint32_t kBuckets = 10'000;

/// Hash of salt and key (XXH3, 64 bits) modulo kBuckets. The same on every server and in every
/// version of this program.
std::uint32_t bucket_of(std::string_view salt, std::string_view key);
/// The first `percent` of the buckets; 0 to 100.
bool within(std::uint32_t bucket, double percent);

enum class Mode {
  kStableOnly,
  kShadow,  // the stable version answers; the candidate scores a sample of the requests as well
  kCanary,  // the candidate answers its share
};
enum class Role { kStable, kCandidate };
/// "stable", "candidate".
const char* to_string(Role role);

/// What the data plane reads: an immutable value, swapped as a whole when a decision has become
/// durable. Requests in flight finish on the one they began with.
struct DeploymentRoute {
  std::string deployment, model;
  std::int64_t stable = 0;     // version; 0: nothing is served
  std::int64_t candidate = 0;  // 0: none
  Mode mode = Mode::kStableOnly;
  double percent = 0;   // sampled in shadow, answered in canary
  std::string salt;     // of the deployment: it stays, so that users stay too
  std::string rollout;  // "" without one
  int step = 0;         // whose counters to feed
  std::string step_id;  // node of the rollout step that put this route in place; "" before any
  std::string features = {};  // view whose features the server looks up by entity key; "" for none
  double slow_ms = 0;         // slower answers are counted as such; 0: nothing is slow
  std::int64_t revision = 0;  // of the deployment: a higher one replaces a lower one
  std::string unserved = {};  // why nothing is served though a version came, for people; ""
  bool is_down = false;       // a version should serve, and can't be loaded
  std::string elsewhere = {};  // which server serves instead of this one, for people; ""

  bool operator==(const DeploymentRoute&) const = default;
};

/// Which version answers. `key` is the caller's sticky key, else the prediction id.
Role role_of(const DeploymentRoute& route, std::string_view key);
std::int64_t version_for(const DeploymentRoute& route, std::string_view key);
/// Which cluster of counters.h a caller belongs to. Independent of who answers it.
std::size_t cluster_of(std::string_view salt, std::string_view key);
/// Whether the candidate scores this request too, after the answer. Independent of the bucket that
/// the key has in canary steps.
bool is_shadowed(const DeploymentRoute& route, std::string_view key);

}  // namespace slipway::delivery
