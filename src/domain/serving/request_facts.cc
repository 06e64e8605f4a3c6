#include "domain/serving/request_facts.h"

namespace slipway::serving {

Result<RequestFacts> request_facts(const Said& said) {
  RequestFacts facts;
  facts.key = said.key;
  facts.client_id = said.client_id;
  if (facts.key.size() > kKeyBytesMax) {
    return Error{Code::kInvalid,
                 "found a key of " + std::to_string(facts.key.size()) +
                     " bytes, expected at most " + std::to_string(kKeyBytesMax),
                 "bad_request"};
  }
  if (!said.event_time.empty()) facts.event_time_ms = TRY(read_event_time(said.event_time));
  return facts;
}

bool reads_as_stable(const Assignment& assignment) {
  const Translation& translation = assignment.deployment->to_candidate;
  return assignment.role == delivery::Role::kCandidate && !assignment.chosen &&
         translation.is_possible() && !translation.is_same();
}

const std::string& route_text(const Assignment& assignment, bool fell_back) {
  const bool candidate = assignment.role == delivery::Role::kCandidate && !fell_back;
  return candidate ? assignment.deployment->candidate_text : assignment.deployment->stable_text;
}

}  // namespace slipway::serving
