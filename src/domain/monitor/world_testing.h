#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "domain/monitor/monitors.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_log.h"
#include "io/db/db_testing.h"
#include "io/db/power_loss_testing.h"

namespace slipway::monitor {

/// A catalogue, a log of predictions and labels, and monitors on them; time is turned by hand.
class World {
 public:
  /// `yaml`: a slipway.yaml, with the documents that it names.
  World(const std::string& yaml, std::map<std::string, std::string> documents = {});

  static std::vector<db::Migration> migrations();
  /// Another slipway.yaml.
  void apply(const std::string& yaml, std::map<std::string, std::string> documents = {});
  /// Another pool on the same database, and monitors that remember nothing.
  void restart();

  /// One request with one row, answered at `at`.
  serving::PredictionId answer(UnixMs at, const std::string& version, std::vector<float> cells,
                               float output, serving::Role role = serving::Role::kLive);
  /// The same, about the time `about`.
  serving::PredictionId forecast(UnixMs at, UnixMs about, const std::string& version,
                                 std::vector<float> cells, float output,
                                 serving::Role role = serving::Role::kLive);
  void label(const serving::PredictionId& id, double value, UnixMs at);
  void label(std::vector<std::pair<serving::PredictionId, double>> values, UnixMs at);
  /// Everything that is due at `now`. How many turns did something; -1 when one failed.
  int turn_all(UnixMs now);
  Result<bool> turn(UnixMs now) { return monitors_->turn(now); }

  /// The types of the events with this beginning, and "TYPE SUBJECT" of them.
  std::vector<std::string> events(const std::string& beginning);
  std::vector<graph::LoggedEvent> logged(const std::string& beginning);
  std::vector<WindowRow> windows(const std::string& monitor);
  /// The statuses of a version's windows, oldest first, by their first letters.
  std::string statuses(const std::string& monitor, const std::string& version = "");
  std::vector<Incident> incidents();

  db::Pool& pool() { return *pool_; }
  Result<> flush_log() { return log_->flush(); }
  /// Of the prediction log and the labels.
  void fill_log_disk(bool is_full) { log_disk_.is_full = is_full; }
  std::uint64_t lost_answers() const { return log_->lost(); }
  /// Under the catalogue; heal it before the next look.
  db::PowerLossDisk& disk() { return disk_; }

  std::vector<std::string> columns = {"a", "b"};
  std::optional<Live> live = Live{"m", "1", 0};
  Training training;
  int trainings_asked = 0;

 private:
  Surroundings surroundings();

  /// Nothing here waits for the real disk.
  struct LogDisk final : blob::Disk {
    Result<> write(int file, std::string_view data) override;
    Result<> sync(int) override { return {}; }
    bool is_full = false;
  };

  db::TemporaryFolder folder_;
  db::PowerLossDisk disk_;
  Metrics metrics_;
  LogDisk log_disk_;
  std::unique_ptr<serving::PredictionLog> log_;
  std::unique_ptr<serving::LabelLog> labels_;
  std::map<std::string, std::shared_ptr<const serving::Layout>> layouts_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<Monitors> monitors_;
};

}  // namespace slipway::monitor
