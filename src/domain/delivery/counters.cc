#include "domain/delivery/counters.h"

#include <cmath>
#include <utility>

namespace slipway::delivery {
namespace {

using wire::Json;

Json to_json(const Moments& m) {
  return Json(Json::Object{{"count", m.count}, {"mean", m.mean}, {"squares", m.squares}});
}

Json to_json(const ArmCounts& a) {
  return Json(Json::Object{{"requests", a.requests},
                           {"errors", a.errors},
                           {"slow", a.slow},
                           {"scores", to_json(a.scores)}});
}

Json to_json(const PairCounts& p) {
  return Json(Json::Object{{"pairs", p.pairs},
                           {"errors_candidate_only", p.errors_candidate_only},
                           {"errors_stable_only", p.errors_stable_only},
                           {"slow_candidate_only", p.slow_candidate_only},
                           {"slow_stable_only", p.slow_stable_only},
                           {"flips", p.flips},
                           {"differences", to_json(p.differences)}});
}

/// Reads members of one object; the first fault is kept.
class Reader {
 public:
  explicit Reader(const Json* json) : json_(json) {}

  void count(const char* key, std::int64_t& value) {
    const Json* member = json_ ? json_->find(key) : nullptr;
    if (!member || !member->is_integer() || member->as_int64() < 0) return refuse(key);
    value = member->as_int64();
  }
  void real(const char* key, double& value) {
    const Json* member = json_ ? json_->find(key) : nullptr;
    if (!member || !member->is_number() || !std::isfinite(member->as_double())) return refuse(key);
    value = member->as_double();
  }
  void at_most(const char* key, std::int64_t value, std::int64_t bound) {
    if (value > bound) refuse(key);
  }
  void moments(const char* key, Moments& m) {
    Reader inner(json_ ? json_->find(key) : nullptr);
    inner.count("count", m.count);
    inner.real("mean", m.mean);
    inner.real("squares", m.squares);
    if (!inner.fault_.empty() || m.squares < 0) refuse(key);
  }
  Result<> finish(const char* what) const {
    if (fault_.empty()) return {};
    return invalid(std::string("counters: ") + what + "." + fault_ + " is not what counts can be");
  }

 private:
  void refuse(const char* key) {
    if (fault_.empty()) fault_ = key;
  }
  const Json* json_;
  std::string fault_;
};

Result<ArmCounts> arm_from(const Json* json, const char* what) {
  ArmCounts arm;
  Reader reader(json);
  reader.count("requests", arm.requests);
  reader.count("errors", arm.errors);
  reader.count("slow", arm.slow);
  reader.moments("scores", arm.scores);
  reader.at_most("errors", arm.errors, arm.requests);
  reader.at_most("slow", arm.slow, arm.requests);
  TRY(reader.finish(what));
  return arm;
}

Result<PairCounts> pairs_from(const Json* json) {
  PairCounts p;
  Reader reader(json);
  reader.count("pairs", p.pairs);
  const std::pair<const char*, std::int64_t*> parts[] = {
      {"errors_candidate_only", &p.errors_candidate_only},
      {"errors_stable_only", &p.errors_stable_only},
      {"slow_candidate_only", &p.slow_candidate_only},
      {"slow_stable_only", &p.slow_stable_only},
      {"flips", &p.flips}};
  for (const auto& [key, value] : parts) {
    reader.count(key, *value);
    reader.at_most(key, *value, p.pairs);
  }
  reader.moments("differences", p.differences);
  TRY(reader.finish("pairs"));
  return p;
}

}  // namespace

void ArmCounts::merge(const ArmCounts& other) {
  requests += other.requests;
  errors += other.errors;
  slow += other.slow;
  scores.merge(other.scores);
}

void PairCounts::merge(const PairCounts& other) {
  pairs += other.pairs;
  errors_candidate_only += other.errors_candidate_only;
  errors_stable_only += other.errors_stable_only;
  slow_candidate_only += other.slow_candidate_only;
  slow_stable_only += other.slow_stable_only;
  flips += other.flips;
  differences.merge(other.differences);
}

void StepCounts::merge(const StepCounts& other) {
  stable.merge(other.stable);
  candidate.merge(other.candidate);
  pairs.merge(other.pairs);
  dropped += other.dropped;
}

Json to_json(const StepCounts& counts) {
  return Json(Json::Object{{"stable", to_json(counts.stable)},
                           {"candidate", to_json(counts.candidate)},
                           {"pairs", to_json(counts.pairs)},
                           {"dropped", counts.dropped}});
}

Result<StepCounts> step_counts_from(const Json& json) {
  StepCounts counts;
  counts.stable = TRY(arm_from(json.find("stable"), "stable"));
  counts.candidate = TRY(arm_from(json.find("candidate"), "candidate"));
  counts.pairs = TRY(pairs_from(json.find("pairs")));
  Reader reader(&json);
  reader.count("dropped", counts.dropped);
  TRY(reader.finish("step"));
  return counts;
}

}  // namespace slipway::delivery
