#include "app/project.h"

#include "app/cli/verbs.h"
#include "app/project_client.h"
#include "base/text.h"

namespace slipway::app {
namespace {

ProjectPlace place_of(const Arguments& arguments, const Surroundings& surroundings) {
  ProjectPlace place;
  auto state = arguments.flags.find("state");
  place.state = state == arguments.flags.end()
                    ? default_state(surroundings.folder)
                    : (surroundings.folder / state->second).lexically_normal();
  auto store = arguments.flags.find("store");
  if (store != arguments.flags.end()) place.store = store->second;
  return place;
}

/// What is for people stands in the answer too.
std::string take_text(wire::Json& answer) {
  wire::Json::Object& members = answer.as_object();
  for (auto member = members.begin(); member != members.end(); ++member) {
    if (member->first != "text") continue;
    std::string text = member->second.as_string();
    members.erase(member);
    return text;
  }
  return "";
}

int report_refusal(const Error& error, const Surroundings& surroundings) {
  int code = report(error, surroundings);
  return error.tag == "refused" ? kAnswerIsNo : code;
}

}  // namespace

std::vector<Flag> project_flags() {
  return {{"--state", "DIR", "the state folder (.slipway of this project)"},
          {"--store", "URI", "the catalogue, when it is not in the state folder"}};
}

int run_plan(const Arguments& arguments, const Surroundings& surroundings) {
  Result<ProjectRequest> request = gather_project(project_root(surroundings.folder));
  if (!request.ok()) return report(request.error(), surroundings);
  Result<wire::Json> plan = plan_at(place_of(arguments, surroundings), *request);
  if (!plan.ok()) return report(plan.error(), surroundings);
  std::string text = take_text(*plan);
  surroundings.out << (surroundings.json ? wire::dump(*plan) + "\n" : text);
  const wire::Json* refusals = plan->find("refusals");
  return refusals != nullptr && !refusals->as_array().empty() ? kAnswerIsNo : kDone;
}

int run_apply(const Arguments& arguments, const Surroundings& surroundings) {
  Result<ProjectRequest> request = gather_project(project_root(surroundings.folder));
  if (!request.ok()) return report(request.error(), surroundings);
  Result<wire::Json> done = apply_at(place_of(arguments, surroundings), *request);
  if (!done.ok()) return report_refusal(done.error(), surroundings);
  std::string text = take_text(*done);
  if (surroundings.json) {
    surroundings.out << wire::dump(*done) << "\n";
  } else if (!done->find("changed")->as_bool()) {
    surroundings.out << "nothing changed: this is what is applied already\n";
  } else {
    surroundings.out << text << "applied as number " << done->find("number")->as_int64() << "\n";
  }
  return kDone;
}

}  // namespace slipway::app
