#include "domain/serving/request_facts.h"

#include "base/text.h"
#include "domain/serving/day_files.h"

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

std::string route_text(const Assignment& assignment, bool fell_back) {
  const delivery::DeploymentRoute& route = assignment.deployment->route;
  const delivery::Role role = fell_back ? delivery::Role::kStable : assignment.role;
  const Loaded& version = fell_back ? assignment.deployment->stable : assignment.version;
  std::string text = folder_of(route.deployment) + "; version=" + version->version +
                     "; role=" + delivery::to_string(role);
  if (!route.step_id.empty()) text += "; step=" + folder_of(route.step_id);
  return text;
}

}  // namespace slipway::serving
