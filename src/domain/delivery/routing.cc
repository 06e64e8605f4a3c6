#include "domain/delivery/routing.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/hash.h"
#include "domain/delivery/counters.h"

namespace slipway::delivery {
namespace {

// Shadow samples other keys than canary steps: their bucket is of another salt.
constexpr std::string_view kShadowSalt = "shadow:";

std::uint64_t hash_of(std::string_view first, std::string_view second, std::string_view third) {
  std::array<char, 256> buffer;
  const std::size_t size = first.size() + second.size() + third.size();
  if (size > buffer.size()) {
    std::string joined;
    joined.reserve(size);
    joined.append(first).append(second).append(third);
    return fast_hash(joined);
  }
  char* end = buffer.data();
  for (const std::string_view part : {first, second, third}) {
    if (!part.empty()) std::memcpy(end, part.data(), part.size());
    end += part.size();
  }
  return fast_hash({buffer.data(), size});
}

}  // namespace

std::uint32_t bucket_of(std::string_view salt, std::string_view key) {
  return static_cast<std::uint32_t>(hash_of({}, salt, key) % kBuckets);
}

bool within(std::uint32_t bucket, double percent) {
  return bucket < std::llround(percent * kBuckets / 100);
}

const char* to_string(Role role) {
  return role == Role::kCandidate ? "candidate" : "stable";
}

Role role_of(const DeploymentRoute& route, std::string_view key) {
  if (route.mode != Mode::kCanary || route.candidate == 0) return Role::kStable;
  return within(bucket_of(route.salt, key), route.percent) ? Role::kCandidate : Role::kStable;
}

std::int64_t version_for(const DeploymentRoute& route, std::string_view key) {
  return role_of(route, key) == Role::kCandidate ? route.candidate : route.stable;
}

std::size_t cluster_of(std::string_view salt, std::string_view key) {
  // What bucket_of leaves of the same hash.
  return static_cast<std::size_t>(hash_of({}, salt, key) / kBuckets % kClusters);
}

bool is_shadowed(const DeploymentRoute& route, std::string_view key) {
  if (route.mode != Mode::kShadow || route.candidate == 0) return false;
  const auto bucket = static_cast<std::uint32_t>(hash_of(kShadowSalt, route.salt, key) % kBuckets);
  return within(bucket, route.percent);
}

}  // namespace slipway::delivery
