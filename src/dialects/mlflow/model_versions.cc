#include "base/text.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/registry_routes.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/version_source.h"
#include "domain/registry/names.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using registry::LoggedModels;
using registry::Registry;
using tracking::Tracking;

// The most that is answered at once without being asked for more.
constexpr SearchBounds kBounds{.results_default = 10'000, .results_max = 200'000};

struct NamedVersion {
  std::string name, version;
};
WIRE(NamedVersion, name, version)
constexpr Parameter kNamed[] = {{"name", Type::kText, kRequired},
                                {"version", Type::kText, kRequired}};
constexpr Parameter kMeant[] = {{"name"}, {"version"}};

struct CreateVersion {
  std::string name, source, run_id;
  registry::Tags tags;
  std::string run_link, description, model_id;
};
WIRE(CreateVersion, name, source, run_id, tags, run_link, description, model_id)
constexpr Parameter kCreate[] = {{"name", Type::kText, kRequired},
                                 {"source", Type::kText, kRequired},
                                 {"run_id"},
                                 {"tags", Type::kList},
                                 {"run_link"},
                                 {"description"},
                                 {"model_id"}};

struct DescribeVersion {
  std::string name, version, description;
};
WIRE(DescribeVersion, name, version, description)
constexpr Parameter kDescribe[] = {
    {"name", Type::kText, kRequired}, {"version", Type::kText, kRequired}, {"description"}};

struct MoveVersion {
  std::string name, version, stage;
  bool archive_existing_versions = false;
};
WIRE(MoveVersion, name, version, stage, archive_existing_versions)
constexpr Parameter kMove[] = {{"name", Type::kText, kRequired},
                               {"version", Type::kText, kRequired},
                               {"stage", Type::kText, kRequired},
                               {"archive_existing_versions", Type::kFlag}};

struct TagVersion {
  std::string name, version, key, value;
};
WIRE(TagVersion, name, version, key, value)
constexpr Parameter kTag[] = {{"name", Type::kText, kRequired},
                              {"version", Type::kText, kRequired},
                              {"key", Type::kText, kRequired},
                              {"value"}};

struct VersionAnswer {
  VersionMessage model_version;
};
WIRE(VersionAnswer, model_version)
struct VersionsAnswer {
  std::optional<std::vector<VersionMessage>> model_versions;
  std::optional<std::string> next_page_token;
};
WIRE(VersionsAnswer, model_versions, next_page_token)
struct DownloadUri {
  std::string artifact_uri;
};
WIRE(DownloadUri, artifact_uri)

Response answer(registry::Version version) {
  return to_response(VersionAnswer{to_message(std::move(version))});
}
Done<registry::Version> then_version(Reply& reply) {
  return then_answer<registry::Version>(reply, &answer);
}

/// `parameters`: kNamed, or kMeant where MLflow only finds out later that one is missing.
Result<registry::Version> find(Registry& registry, const Request& request, Parameters parameters) {
  auto call = TRY(read_request<NamedVersion>(request, parameters));
  TRY(registry::check_model_name(call.name));
  return registry.version(call.name, TRY(to_version_number(call.version)));
}

Result<Response> get(Registry& registry, const Request& request) {
  return answer(TRY(find(registry, request, kNamed)));
}

Result<Response> download_uri(Registry& registry, const Request& request) {
  return to_response(DownloadUri{TRY(find(registry, request, kMeant)).location});
}

Result<Response> search(Registry& registry, const Request& request) {
  const RegistrySearch call = TRY(read_search(request, kBounds));
  registry::Query query = TRY(to_version_query(call, kBounds));
  query.among = to_listed(request.principal.models, /*whole=*/false);
  registry::Page<registry::Version> page = TRY(registry.search_versions(query));
  VersionsAnswer found;
  if (!page.items.empty()) found.model_versions.emplace();
  for (registry::Version& version : page.items) {
    found.model_versions->push_back(to_message(std::move(version)));
  }
  found.next_page_token = next_token(query, page.more);
  return to_response(found);
}

// --- the source of a new version ----------------------------------------------------------------

struct Sources {
  Registry& registry;
  LoggedModels& logged_models;
  Tracking& tracking;
};

/// A prompt has no files; clients name one of these.
Result<> check_prompt_source(const std::string& source) {
  if (source == "dummy-source" || source == "prompt-template") return {};
  return invalid("Invalid prompt source: '" + source +
                 "'. Prompt sources must use an MLflow placeholder.");
}

/// The location of what the request names; empty when that is unknown.
Result<std::string> location_of_owner(const Sources& sources, const SourceOwner& owner) {
  Result<std::string> location(std::string{});
  if (owner.id.empty()) return location;
  if (owner.kind == SourceOwner::Kind::kModel) {
    Result<registry::LoggedModel> model = sources.logged_models.find(owner.id);
    location = model.ok() ? Result<std::string>(model->location) : model.error();
  } else {
    Result<tracking::RunInfo> run = sources.tracking.run_info(owner.id);
    location = run.ok() ? Result<std::string>(run->artifact_uri) : run.error();
  }
  if (!location.ok() && location.error().code == Code::kMissing) return std::string();
  return location;
}

Result<> check_no_prompt(Registry& registry, const std::string& source) {
  const registry::Reference reference = TRY(registry::parse_reference(source));
  if (reference.model.empty()) return {};
  if (!is_prompt(TRY(registry.model(reference.model)).tags)) return {};
  return invalid("Invalid model version source: '" + source +
                 "'. Prompt versions cannot be used as model version sources.");
}

/// Where the files are when the source is "runs:/RUN/path": below that run's own.
std::string location_in_run(const SourceOwner& owner, const std::string& source) {
  const std::size_t run = source.find(owner.id);
  const std::size_t path = run == std::string::npos ? run : source.find('/', run);
  if (owner.location.empty() || path == std::string::npos) return "";
  return registry::extend_location(owner.location, source.substr(path + 1));
}

/// Checks the source, and resolves what the registry can't.
Result<> settle_source(const Sources& sources, registry::NewVersion& version) {
  SourceOwner owner;
  const bool by_model = !version.logged_model_id.empty();
  owner.kind = by_model ? SourceOwner::Kind::kModel : SourceOwner::Kind::kRun;
  owner.id = by_model ? version.logged_model_id : version.run_id;
  const bool in_run = to_lower(version.source).starts_with("runs:");
  if (in_run || needs_location(version.source)) {
    owner.location = TRY(location_of_owner(sources, owner));
  }
  TRY(check_source(version.source, owner));
  if (in_run) version.location = location_in_run(owner, version.source);
  if (registry::is_reference(version.source)) {
    TRY(check_no_prompt(sources.registry, version.source));
  }
  return {};
}

Result<> create(const Sources& sources, const Request& request, Reply& reply) {
  auto call = TRY(read_request<CreateVersion>(request, kCreate));
  registry::NewVersion version;
  version.model = std::move(call.name);
  version.source = std::move(call.source);
  version.run_id = std::move(call.run_id);
  version.run_link = std::move(call.run_link);
  version.description = std::move(call.description);
  version.logged_model_id = std::move(call.model_id);
  version.tags = std::move(call.tags);
  if (is_prompt(version.tags)) {
    TRY(check_prompt_source(version.source));
  } else {
    TRY(settle_source(sources, version));
    version.listing_tag = kModelVersionsTag;
  }
  TRY(check_tag_keys(version.tags));
  sources.registry.create_version(request.principal.name, std::move(version), then_version(reply));
  return {};
}

// --- changes ------------------------------------------------------------------------------------

Result<> describe(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<DescribeVersion>(request, kDescribe));
  TRY(registry::check_model_name(call.name));
  const std::int64_t number = TRY(to_version_number(call.version));
  registry.describe_version(request.principal.name, std::move(call.name), number,
                            std::move(call.description), then_version(reply));
  return {};
}

Result<> move(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<MoveVersion>(request, kMove));
  const registry::Stage stage = TRY(to_stage(call.stage));
  const bool active = stage == registry::Stage::kStaging || stage == registry::Stage::kProduction;
  if (call.archive_existing_versions && !active) {
    return invalid("Model version transition cannot archive existing model versions because '" +
                   call.stage +
                   "' is not an Active stage. Valid stages are ['Staging', 'Production']");
  }
  TRY(registry::check_model_name(call.name));
  const std::int64_t number = TRY(to_version_number(call.version));
  registry.set_stage(request.principal.name, std::move(call.name), number, stage,
                     call.archive_existing_versions, then_version(reply));
  return {};
}

Result<> remove(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<NamedVersion>(request, kNamed));
  TRY(registry::check_model_name(call.name));
  const std::int64_t number = TRY(to_version_number(call.version));
  registry.delete_version(request.principal.name, std::move(call.name), number, then_empty(reply));
  return {};
}

Result<> set_tag(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<TagVersion>(request, kTag));
  TRY(registry::check_model_name(call.name));
  const std::int64_t number = TRY(to_version_number(call.version));
  TRY(check_name(call.key, "key"));
  registry.set_version_tag(request.principal.name, std::move(call.name), number,
                           {std::move(call.key), std::move(call.value)}, then_empty(reply));
  return {};
}

Result<> delete_tag(Registry& registry, const Request& request, Reply& reply) {
  auto call = TRY(read_request<TagVersion>(request, kTag));
  TRY(registry::check_model_name(call.name));
  const std::int64_t number = TRY(to_version_number(call.version));
  TRY(check_name(call.key, "key"));
  registry.delete_version_tag(request.principal.name, std::move(call.name), number,
                              std::move(call.key), then_empty(reply));
  return {};
}

}  // namespace

void mount_model_versions(Api& api, Registry& registry, LoggedModels& logged_models,
                          Tracking& tracking) {
  ServiceApi routes(api, registry);
  routes.read(Method::kGet, "/model-versions/get", kReadsRegistry, get);
  routes.read(Method::kGet, "/model-versions/get-download-uri", kReadsRegistry, download_uri);
  routes.read(Method::kGet, "/model-versions/search", kReadsRegistry, search);
  // Reads before it writes, so not on the connection's loop.
  const Sources sources{registry, logged_models, tracking};
  api.write_large(
      Method::kPost, "/model-versions/create", kWritesRegistry,
      [sources](const Request& request, Reply& reply) { return create(sources, request, reply); });
  routes.write(Method::kPatch, "/model-versions/update", kWritesRegistry, describe);
  routes.write(Method::kPost, "/model-versions/transition-stage", kWritesRegistry, move);
  routes.write(Method::kDelete, "/model-versions/delete", kManagesRegistry, remove);
  routes.write(Method::kPost, "/model-versions/set-tag", kWritesRegistry, set_tag);
  routes.write(Method::kDelete, "/model-versions/delete-tag", kWritesRegistry, delete_tag);
}

}  // namespace slipway::mlflow
