#include "domain/monitor/world_testing.h"

#include <algorithm>
#include <cerrno>

#include "domain/checks/facts.h"

namespace slipway::monitor {
namespace {

[[noreturn]] void give_up(const Error& error) {
  throw std::runtime_error(error.message);
}

template <class T>
T value_of(Result<T> result) {
  if (!result.ok()) give_up(result.error());
  return std::move(result).value();
}

void check(const Result<>& result) {
  if (!result.ok()) give_up(result.error());
}

}  // namespace

std::vector<db::Migration> World::migrations() {
  return db::joined(
      {graph::migrations(), project::migrations(), checks::migrations(), monitor::migrations()});
}

World::World(const std::string& yaml, std::map<std::string, std::string> documents) {
  serving::PredictionLogOptions options;
  options.root = folder_.path() / "predictions";
  log_ = std::make_unique<serving::PredictionLog>(log_disk_, metrics_, options);
  labels_ = std::make_unique<serving::LabelLog>(log_disk_, folder_.path() / "labels");
  restart();
  apply(yaml, std::move(documents));
}

void World::apply(const std::string& yaml, std::map<std::string, std::string> documents) {
  const project::Declared declared = value_of(project::declare(yaml, std::move(documents)));
  value_of(pool_->write([&](db::Tx& tx) { return project::apply(tx, declared, "ann", 1); }));
}

void World::restart() {
  monitors_.reset();
  pool_.reset();
  db::PoolOptions options;
  options.sqlite_vfs = disk_.vfs_name();
  pool_ = value_of(db::Pool::open("sqlite://" + (folder_.path() / "catalog.db").string(),
                                  migrations(), metrics_, options));
  monitors_ = std::make_unique<Monitors>(*pool_, folder_.path() / "predictions",
                                         folder_.path() / "labels", surroundings());
}

Result<> World::LogDisk::write(int file, std::string_view data) {
  if (is_full) return system_error("cannot write a test's log", ENOSPC);
  return blob::Disk::write(file, data);
}

Surroundings World::surroundings() {
  Surroundings s;
  s.flush = [this] { return log_->flush(); };
  s.live = [this](db::Tx&, const std::string&) { return Result<std::optional<Live>>(live); };
  s.training = [this](const project::Declared&, const std::string&, const std::string&,
                      const std::string&, const std::vector<std::string>&) {
    ++trainings_asked;
    return Result<Training>(training);
  };
  return s;
}

serving::PredictionId World::answer(UnixMs at, const std::string& version, std::vector<float> cells,
                                    float output, serving::Role role) {
  return forecast(at, at, version, std::move(cells), output, role);
}

serving::PredictionId World::forecast(UnixMs at, UnixMs about, const std::string& version,
                                      std::vector<float> cells, float output, serving::Role role) {
  auto& layout = layouts_[version];
  if (!layout) {
    serving::Layout made;
    made.model = "m";
    made.version = version;
    for (const std::string& column : columns) made.columns.push_back({column, {}, false});
    made.outputs = {"y"};
    layout = std::make_shared<serving::Layout>(std::move(made));
  }
  serving::Prediction p;
  p.id = serving::make_prediction_id("bikes", at);
  p.event_time_ms = about;
  p.role = role;
  p.latency_us = 100;
  p.rows = 1;
  p.cells = std::move(cells);
  p.outputs = {output};
  const serving::PredictionId id = p.id;
  log_->stream("bikes")->log(std::move(p), layout);
  return id;
}

void World::label(const serving::PredictionId& id, double value, UnixMs at) {
  label({{id, value}}, at);
}

void World::label(std::vector<std::pair<serving::PredictionId, double>> values, UnixMs at) {
  std::vector<serving::Label> labels;
  for (auto& [id, value] : values) labels.push_back({std::move(id), value, at, at, "test"});
  check(labels_->add(labels));
}

int World::turn_all(UnixMs now) {
  int turns = 0;
  for (;;) {
    const Result<bool> did = monitors_->turn(now);
    if (!did.ok()) return -1;
    if (!*did) return turns;
    if (++turns > 10'000) throw std::runtime_error("it never comes to rest");
  }
}

std::vector<graph::LoggedEvent> World::logged(const std::string& beginning) {
  std::vector<graph::LoggedEvent> all;
  std::int64_t seq = 0;
  for (;;) {
    auto some =
        value_of(pool_->read([&](db::Tx& tx) { return graph::events_after(tx, seq, 1000); }));
    if (some.empty()) return all;
    seq = some.back().seq;
    for (auto& event : some)
      if (event.event.type.starts_with(beginning)) all.push_back(std::move(event));
  }
}

std::vector<std::string> World::events(const std::string& beginning) {
  std::vector<std::string> all;
  for (const graph::LoggedEvent& event : logged(beginning)) all.push_back(event.event.type);
  return all;
}

std::vector<WindowRow> World::windows(const std::string& monitor) {
  WindowQuery query;
  query.monitor = monitor;
  query.limit = 10'000;
  auto all = value_of(pool_->read([&](db::Tx& tx) { return monitor::windows(tx, query); }));
  std::reverse(all.begin(), all.end());
  return all;
}

std::string World::statuses(const std::string& monitor, const std::string& version) {
  std::string letters;
  for (const WindowRow& row : windows(monitor))
    if (version.empty() || row.version == version) letters += row.status.substr(0, 1);
  return letters;
}

std::vector<Incident> World::incidents() {
  auto all =
      value_of(pool_->read([&](db::Tx& tx) { return monitor::incidents(tx, "", false, 1000); }));
  std::reverse(all.begin(), all.end());
  return all;
}

}  // namespace slipway::monitor
