#pragma once

#include <memory>
#include <vector>

#include "domain/serving/serving.h"

// Pure functions that make one table from another.
namespace slipway::serving {

/// Alias champion, else the highest version in stage Production, else the highest; "" without
/// versions.
std::string meant_version(const KnownModel& model);

/// What is known now, with the states of `before` kept for versions whose files are the same.
std::shared_ptr<const Table> updated(const Table& before, const std::vector<KnownModel>& known);

/// `before` with one version's entry replaced; unchanged when it is gone.
std::shared_ptr<const Table> with_entry(const Table& before, const std::string& model,
                                        const VersionEntry& entry);

/// Names of loaded versions, to be given up in this order: least recently used first, never what a
/// bare name means.
struct Evictable {
  std::string model;
  VersionEntry entry;
};
std::vector<Evictable> eviction_order(const Table& table);

std::uint64_t bytes_of(const Table& table);

}  // namespace slipway::serving
