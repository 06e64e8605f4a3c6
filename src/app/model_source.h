#pragma once

#include "domain/registry/registry.h"
#include "domain/serving/serving.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"

namespace slipway::app {

/// Serving's view of the registry: what versions there are, and their files in the artifact store.
/// A file that is not what was recorded of its version when its rollout was asked for (whose gates
/// saw another one) is not given out: kInvalid, tag "changed".
class RegistrySource final : public serving::ModelSource {
 public:
  /// All must outlive it.
  RegistrySource(db::Pool& pool, registry::Registry& registry, blob::Blobs& blobs)
      : pool_(pool), registry_(registry), blobs_(blobs) {}

  Result<std::vector<serving::KnownModel>> models() override;
  Result<std::string> file(const std::string& model, const std::string& version,
                           const std::string& path, std::uint64_t bytes_max) override;

 private:
  db::Pool& pool_;
  registry::Registry& registry_;
  blob::Blobs& blobs_;
};

}  // namespace slipway::app
