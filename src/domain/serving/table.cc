#include "domain/serving/table.h"

#include <algorithm>

#include "base/text.h"

namespace slipway::serving {
namespace {

std::int64_t number_of(const std::string& version) {
  return to_int64(version).value_or(0);
}

const VersionEntry* find_version(const ModelEntry& model, std::string_view version) {
  for (const VersionEntry& entry : model.versions) {
    if (entry.version == version) return &entry;
  }
  return nullptr;
}

}  // namespace

const VersionEntry* ModelEntry::find(std::string_view wanted) const {
  if (wanted.empty()) return find_version(*this, meant);
  if (wanted.front() != '@') return find_version(*this, wanted);
  const auto alias = aliases.find(std::string(wanted.substr(1)));
  return alias == aliases.end() ? nullptr : find_version(*this, alias->second);
}

std::string meant_version(const KnownModel& model) {
  const KnownVersion* latest = nullptr;
  const KnownVersion* production = nullptr;
  const auto champion = model.aliases.find("champion");
  for (const KnownVersion& version : model.versions) {
    if (champion != model.aliases.end() && champion->second == version.version)
      return version.version;
    if (!latest || number_of(version.version) > number_of(latest->version)) latest = &version;
    if (version.production &&
        (!production || number_of(version.version) > number_of(production->version))) {
      production = &version;
    }
  }
  if (production) return production->version;
  return latest ? latest->version : "";
}

std::shared_ptr<const Table> updated(const Table& before, const std::vector<KnownModel>& known) {
  auto table = std::make_shared<Table>();
  for (const KnownModel& model : known) {
    auto entry = std::make_shared<ModelEntry>();
    entry->name = model.name;
    entry->aliases = model.aliases;
    entry->meant = meant_version(model);
    const auto old = before.models.find(model.name);
    for (const KnownVersion& version : model.versions) {
      const VersionEntry* kept =
          old == before.models.end() ? nullptr : find_version(*old->second, version.version);
      if (kept && kept->source == version.source) {
        entry->versions.push_back(*kept);
      } else {
        VersionEntry& fresh = entry->versions.emplace_back();
        fresh.version = version.version;
        fresh.source = version.source;
      }
    }
    std::sort(entry->versions.begin(), entry->versions.end(), [](const auto& a, const auto& b) {
      return number_of(a.version) < number_of(b.version);
    });
    table->models[model.name] = std::move(entry);
  }
  return table;
}

std::shared_ptr<const Table> with_entries(const Table& before, const std::vector<Place>& changed) {
  auto table = std::make_shared<Table>(before);
  std::map<std::string, std::shared_ptr<ModelEntry>> copies;
  for (const Place& place : changed) {
    const auto found = table->models.find(place.model);
    if (found == table->models.end()) continue;
    auto& copy = copies[place.model];
    if (!copy) found->second = copy = std::make_shared<ModelEntry>(*found->second);
    for (VersionEntry& version : copy->versions) {
      const bool same =
          version.version == place.entry.version && version.source == place.entry.source;
      if (same) version = place.entry;
    }
  }
  return table;
}

std::vector<Place> eviction_order(const Table& table) {
  std::vector<Place> order;
  for (const auto& [name, model] : table.models) {
    for (const VersionEntry& version : model->versions) {
      if (version.loaded && version.version != model->meant) order.push_back({name, version});
    }
  }
  std::sort(order.begin(), order.end(), [](const Place& a, const Place& b) {
    return a.entry.loaded->last_used_ms < b.entry.loaded->last_used_ms;
  });
  return order;
}

std::vector<Place> waiting(const Table& table, std::size_t places_max) {
  std::vector<Place> places;
  for (const auto& [name, model] : table.models) {
    for (const VersionEntry& version : model->versions) {
      if (places.size() == places_max) return places;
      if (version.state == State::kWaiting) places.push_back({name, version});
    }
  }
  return places;
}

Candidates candidates(const Table& table) {
  Candidates found;
  for (const auto& [name, model] : table.models) {
    const VersionEntry* meant = model->find("");
    if (!meant || meant->state == State::kNotServable || meant->state == State::kBroken) continue;
    found.names.push_back(name);
    found.untried = found.untried || meant->state == State::kWaiting;
  }
  return found;
}

std::uint64_t bytes_of(const Table& table) {
  std::uint64_t bytes = 0;
  for (const auto& [name, model] : table.models) {
    for (const VersionEntry& version : model->versions)
      bytes += version.loaded ? version.loaded->bytes : 0;
  }
  return bytes;
}

}  // namespace slipway::serving
