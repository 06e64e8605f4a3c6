#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/registry_routes.h"
#include "dialects/mlflow/request.h"
#include "domain/registry/names.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using registry::Registry;

constexpr char kPath[] = "/registered-models/alias";

struct SetAlias {
  std::string name, alias, version;
};
WIRE(SetAlias, name, alias, version)
constexpr Parameter kSet[] = {{"name", Type::kText, kRequired},
                              {"alias", Type::kText, kRequired},
                              {"version", Type::kText, kRequired}};

struct NamedAlias {
  std::string name, alias;
};
WIRE(NamedAlias, name, alias)
constexpr Parameter kNamed[] = {{"name", Type::kText, kRequired},
                                {"alias", Type::kText, kRequired}};

struct VersionAnswer {
  VersionMessage model_version;
};
WIRE(VersionAnswer, model_version)

Result<> set_alias(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<SetAlias>(request, kSet));
  TRY(registry::check_model_name(call.name));
  TRY(registry::check_alias(call.alias, /*to_set=*/true));
  const std::int64_t number = TRY(to_version_number(call.version));
  registry.set_alias(request.principal.name, std::move(call.name), std::move(call.alias), number,
                     then_empty(reply));
  return {};
}

Result<> delete_alias(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<NamedAlias>(request, kNamed));
  TRY(registry::check_model_name(call.name));
  registry.delete_alias(request.principal.name, std::move(call.name), std::move(call.alias),
                        then_empty(reply));
  return {};
}

Result<Response> get(Registry& registry, const Request& request) {
  auto call = TRY(read_request<NamedAlias>(request, kNamed));
  registry::Version version = TRY(registry.version_by_alias(call.name, call.alias));
  return to_response(VersionAnswer{to_message(std::move(version))});
}

}  // namespace

void mount_aliases(Api& api, Registry& registry) {
  ServiceApi routes(api, registry);
  routes.read(Method::kGet, kPath, kReadsRegistry, get);
  routes.write(Method::kPost, kPath, kWritesRegistry, set_alias);
  routes.write(Method::kDelete, kPath, kWritesRegistry, delete_alias);
}

}  // namespace slipway::mlflow
