#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "dialects/mlflow_store/import.h"
#include "dialects/mlflow_store/places.h"

namespace slipway::mlflow_store {

struct CopyWorld {
  Store& store;
  db::Pool& pool;
  blob::Blobs& blobs;
  std::int64_t import;
  UnixMs began_ms;  // of its first call
  PlaceOptions places;
};

/// Copies the files of the runs, logged models and versions that the import has brought, where they
/// lie on this machine, and says their new places once all files of one are there. What lies
/// elsewhere keeps its place. Of one that was copied before, what came to its folder since is.
Result<> copy_files(const CopyWorld& world, const std::vector<std::int64_t>& experiments,
                    Counts& made, const Tell& tell, const std::function<void(std::string)>& note,
                    const std::function<void()>& show);

}  // namespace slipway::mlflow_store
