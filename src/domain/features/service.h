#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "domain/features/lookup.h"
#include "domain/features/online.h"

// The online features of one state folder: the store, and for each name the version of the view
// that was materialized last. What the owner of the state folder has. Any thread.
namespace slipway::features {

class Service {
 public:
  /// `folder` holds `online/` (the store) and `views/NAME.yaml` (the current version of each view).
  /// Nothing is opened or made before it is needed. `metrics` outlives the service.
  Service(std::filesystem::path folder, Metrics& metrics, OnlineOptions options = {});

  /// The current version of a view; it stays usable as long as the service lives, whatever becomes
  /// current meanwhile. kMissing when none of that name was ever materialized; else errors as
  /// OnlineStore::open. The first call reads the store; later ones take a shared lock.
  Result<std::shared_ptr<const Lookup>> find(std::string_view name);
  Result<std::vector<std::shared_ptr<const Lookup>>> all();

  /// Reads the view's file and its source below `root`, writes rows up to `until_us` into the store
  /// and then makes this version the current one, so a reader never meets a version that is empty.
  Result<Materialized> materialize(const std::filesystem::path& root, const std::string& view_file,
                                   std::int64_t until_us);

 private:
  Result<> ready(bool make);
  Result<> load();
  Result<std::shared_ptr<const Lookup>> open_lookup(const std::string& text,
                                                    const std::string& name);

  const std::filesystem::path folder_;
  Metrics& metrics_;
  const OnlineOptions options_;
  std::mutex opening_;
  std::atomic<bool> open_ = false;
  std::unique_ptr<OnlineStore> store_;  // set once, before open_
  mutable std::shared_mutex mutex_;     // guards current_
  std::map<std::string, std::shared_ptr<const Lookup>, std::less<>> current_;  // by name
};

}  // namespace slipway::features
