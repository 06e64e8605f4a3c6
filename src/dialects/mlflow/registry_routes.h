#pragma once

#include "dialects/mlflow/api.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/query.h"
#include "domain/registry/registry.h"
#include "domain/tracking/tracking.h"

// What mount_registry puts together; one .cc file each.
namespace slipway::mlflow {

inline constexpr http::Permission kReadsRegistry = http::reads("registry");
inline constexpr http::Permission kWritesRegistry = http::writes("registry");
inline constexpr http::Permission kManagesRegistry = http::manages("registry");

void mount_registered_models(Api& api, registry::Registry& registry);
void mount_aliases(Api& api, registry::Registry& registry);
void mount_model_versions(Api& api, registry::Registry& registry,
                          registry::LoggedModels& logged_models, tracking::Tracking& tracking);

/// What a search call carries.
struct RegistrySearch {
  std::string filter;
  std::optional<std::int64_t> max_results;
  std::vector<std::string> order_by;
  std::string page_token;
};
WIRE(RegistrySearch, filter, max_results, order_by, page_token)

struct SearchBounds {
  std::int64_t results_default = 0, results_max = 0;
};
Result<RegistrySearch> read_search(const http::Request& request, const SearchBounds& bounds);

/// Errors in MLflow's words. Prompts are hidden unless the filter asks for them.
Result<registry::Query> to_model_query(const RegistrySearch& search, const SearchBounds& bounds);
Result<registry::Query> to_version_query(const RegistrySearch& search, const SearchBounds& bounds);
/// The token of the page after `query`'s, or nothing.
std::optional<std::string> next_token(const registry::Query& query, bool more);

}  // namespace slipway::mlflow
