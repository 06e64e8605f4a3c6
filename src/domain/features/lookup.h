#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "domain/features/online.h"
#include "domain/features/plan.h"
#include "domain/features/training.h"

// Features of one entity now: what the model server asks when a request carries only keys. The
// answer is, to the bit, what a training set says of an entity row at that time, given the same
// source rows.
namespace slipway::features {

/// Of the stored row; aggregates and request columns have values whatever it says.
enum class Presence {
  kPresent,
  kMissing,  // nothing was ever written for this entity, or its key is null
  kExpired,  // older than the view's ttl
  kDeleted,
};
/// "present", "missing", "expired", "deleted".
const char* to_string(Presence presence);

struct Answer {
  std::vector<Value>
      values;  // as View::outputs(); a null of a present row is a null that was stored
  Presence presence = Presence::kMissing;
  std::int64_t event_us = 0;  // of the row; 0 when missing
  /// The time asked for lies so far before the entity's newest event that events its windows need
  /// may be forgotten.
  bool too_late = false;
  Faults faults;
};

/// One view in a store. Any thread. The store outlives it.
class Lookup {
 public:
  /// Makes the view known to the store, durably.
  static Result<std::unique_ptr<Lookup>> open(OnlineStore& store, const Plan& plan);

  const Plan& plan() const { return plan_; }
  OnlineStore::ViewNumber number() const { return number_; }
  /// The view's version: its digest.
  const std::string& version() const { return version_; }

  /// `key` in the order of View::entity, `request` in that of View::request; kInvalid for values of
  /// other types. Rows with an event time after `at_us` that have arrived already count as present
  /// from then on only: the store keeps one row, so the answer is "missing" until then.
  Result<Answer> get(std::span<const Value> key, std::span<const Value> request,
                     std::int64_t at_us) const;

 private:
  Lookup(OnlineStore& store, Plan plan, OnlineStore::ViewNumber number)
      : store_(store),
        plan_(std::move(plan)),
        number_(number),
        version_(plan_.view().digest()) {}
  std::unique_ptr<Calculator> take() const;
  void give_back(std::unique_ptr<Calculator> calculator) const;

  OnlineStore& store_;
  Plan plan_;
  OnlineStore::ViewNumber number_;
  std::string version_;
  // One for each thread that asks at the same time.
  mutable Guarded<std::vector<std::unique_ptr<Calculator>>> idle_;
};

/// The view as the store keeps it.
StoredView stored_view(const Plan& plan);

struct Materialized {
  std::size_t rows = 0;     // of the source
  std::size_t written = 0;  // the newest of each entity, and the events that windows reach
  std::size_t entities = 0;
  std::size_t skipped = 0;  // without key or event time, or after `until_us`
  std::int64_t newest_us = 0;
  Faults faults;
};
/// Rows of `source` (read_source) up to and with `until_us` as writes, in the order of their event
/// times; equal ones in that of their positions.
Result<std::vector<Put>> puts_of(const Plan& plan, const Table& source, std::int64_t until_us,
                                 Materialized& report);
/// Writes them in calls of bounded size. Doing it again changes nothing.
Result<Materialized> materialize(OnlineStore& store, const Plan& plan, const Table& source,
                                 std::int64_t until_us);

}  // namespace slipway::features
