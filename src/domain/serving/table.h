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

/// Loaded versions, to be given up in this order: least recently used first, never what a bare name
/// means.
std::vector<Place> eviction_order(const Table& table);

/// `before` with these entries replaced; those that are gone stay so.
std::shared_ptr<const Table> with_entries(const Table& before, const std::vector<Place>& changed);

/// Versions that nobody has looked at, at most so many.
std::vector<Place> waiting(const Table& table, std::size_t places_max);

/// Models whose bare name answers, or may once it has been tried; in order of name.
struct Candidates {
  std::vector<std::string> names;
  bool untried = false;  // one of them at least has never been tried
};
Candidates candidates(const Table& table);

std::uint64_t bytes_of(const Table& table);

}  // namespace slipway::serving
