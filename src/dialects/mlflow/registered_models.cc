#include <algorithm>

#include "dialects/mlflow/limits.h"
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

constexpr SearchBounds kBounds{.results_default = 100, .results_max = 1000};

struct NamedModel {
  std::string name;
};
WIRE(NamedModel, name)
constexpr Parameter kNamed[] = {{"name", Type::kText, kRequired}};

struct CreateModel {
  std::string name;
  registry::Tags tags;
  std::string description;
};
WIRE(CreateModel, name, tags, description)
constexpr Parameter kCreate[] = {
    {"name", Type::kText, kRequired}, {"tags", Type::kList}, {"description"}};

struct RenameModel {
  std::string name, new_name;
};
WIRE(RenameModel, name, new_name)
constexpr Parameter kRename[] = {{"name", Type::kText, kRequired},
                                 {"new_name", Type::kText, kRequired}};

struct DescribeModel {
  std::string name, description;
};
WIRE(DescribeModel, name, description)
constexpr Parameter kDescribe[] = {{"name", Type::kText, kRequired}, {"description"}};

struct TagModel {
  std::string name, key, value;
};
WIRE(TagModel, name, key, value)
constexpr Parameter kTag[] = {
    {"name", Type::kText, kRequired}, {"key", Type::kText, kRequired}, {"value"}};

struct LatestVersions {
  std::string name;
  std::vector<std::string> stages;
};
WIRE(LatestVersions, name, stages)
constexpr Parameter kLatest[] = {{"name", Type::kText, kRequired}, {"stages", Type::kTexts}};

struct ModelAnswer {
  ModelMessage registered_model;
};
WIRE(ModelAnswer, registered_model)
struct ModelsAnswer {
  std::optional<std::vector<ModelMessage>> registered_models;
  std::optional<std::string> next_page_token;
};
WIRE(ModelsAnswer, registered_models, next_page_token)
struct VersionsAnswer {
  std::optional<std::vector<VersionMessage>> model_versions;
};
WIRE(VersionsAnswer, model_versions)

Response answer(registry::Model model) {
  // As upstream: the versions of a model come without their aliases, which the model lists itself.
  for (registry::Version& version : model.latest) version.aliases.clear();
  return to_response(ModelAnswer{to_message(std::move(model))});
}

Done<registry::Model> then_model(Reply& reply) {
  return then_answer<registry::Model>(reply, &answer);
}

/// A model and a prompt share their names; the message says which of them was there first.
Result<> check_name_is_free(Registry& registry, const CreateModel& call) {
  Result<registry::Model> found = registry.model(call.name);
  if (!found.ok()) {
    if (found.error().code == Code::kMissing) return {};
    return found.error();
  }
  // As upstream tells them apart here: by the tag's key, whatever its value.
  const auto has_tag = [](const auto& tags) {
    return std::ranges::any_of(tags, [](const auto& tag) { return tag.key == kIsPromptTag; });
  };
  const bool prompt = has_tag(call.tags), prompt_before = has_tag(found->tags);
  if (prompt == prompt_before) return {};  // the write says it in its own words
  const char* wanted = prompt ? "prompt" : "registered model";
  const char* before = prompt ? "registered model" : "prompt";
  return Error{Code::kConflict,
               "Tried to create a " + std::string(wanted) + " with name '" + call.name +
                   "', but the name is already taken by a " + before +
                   ". MLflow does not allow creating a model and a prompt with the same name.",
               "already_exists"};
}

Result<> create(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<CreateModel>(request, kCreate));
  TRY(registry::check_model_name(call.name));
  TRY(check_tag_keys(call.tags));
  TRY(check_name_is_free(registry, call));
  registry.create_model(request.principal.name,
                        {std::move(call.name), std::move(call.description), std::move(call.tags)},
                        then_model(reply));
  return {};
}

Result<Response> get(Registry& registry, const Request& request) {
  auto call = TRY(read_request<NamedModel>(request, kNamed));
  return answer(TRY(registry.model(call.name)));
}

Result<> rename(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<RenameModel>(request, kRename));
  registry.rename_model(request.principal.name, std::move(call.name), std::move(call.new_name),
                        then_model(reply));
  return {};
}

Result<> describe(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<DescribeModel>(request, kDescribe));
  TRY(registry::check_model_name(call.name));
  registry.describe_model(request.principal.name, std::move(call.name), std::move(call.description),
                          then_model(reply));
  return {};
}

Result<> remove(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<NamedModel>(request, kNamed));
  TRY(registry::check_model_name(call.name));
  registry.delete_model(request.principal.name, std::move(call.name), then_empty(reply));
  return {};
}

Result<Response> search(Registry& registry, const Request& request) {
  const RegistrySearch call = TRY(read_search(request, kBounds));
  registry::Query query = TRY(to_model_query(call, kBounds));
  query.among = to_listed(request.principal.models, /*whole=*/false);
  registry::Page<registry::Model> page = TRY(registry.search_models(query));
  ModelsAnswer found;
  if (!page.items.empty()) found.registered_models.emplace();
  for (registry::Model& model : page.items) {
    for (registry::Version& version : model.latest) version.aliases.clear();
    found.registered_models->push_back(to_message(std::move(model)));
  }
  found.next_page_token = next_token(query, page.more);
  return to_response(found);
}

Result<Response> latest_versions(Registry& registry, const Request& request) {
  auto call = TRY(read_request<LatestVersions>(request, kLatest));
  std::vector<registry::Stage> stages;
  for (const std::string& name : call.stages) {
    const Result<registry::Stage> stage = to_stage(name);
    // Of two mistakes the model's comes first, as in MLflow.
    if (!stage.ok()) TRY(registry.model(call.name));
    stages.push_back(TRY(stage));
  }
  VersionsAnswer found;
  for (registry::Version& version : TRY(registry.latest_versions(call.name, stages))) {
    if (!found.model_versions) found.model_versions.emplace();
    found.model_versions->push_back(to_message(std::move(version)));
  }
  return to_response(found);
}

Result<> set_tag(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<TagModel>(request, kTag));
  TRY(registry::check_model_name(call.name));
  TRY(check_name(call.key, "key"));
  registry.set_model_tag(request.principal.name, std::move(call.name),
                         {std::move(call.key), std::move(call.value)}, then_empty(reply));
  return {};
}

Result<> delete_tag(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<TagModel>(request, kTag));
  TRY(registry::check_model_name(call.name));
  TRY(check_name(call.key, "key"));
  registry.delete_model_tag(request.principal.name, std::move(call.name), std::move(call.key),
                            then_empty(reply));
  return {};
}

}  // namespace

void mount_registered_models(Api& api, Registry& registry) {
  ServiceApi routes(api, registry);
  routes.read(Method::kGet, "/registered-models/get", kReadsRegistry, get);
  routes.read(Method::kGet, "/registered-models/search", kReadsRegistry, search);
  for (Method method : {Method::kGet, Method::kPost}) {
    routes.read(method, "/registered-models/get-latest-versions", kReadsRegistry, latest_versions);
  }
  // Reads before it writes, so not on the connection's loop.
  routes.write_large(Method::kPost, "/registered-models/create", kWritesRegistry, create);
  routes.write(Method::kPost, "/registered-models/rename", kWritesRegistry, rename);
  routes.write(Method::kPatch, "/registered-models/update", kWritesRegistry, describe);
  routes.write(Method::kDelete, "/registered-models/delete", kManagesRegistry, remove);
  routes.write(Method::kPost, "/registered-models/set-tag", kWritesRegistry, set_tag);
  routes.write(Method::kDelete, "/registered-models/delete-tag", kWritesRegistry, delete_tag);
}

}  // namespace slipway::mlflow
