#include "domain/features/service.h"

#include "base/file.h"

namespace slipway::features {
namespace {

namespace fs = std::filesystem;

constexpr char kViews[] = "views";
constexpr char kStore[] = "online";

}  // namespace

Service::Service(fs::path folder, Metrics& metrics, OnlineOptions options)
    : folder_(std::move(folder)), metrics_(metrics), options_(options) {}

Result<> Service::ready(bool make) {
  if (open_.load(std::memory_order_acquire)) return {};
  std::lock_guard lock(opening_);
  if (open_.load()) return {};
  std::error_code error;
  if (!make && !fs::exists(folder_ / kViews, error)) return {};
  fs::create_directories(folder_ / kViews, error);
  if (error) return unavailable("cannot make " + folder_.string() + ": " + error.message());
  store_ = TRY(OnlineStore::open(folder_ / kStore, metrics_, options_));
  Result<> loaded = load();
  if (!loaded.ok()) {
    current_.clear();
    store_.reset();
    return loaded;
  }
  open_.store(true, std::memory_order_release);
  return {};
}

Result<std::shared_ptr<const Lookup>> Service::open_lookup(const std::string& text,
                                                           const std::string& name) {
  const Plan plan = TRY(Plan::make(TRY(parse_view(text, name))));
  return std::shared_ptr<const Lookup>(TRY(Lookup::open(*store_, plan)));
}

Result<> Service::load() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / kViews, error)) {
    if (entry.path().extension() != ".yaml") continue;  // what a kill left of a rename
    const std::string text = TRY(read_file(entry.path(), kViewBytesMax));
    std::shared_ptr<const Lookup> lookup = TRY(open_lookup(text, entry.path().string()));
    current_[lookup->plan().view().name] = std::move(lookup);
  }
  if (error) return unavailable("cannot read " + folder_.string() + ": " + error.message());
  return {};
}

Result<std::shared_ptr<const Lookup>> Service::find(std::string_view name) {
  TRY(ready(false));
  std::shared_lock lock(mutex_);
  const auto found = current_.find(name);
  if (found != current_.end()) return found->second;
  return missing("no feature view '" + std::string(name) +
                 "' was materialized: run `slipway features materialize --view " +
                 std::string(name) + "`");
}

Result<std::vector<std::shared_ptr<const Lookup>>> Service::all() {
  TRY(ready(false));
  std::shared_lock lock(mutex_);
  std::vector<std::shared_ptr<const Lookup>> all;
  for (const auto& [name, lookup] : current_) all.push_back(lookup);
  return all;
}

Result<Materialized> Service::materialize(const fs::path& root, const std::string& view_file,
                                          std::int64_t until_us) {
  Result<std::string> text = read_file(root / view_file, kViewBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) {
    return missing("there is no feature view " + view_file + " in " + root.string());
  }
  if (!text.ok()) return text.error();
  TRY(parse_view(*text, view_file));
  TRY(ready(true));
  std::shared_ptr<const Lookup> lookup = TRY(open_lookup(*text, view_file));
  const Table source = TRY(read_source(root, lookup->plan()));
  Materialized report = TRY(features::materialize(*store_, lookup->plan(), source, until_us));
  const std::string name = lookup->plan().view().name;
  TRY(write_file_atomic(folder_ / kViews / (name + ".yaml"), *text));
  std::unique_lock lock(mutex_);
  current_[name] = std::move(lookup);
  return report;
}

}  // namespace slipway::features
