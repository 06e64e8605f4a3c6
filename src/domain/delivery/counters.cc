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

// --- clusters: rows of numbers, for there are many ----------------------------------------------

template <class M, class F>
void each_number_of_moments(M& m, F&& f) {
  f(m.count);
  f(m.mean);
  f(m.squares);
}

/// All numbers of the counts, in the order in which a row has them.
template <class C, class F>
void each_number(C& c, F&& f) {
  for (auto* arm : {&c.stable, &c.candidate}) {
    f(arm->requests);
    f(arm->errors);
    f(arm->slow);
    each_number_of_moments(arm->scores, f);
  }
  auto& p = c.pairs;
  for (auto* count : {&p.pairs, &p.errors_candidate_only, &p.errors_stable_only,
                      &p.slow_candidate_only, &p.slow_stable_only, &p.flips})
    f(*count);
  each_number_of_moments(p.differences, f);
}

bool is_empty(const AnswerCounts& c) {
  return c.stable.requests == 0 && c.candidate.requests == 0 && c.pairs.pairs == 0;
}

/// Its number, then what it counted up to the last that is not 0.
Json row_of(std::size_t cluster, const AnswerCounts& counts) {
  Json::Array row{Json(static_cast<std::int64_t>(cluster))};
  std::size_t used = row.size();
  each_number(counts, [&](auto number) {
    row.push_back(Json(number));
    if (number != 0) used = row.size();
  });
  row.resize(used);
  return Json(std::move(row));
}

Json rows_of(const std::vector<AnswerCounts>& clusters) {
  Json::Array rows;
  for (std::size_t i = 0; i < clusters.size(); ++i)
    if (!is_empty(clusters[i])) rows.push_back(row_of(i, clusters[i]));
  return Json(std::move(rows));
}

bool read_number(const Json& json, std::int64_t& number) {
  if (!json.is_integer() || json.as_int64() < 0) return false;
  number = json.as_int64();
  return true;
}

bool read_number(const Json& json, double& number) {
  if (!json.is_number() || !std::isfinite(json.as_double())) return false;
  number = json.as_double();
  return true;
}

bool can_be(const ArmCounts& a) {
  return a.errors <= a.requests && a.slow <= a.requests && a.scores.squares >= 0;
}

bool can_be(const PairCounts& p) {
  for (const std::int64_t part : {p.errors_candidate_only, p.errors_stable_only,
                                  p.slow_candidate_only, p.slow_stable_only, p.flips})
    if (part > p.pairs) return false;
  return p.differences.squares >= 0;
}

bool read_row(const Json& json, std::vector<AnswerCounts>& clusters) {
  std::int64_t cluster = 0;
  if (!json.is_array() || json.as_array().empty()) return false;
  const Json::Array& row = json.as_array();
  if (!read_number(row[0], cluster) || cluster >= static_cast<std::int64_t>(kClusters))
    return false;
  AnswerCounts& counts = clusters[static_cast<std::size_t>(cluster)];
  std::size_t next = 1;
  bool good = true;
  each_number(counts, [&](auto& number) {
    if (next < row.size()) good = read_number(row[next++], number) && good;
  });
  return good && next == row.size() && can_be(counts.stable) && can_be(counts.candidate) &&
         can_be(counts.pairs);
}

Result<std::vector<AnswerCounts>> clusters_from(const Json* json) {
  std::vector<AnswerCounts> clusters;
  if (!json) return clusters;
  if (!json->is_array()) return invalid("counters: clusters is not what counts can be");
  if (!json->as_array().empty()) clusters.resize(kClusters);
  for (const Json& row : json->as_array())
    if (!read_row(row, clusters)) return invalid("counters: clusters is not what counts can be");
  return clusters;
}

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

void AnswerCounts::merge(const AnswerCounts& other) {
  stable.merge(other.stable);
  candidate.merge(other.candidate);
  pairs.merge(other.pairs);
}

void StepCounts::add(const AnswerCounts& answer, std::size_t cluster) {
  if (is_empty(answer)) return;
  AnswerCounts::merge(answer);
  if (clusters.empty()) clusters.resize(kClusters);
  clusters[cluster].merge(answer);
}

void StepCounts::merge(const StepCounts& other) {
  AnswerCounts::merge(other);
  dropped += other.dropped;
  if (other.clusters.empty()) return;
  if (clusters.empty()) clusters.resize(kClusters);
  for (std::size_t i = 0; i < kClusters; ++i)
    if (!is_empty(other.clusters[i])) clusters[i].merge(other.clusters[i]);
}

Json to_json(const StepCounts& counts) {
  Json json = totals_json(counts);
  json.set("clusters", rows_of(counts.clusters));
  return json;
}

Json totals_json(const StepCounts& counts) {
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
  counts.clusters = TRY(clusters_from(json.find("clusters")));
  return counts;
}

}  // namespace slipway::delivery
