#include "dialects/oip/access_rules.h"

namespace slipway::oip {
namespace {

using access::Rule;
using access::Thing;
using access::Things;

Result<Things> model(const http::Request& request, access::Level level) {
  return Things{{Thing::What::kDeployment, request.capture("model"), level}};
}

}  // namespace

access::Rules access_rules() {
  using On = Rule::On;
  access::Rules rules;
  // A probe asks for these, and they tell of no model.
  for (const char* route : {"GET /v2", "GET /v2/", "GET /v2/health/live", "GET /v2/health/ready"}) {
    rules.push_back({route, On::kNobody, access::Level::kNone});
  }
  // Lists of all names.
  for (const char* route :
       {"GET /v2/models", "POST /v2/repository/index", "POST /v2/repository/{repository}/index"}) {
    rules.push_back({route, On::kEverything, access::Level::kRead});
  }
  for (const std::string path : {"/v2/models/{model}", "/v2/models/{model}/versions/{version}"}) {
    rules.push_back({"GET " + path, On::kAsk, access::Level::kRead, model});
    rules.push_back({"GET " + path + "/ready", On::kAsk, access::Level::kRead, model});
    rules.push_back({"POST " + path + "/infer", On::kAsk, access::Level::kRead, model});
  }
  return rules;
}

}  // namespace slipway::oip
