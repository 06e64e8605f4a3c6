#pragma once

#include <functional>
#include <string>

#include "app/gate.h"
#include "base/result.h"
#include "domain/access/people.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// People, tokens and permissions for commands and for the page: logging in, and every change.
namespace slipway::app {

/// Who asks for a change: a person, or whoever can read the state folder.
struct PeopleCaller {
  std::string name;
  bool may_all = false;  // an administrator, or the owner of the state folder
  bool is_owner = false;
};

struct PeopleRequest {
  std::string user, password, current_password, name, id, level, experiment, model, scope;
  std::optional<bool> admin;
  std::optional<std::int64_t> days;  // until a token expires; 0: never
};
WIRE(PeopleRequest, user, password, current_password, name, id, level, experiment, model, scope,
     admin, days)

/// What `verb` ("create-user", "list-users", "set-password", "set-admin", "delete-user",
/// "create-token", "list-tokens", "revoke-token", "grant", "revoke", "list-permissions",
/// "set-default") does, and its answer. kDenied for a caller who may not.
Result<wire::Json> act_on_people(access::People& people, const PeopleCaller& caller,
                                 const std::string& verb, const PeopleRequest& request);

/// POST /api/slipway/v1/people/{verb}, and the page's login, logout and me. `gate` must outlive the
/// router.
void mount_people_api(http::Router& router, access::People& people, const Gate& gate);

}  // namespace slipway::app
