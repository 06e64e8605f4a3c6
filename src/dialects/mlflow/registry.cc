#include "dialects/mlflow/registry.h"

#include "dialects/mlflow/registry_routes.h"

namespace slipway::mlflow {

void mount_registry(http::Router& router, registry::Registry& registry,
                    registry::LoggedModels& logged_models, tracking::Tracking& tracking) {
  Api api(router, "2.0");
  mount_registered_models(api, registry);
  mount_aliases(api, registry);
  mount_model_versions(api, registry, logged_models, tracking);
}

}  // namespace slipway::mlflow
