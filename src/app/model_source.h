#pragma once

#include "domain/registry/registry.h"
#include "domain/serving/serving.h"
#include "io/blob/blobs.h"

namespace slipway::app {

/// Serving's view of the registry: what versions there are, and their files in the artifact store.
class RegistrySource final : public serving::ModelSource {
 public:
  RegistrySource(registry::Registry& registry, blob::Blobs& blobs)
      : registry_(registry), blobs_(blobs) {}

  Result<std::vector<serving::KnownModel>> models() override;
  Result<std::string> file(const std::string& model, const std::string& version,
                           const std::string& path, std::uint64_t bytes_max) override;

 private:
  registry::Registry& registry_;
  blob::Blobs& blobs_;
};

}  // namespace slipway::app
