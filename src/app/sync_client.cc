#include "app/sync_client.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>

#include "app/sync_server.h"
#include "app/sync_words.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow_store/files.h"
#include "dialects/mlflow_store/places.h"
#include "dialects/mlflow_store/words.h"
#include "domain/tracking/series.h"
#include "io/blob/blobs.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using imports::Trail;
using mlflow_store::Folder;
using mlflow_store::Store;
using mlflow_store::Trouble;
using tracking::AdoptedRun;
using tracking::Metric;
using wire::Json;

constexpr std::size_t kThingsAtOnce = 200;       // read from the store together
constexpr std::size_t kPointsAtOnce = 20'000;    // sent together
constexpr std::size_t kFileInMemoryMax = 1 << 20;
/// As the import does: more points than these outside of chunks of their own are put in order.
constexpr std::int64_t kPointsUnsettledMax = 16'000;
constexpr std::int64_t kHistoryPage = 25'000;
constexpr int kOk = 200;
constexpr char kOriginTag[] = "slipway.sync";
constexpr char kPromptTag[] = "mlflow.prompt.is_prompt";
constexpr char kPaused[] = "paused";

// --- how far a series is -------------------------------------------------------------------------

/// The digest of points in the order of their store: FNV-1a, 64 bits, over time, step and value.
class TrailDigest {
 public:
  void add(const tracking::Point& point) {
    add_number(static_cast<std::uint64_t>(point.timestamp_ms));
    add_number(static_cast<std::uint64_t>(point.step));
    std::uint64_t bits = 0;
    static_assert(sizeof bits == sizeof point.value);
    std::memcpy(&bits, &point.value, sizeof bits);
    add_number(bits);
    add_number(point.nan ? 1 : 0);
    ++points_;
  }
  Trail trail() const {
    if (points_ == 0) return {};
    std::string hex;
    for (int shift = 60; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(state_ >> shift) & 15];
    return {points_, hex};
  }
  std::int64_t points() const { return points_; }

 private:
  void add_number(std::uint64_t number) {
    constexpr std::uint64_t kPrime = 0x100000001b3;
    for (int i = 0; i < 8; ++i) {
      state_ = (state_ ^ ((number >> (8 * i)) & 0xff)) * kPrime;
    }
  }
  std::uint64_t state_ = 0xcbf29ce484222325;
  std::int64_t points_ = 0;
};

void add_to(SyncSeries& series, const Metric& point) {
  series.values.push_back(point.value);
  series.times.push_back(point.timestamp_ms);
  series.steps.push_back(point.step);
}

// --- files ---------------------------------------------------------------------------------------

class FileBody : public http::BodyReader {
 public:
  explicit FileBody(const Fd& file) : file_(file) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    while (true) {
      const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return system_error("cannot read a file", errno);
    }
  }

 private:
  const Fd& file_;
};

struct Digested {
  std::string sha256;
  std::uint64_t bytes = 0;
};

Result<Digested> digest_of(const Fd& file) {
  if (lseek(file.get(), 0, SEEK_SET) < 0) return system_error("cannot read a file", errno);
  FileBody body(file);
  Hasher hasher(Hasher::Kind::kSha256);
  std::vector<char> buffer(1u << 18);
  Digested digested;
  while (const std::size_t got = TRY(body.read(buffer))) {
    hasher.update({buffer.data(), got});
    digested.bytes += got;
  }
  digested.sha256 = hasher.finish_hex();
  return digested;
}

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

// --- the sync ------------------------------------------------------------------------------------

/// Where a run, or a group of them, is in being read.
struct Reading {
  std::size_t run = 0;
  mlflow_store::PointPlace place;
  TrailDigest digest;
  bool diverged = false;
};

struct RunWork {
  AdoptedRun there;
  SyncAnswer answer;
  std::map<std::string, Trail> trails;
  std::set<std::string> seen;      // keys
  std::set<std::string> diverged;  // the server has other points than those that come first here
  std::int64_t unsettled = 0;
  bool failed = false;  // some of its points were refused: what follows them would be too
};

class Syncer {
 public:
  Syncer(const SyncRequest& request, const std::function<void(const SyncProgress&)>& show)
      : request_(request), server_(request.url, request.token), show_(show) {}

  Result<SyncReport> run() {
    const auto began = std::chrono::steady_clock::now();
    report_.server = server_.url();
    TRY(server_.look());
    TRY(list());
    for (const Part& part : parts_) TRY(bring(part));
    for (const std::string& name : model_names_) TRY(bring_versions(name));
    if (homeless_ > 0)
      report_.notes.push_back(std::to_string(homeless_) +
                              " runs or logged models have no folder of files on this machine");
    report_.took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began);
    return std::move(report_);
  }

 private:
  struct Moved {
    std::string location, logged_model_id;  // of a run's files: no model
  };
  struct Part {
    tracking::Experiment experiment;
    std::vector<std::string> runs, logged_models;
  };

  // The store is open, and locked, only while `use` runs: it asks nobody.
  Result<> look_into(const std::function<Result<>(Store&)>& use) {
    return mlflow_store::with_store(request_.source, request_.here, use);
  }

  void tell(Trouble trouble) {
    if (report_.troubles.size() < SyncReport::kTroublesMax) {
      report_.troubles.push_back(std::move(trouble));
    } else {
      ++report_.troubles_more;
    }
  }
  mlflow_store::Tell teller() {
    return [this](Trouble trouble) { tell(std::move(trouble)); };
  }
  /// An error about one thing, which the others do not mind.
  Result<> told(const char* kind, const std::string& id, const Error& error) {
    if (ends_all(error)) return error;
    tell({kind, id, error.message});
    return {};
  }
  void show() { show_({report_, runs_done_, runs_in_all_}); }

  Result<> list() {
    return look_into([&](Store& store) -> Result<> {
      report_.source = store.name();
      origin_ = host_name() + ":" + store.name();
      for (tracking::Experiment& experiment : TRY(store.experiments(teller()))) {
        if (experiment.deleted) {
          ++deleted_experiments_;
          continue;
        }
        Part part{std::move(experiment), {}, {}};
        part.runs = TRY(store.run_ids(part.experiment.id));
        part.logged_models = TRY(store.logged_model_ids(part.experiment.id));
        runs_in_all_ += static_cast<std::int64_t>(part.runs.size());
        parts_.push_back(std::move(part));
      }
      model_names_ = TRY(store.model_names(teller()));
      report_.left = TRY(store.left_behind());
      if (deleted_experiments_ > 0)
        report_.left.push_back({"deleted experiments", deleted_experiments_});
      return {};
    });
  }

  static std::string host_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
  }

  // --- experiments ---

  Result<> bring(const Part& part) {
    if (part.runs.empty() && part.logged_models.empty()) return {};
    const Result<std::string> id = experiment_for(part.experiment);
    if (!id.ok()) return told("experiment", part.experiment.name, id.error());
    for (std::size_t at = 0; at < part.logged_models.size(); at += kThingsAtOnce)
      TRY(bring_logged_models(part, *id, at));
    for (std::size_t at = 0; at < part.runs.size(); at += kThingsAtOnce)
      TRY(bring_runs(part, *id, at));
    return {};
  }

  /// The id there of the one with that name, which is made where there is none.
  Result<std::string> experiment_for(const tracking::Experiment& experiment) {
    const std::string path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=" +
                             http::percent_encode(experiment.name);
    Result<Json> found = server_.get(path);
    if (found.ok()) {
      if (text_in(*found, {"experiment", "lifecycle_stage"}) == "active")
        return text_in(*found, {"experiment", "experiment_id"});
      return conflict("the experiment of this name is deleted on the server; its runs were not "
                      "sent: restore it there");
    }
    if (found.error().code != Code::kMissing) return found.error();
    Json make;
    make.set("name", experiment.name);
    Json::Array tags;
    for (const tracking::Tag& tag : experiment.tags) tags.push_back(pair_of(tag.key, tag.value));
    make.set("tags", std::move(tags));
    const Result<Json> made = server_.post("/api/2.0/mlflow/experiments/create", wire::dump(make));
    if (made.ok()) {
      report_.experiments += 1;
      return text_in(*made, {"experiment_id"});
    }
    // Somebody else may just have made it.
    found = server_.get(path);
    if (!found.ok()) return made.error();
    return text_in(*found, {"experiment", "experiment_id"});
  }

  static Json pair_of(const std::string& key, const std::string& value) {
    Json pair;
    pair.set("key", key);
    pair.set("value", value);
    return pair;
  }

  // --- logged models ---

  Result<> bring_logged_models(const Part& part, const std::string& experiment, std::size_t at) {
    std::vector<registry::LoggedModel> models;
    const std::size_t end = std::min(part.logged_models.size(), at + kThingsAtOnce);
    TRY(look_into([&](Store& store) -> Result<> {
      for (std::size_t i = at; i < end; ++i) {
        auto model = TRY(store.logged_model(part.experiment.id, part.logged_models[i], teller()));
        if (model && model->deleted) ++report_.deleted;
        if (model && !model->deleted) models.push_back(std::move(*model));
      }
      return {};
    }));
    for (const registry::LoggedModel& model : models) TRY(bring(model, experiment));
    return {};
  }

  Result<> bring(const registry::LoggedModel& model, const std::string& experiment) {
    SyncLoggedModel sent;
    sent.origin = origin_;
    sent.model_id = model.id;
    sent.experiment_id = experiment;
    sent.name = model.name;
    sent.type = model.type;
    sent.status = registry::to_string(model.status);
    sent.run_id = model.run_id;
    sent.created_ms = model.created_ms;
    sent.updated_ms = model.updated_ms;
    // Which versions it is here says nothing of the server, which counts its own and says so there.
    for (const registry::Tag& tag : model.tags)
      if (tag.key != mlflow::kModelVersionsTag) sent.tags.push_back({tag.key, tag.value});
    for (const registry::Tag& param : model.params) sent.params.push_back({param.key, param.value});
    for (const registry::ModelMetric& one : model.metrics) {
      sent.metrics.push_back({one.run_id, one.key, one.value, one.timestamp_ms, one.step,
                              one.dataset_name, one.dataset_digest});
    }
    const Result<SyncAnswer> answer = server_.sync<SyncAnswer>("/logged-models", sent);
    if (!answer.ok()) return told("logged_model", model.id, answer.error());
    if (!take(*answer, "logged_model", model.id)) return {};
    failpoint("sync.client_model");
    sent_models_.insert(model.id);
    if (answer->what == kSyncMade) report_.logged_models += 1;
    return bring_files({"", model.id, {}}, model.location, answer->location);
  }

  /// Whether it is there, by a sync; what stays as it is there is told.
  bool take(const SyncAnswer& answer, const char* kind, const std::string& id) {
    for (const imports::Kept& kept : answer.kept) {
      tell({kind, id,
            kept.what + ": the server has '" + mlflow_store::shown(kept.here) +
                "', which stays; '" + mlflow_store::shown(kept.brought) + "' was not sent"});
    }
    if (answer.why.empty()) return true;
    tell({kind, id, answer.why});
    return false;
  }

  // --- runs ---

  Result<> bring_runs(const Part& part, const std::string& experiment, std::size_t at) {
    std::vector<RunWork> works;
    const std::size_t end = std::min(part.runs.size(), at + kThingsAtOnce);
    TRY(look_into([&](Store& store) -> Result<> {
      for (std::size_t i = at; i < end; ++i) {
        auto run = TRY(store.run(part.experiment.id, part.runs[i], teller()));
        if (run && run->run.info.deleted) ++report_.deleted;
        if (run && !run->run.info.deleted) {
          works.emplace_back();
          works.back().there = std::move(*run);
        }
      }
      return {};
    }));
    std::vector<RunWork> there;
    for (RunWork& work : works)
      if (TRY(bring_head(work, experiment))) there.push_back(std::move(work));
    TRY(bring_points(there, part.experiment.id));
    for (const RunWork& work : there) {
      const tracking::RunInfo& info = work.there.run.info;
      TRY(bring_files({info.id, "", {}}, info.artifact_uri, work.answer.location));
    }
    runs_done_ += static_cast<std::int64_t>(end - at);
    show();
    return {};
  }

  SyncRun to_sync(const AdoptedRun& from, const std::string& experiment) const {
    const tracking::Run& run = from.run;
    SyncRun sent;
    sent.origin = origin_;
    sent.run_id = run.info.id;
    sent.experiment_id = experiment;
    sent.name = run.info.name.empty() ? run.info.id : run.info.name;
    sent.user_id = run.info.user_id;
    sent.status = tracking::to_string(run.info.status);
    sent.start_ms = run.info.start_ms;
    sent.end_ms = run.info.end_ms;
    for (const tracking::Param& param : run.params) sent.params.push_back({param.key, param.value});
    for (const tracking::Tag& tag : run.tags) sent.tags.push_back({tag.key, tag.value});
    for (const tracking::DatasetInput& input : run.datasets) {
      const tracking::Dataset& set = input.dataset;
      SyncDataset data{set.name,   set.digest, set.source_type, set.source,
                       set.schema, set.profile, {}};
      for (const tracking::Tag& tag : input.tags) data.tags.push_back({tag.key, tag.value});
      sent.datasets.push_back(std::move(data));
    }
    const auto links = [&](const std::vector<tracking::ModelLink>& all) {
      std::vector<SyncLink> known;
      for (const tracking::ModelLink& link : all)
        if (sent_models_.contains(link.model_id)) known.push_back({link.model_id, link.step});
      return known;
    };
    sent.models_used = links(run.models_used);
    sent.models_made = links(run.models_made);
    return sent;
  }

  Result<bool> bring_head(RunWork& work, const std::string& experiment) {
    const std::string& id = work.there.run.info.id;
    SyncRun sent = to_sync(work.there, experiment);
    Result<SyncAnswer> answer = server_.sync<SyncAnswer>("/runs", sent);
    if (answer.ok() && answer->what == kSyncElsewhere) {
      // Its experiment was renamed, here or there, since it was sent first.
      Result<Json> run = server_.get("/api/2.0/mlflow/runs/get?run_id=" + id);
      if (run.ok()) {
        sent.experiment_id = text_in(*run, {"run", "info", "experiment_id"});
        answer = server_.sync<SyncAnswer>("/runs", sent);
      } else {
        answer = run.error();
      }
    }
    if (!answer.ok()) {
      TRY(told("run", id, answer.error()));
      return false;
    }
    failpoint("sync.client_run");
    if (!take(*answer, "run", id)) return false;
    if (answer->what == kSyncMade) report_.made += 1;
    if (answer->what == kSyncWentOn) report_.went_on += 1;
    if (answer->what == kSyncSame) report_.same += 1;
    for (SyncTrail& trail : answer->series)
      work.trails[trail.key] = {trail.points, trail.digest};
    work.answer = std::move(*answer);
    return true;
  }

  // --- points ---

  Result<> bring_points(std::vector<RunWork>& works, std::int64_t experiment) {
    Reading reading;
    while (reading.run < works.size()) {
      std::vector<SyncPoints> batches;
      TRY(look_into(
          [&](Store& store) { return gather(store, experiment, works, reading, batches); }));
      for (SyncPoints& batch : batches) TRY(send(batch, works));
      show();
    }
    for (const RunWork& work : works)
      for (const std::string& key : work.diverged)
        if (!work.failed) TRY(bring_difference(work, experiment, key));
    return {};
  }

  /// Reads on from `reading`, until enough is gathered to be sent.
  Result<> gather(Store& store, std::int64_t experiment, std::vector<RunWork>& works,
                  Reading& reading, std::vector<SyncPoints>& batches) {
    std::size_t gathered = 0;
    while (reading.run < works.size()) {
      RunWork& work = works[reading.run];
      const std::string& id = work.there.run.info.id;
      SyncPoints batch{id, {}, false};
      const Result<> read = store.points(
          experiment, id, reading.place,
          [&](const std::string& key, const Metric& point,
              mlflow_store::PointPlace next) -> Result<> {
            gathered += take(work, reading, batch, key, point) ? 1 : 0;
            reading.place = std::move(next);
            if (gathered < kPointsAtOnce) return {};
            return with_tag(unavailable("enough for now"), kPaused);
          },
          teller());
      const bool paused = !read.ok() && read.error().tag == kPaused;
      if (!read.ok() && !paused) return read.error();
      if (!batch.series.empty()) batches.push_back(std::move(batch));
      if (paused) return {};
      end_series(work, reading);
      for (const auto& [key, trail] : work.trails)
        if (trail.points > 0 && !work.seen.contains(key)) work.diverged.insert(key);
      reading = {reading.run + 1, {}, {}, false};
    }
    return {};
  }

  void end_series(RunWork& work, const Reading& reading) {
    auto known = work.trails.find(reading.place.key);
    if (known != work.trails.end() && reading.digest.points() < known->second.points &&
        work.seen.contains(reading.place.key))
      work.diverged.insert(reading.place.key);
  }

  /// Whether the point is to be sent.
  bool take(RunWork& work, Reading& reading, SyncPoints& batch, const std::string& key,
            const Metric& point) {
    if (key != reading.place.key) {
      end_series(work, reading);
      reading.digest = {};
      reading.diverged = false;
    }
    work.seen.insert(key);
    const bool begins = batch.series.empty() || batch.series.back().key != key;
    const Trail before = begins ? reading.digest.trail() : Trail{};
    reading.digest.add(tracking::to_point(point.value, point.timestamp_ms, point.step));
    auto found = work.trails.find(key);
    const Trail known = found == work.trails.end() ? Trail{} : found->second;
    if (reading.digest.points() <= known.points) {
      const bool end = reading.digest.points() == known.points;
      if (end && reading.digest.trail() != known) reading.diverged = true;
      if (reading.diverged) work.diverged.insert(key);
      return false;
    }
    if (reading.diverged) return false;
    if (begins) {
      SyncSeries series;
      series.key = key;
      series.was_points = before.points;
      series.was_digest = before.digest;
      batch.series.push_back(std::move(series));
    }
    add_to(batch.series.back(), point);
    set_now(batch.series.back(), reading.digest.trail());
    return true;
  }

  static void set_now(SyncSeries& series, const Trail& now) {
    series.now_points = now.points;
    series.now_digest = now.digest;
  }

  Result<> send(SyncPoints& batch, std::vector<RunWork>& works) {
    auto work = std::find_if(works.begin(), works.end(), [&](const RunWork& one) {
      return one.there.run.info.id == batch.run_id;
    });
    if (work->failed) return {};
    for (const SyncSeries& series : batch.series)
      work->unsettled += series.values.size() < tracking::kOwnChunkPoints
                             ? static_cast<std::int64_t>(series.values.size())
                             : 0;
    batch.settle = work->unsettled > kPointsUnsettledMax;
    if (batch.settle) work->unsettled = 0;
    const Result<SyncPointsAnswer> answer = server_.sync<SyncPointsAnswer>("/points", batch);
    work->failed = !answer.ok();
    if (!answer.ok()) return told("run", batch.run_id, answer.error());
    failpoint("sync.client_points");
    report_.points += answer->points;
    return {};
  }

  /// The store's points of a series do not begin with those that were sent: what the server lacks
  /// is found one by one.
  Result<> bring_difference(const RunWork& work, std::int64_t experiment, const std::string& key) {
    const std::string& id = work.there.run.info.id;
    Result<std::vector<tracking::Point>> known = history(id, key);
    if (!known.ok()) return told("run", id, known.error());
    std::sort(known->begin(), known->end(), tracking::comes_before);
    SyncSeries more;
    more.key = key;
    TrailDigest digest;
    TRY(look_into([&](Store& store) -> Result<> {
      const Result<> read = store.points(
          experiment, id, {key, 0},
          [&](const std::string& of, const Metric& metric, mlflow_store::PointPlace) -> Result<> {
            if (of != key) return with_tag(unavailable("the series is over"), kPaused);
            const auto point = tracking::to_point(metric.value, metric.timestamp_ms, metric.step);
            digest.add(point);
            if (!std::binary_search(known->begin(), known->end(), point, tracking::comes_before))
              add_to(more, metric);
            return {};
          },
          teller());
      if (!read.ok() && read.error().tag != kPaused) return read.error();
      return {};
    }));
    const std::size_t count = more.values.size();
    if (count == 0 && digest.points() < work.trails.at(key).points) {
      report_.notes.push_back("series '" + key + "' of run " + id + " has fewer points than were "
                              "sent before; those on the server stay");
      return {};
    }
    report_.notes.push_back("series '" + key + "' of run " + id +
                            " was changed where it begins; " + std::to_string(count) +
                            " points that the server lacked were sent");
    return send_difference(id, more, work.trails.at(key), digest.trail());
  }

  Result<> send_difference(const std::string& id, const SyncSeries& more, const Trail& was,
                           const Trail& now) {
    for (std::size_t at = 0; at == 0 || at < more.values.size(); at += kPointsAtOnce) {
      const std::size_t end = std::min(more.values.size(), at + kPointsAtOnce);
      SyncSeries part;
      part.key = more.key;
      part.was_points = was.points;
      part.was_digest = was.digest;
      // Killed before the last, the next sync finds again what is missing.
      set_now(part, end == more.values.size() ? now : was);
      for (std::size_t i = at; i < end; ++i)
        add_to(part, {more.key, more.values[i], more.times[i], more.steps[i]});
      const auto answer = server_.sync<SyncPointsAnswer>("/points", SyncPoints{id, {part}, false});
      if (!answer.ok()) return told("run", id, answer.error());
      report_.points += answer->points;
    }
    return {};
  }

  Result<std::vector<tracking::Point>> history(const std::string& run, const std::string& key) {
    std::vector<tracking::Point> points;
    std::string token;
    do {
      std::string path = "/api/2.0/mlflow/metrics/get-history?run_id=" + run + "&metric_key=" +
                         http::percent_encode(key) +
                         "&max_results=" + std::to_string(kHistoryPage);
      if (!token.empty()) path += "&page_token=" + http::percent_encode(token);
      const Json page = TRY(server_.get(path));
      if (const Json* metrics = page.find("metrics"); metrics != nullptr && metrics->is_array())
        for (const Json& metric : metrics->as_array()) points.push_back(TRY(point_of(metric)));
      token = text_in(page, {"next_page_token"});
    } while (!token.empty());
    return points;
  }

  static Result<tracking::Point> point_of(const Json& metric) {
    const SyncModelMetric plain = TRY(wire::decode<SyncModelMetric>(wire::dump(metric)));
    const Json* time = metric.find("timestamp");
    if (time == nullptr || !time->is_integer()) return invalid("a point of the server has no time");
    return tracking::to_point(plain.value, time->as_int64(), plain.step);
  }

  // --- files ---

  struct LocalFile {
    std::string path;
    Digested digested;
  };

  /// The folder on this machine: where the store says, or in the same place beside the store, where
  /// both were moved together.
  std::optional<fs::path> folder_of(const std::string& location) const {
    const auto said = mlflow_store::local_folder(location, {request_.here, {}});
    std::error_code ignored;
    if (!said || fs::is_directory(*said, ignored)) return said;
    std::string source = report_.source;
    if (source.find("://") != std::string::npos && !source.starts_with("sqlite://")) return said;
    if (source.starts_with("sqlite://")) source = source.substr(std::string("sqlite://").size());
    const fs::path beside =
        fs::is_directory(source, ignored) ? fs::path(source) : fs::path(source).parent_path();
    std::vector<fs::path> parts(said->begin(), said->end());
    constexpr std::size_t kPartsMin = 2;  // a run's id and "artifacts"
    for (std::size_t from = 1; from + kPartsMin <= parts.size(); ++from) {
      fs::path tail = beside;
      for (std::size_t i = from; i < parts.size(); ++i) tail /= parts[i];
      if (fs::is_directory(tail, ignored)) return tail;
    }
    return said;
  }

  Result<> bring_files(SyncFiles files, const std::string& there, const std::string& here) {
    const std::string& owner = files.run_id.empty() ? files.model_id : files.run_id;
    const char* kind = files.run_id.empty() ? "logged_model" : "run";
    moved_[mlflow_store::normal_place(there)] = {here, files.model_id};
    const std::optional<fs::path> path = folder_of(there);
    if (!path) {
      report_.notes.push_back("the files of " + owner + " are at " + mlflow_store::shown(there) +
                              ", not on this machine, and were not sent");
      return {};
    }
    if (!is_folder_of(*path, owner)) {
      tell({kind, owner, "its files are said to be at " + mlflow_store::shown(path->string()) +
                         ", which is no folder of it (ID/artifacts, and no link); they were not "
                         "sent"});
      return {};
    }
    Result<Folder> folder = Folder::open(*path);
    if (!folder.ok() && folder.error().code == Code::kMissing) {
      ++homeless_;
      return {};
    }
    if (!folder.ok()) {
      tell({kind, owner, folder.error().message + "; its files were not sent"});
      return {};
    }
    const Result<std::string> key = mlflow::artifact_key(here);
    std::vector<LocalFile> group;
    const auto flush = [&]() -> Result<> {
      if (group.empty()) return {};
      if (!key.ok()) {
        tell({kind, owner, "its files belong at " + here + ", where only a script can write; they "
                           "were not sent"});
      } else if (Result<> sent = send_files(files, *folder, *key, group); !sent.ok()) {
        TRY(told(kind, owner, sent.error()));
      }
      group.clear();
      return {};
    };
    Result<> ended;  // by the server; what is wrong with a file here is told, and no more
    const Result<> walked = mlflow_store::each_file(
        *folder,
        [&](const Folder& in, const std::string& name, const std::string& below) -> Result<> {
          const Result<std::optional<Fd>> file = in.file(name);
          const auto not_sent = [&](const std::string& why) {
            tell({"file", owner + "/" + mlflow_store::shown(below), why + "; it was not sent"});
            return Result<>();
          };
          if (!file.ok()) return not_sent(file.error().message);
          if (!*file) return Result<>();  // it went meanwhile
          if (is_read_otherwise(below))
            return not_sent("the protocol of artifacts would take its name for another, which it "
                            "is with %XX decoded");
          if (below.find('#') != std::string::npos)
            return not_sent("the protocol of artifacts takes no '#' in a path");
          if (!mlflow_store::is_storable(below, mlflow_store::kKeyBytesMax) ||
              !blob::check_key(below).ok()) {
            return not_sent("its path can't be one on a server");
          }
          const Result<Digested> digested = digest_of(**file);
          if (!digested.ok()) return not_sent(digested.error().message);
          group.push_back({below, *digested});
          if (group.size() >= kSyncFilesMax) ended = flush();
          return ended;
        },
        [&](const std::string& below, const std::string& why) {
          tell({"file", owner + "/" + mlflow_store::shown(below), why + "; it was not sent"});
        });
    TRY(std::move(ended));
    if (!walked.ok())
      tell({kind, owner, walked.error().message + "; not all of its files were sent"});
    return flush();
  }

  /// A store may come from somebody else: what its rows point at is sent only where it is such a
  /// folder as the client makes for a run or model.
  static bool is_folder_of(const fs::path& folder, const std::string& owner) {
    const fs::path path = folder.has_filename() ? folder : folder.parent_path();
    std::error_code ignored;
    return path.filename() == "artifacts" && path.parent_path().filename() == owner &&
           !fs::is_symlink(path, ignored) && !fs::is_symlink(path.parent_path(), ignored);
  }

  /// The client encodes names once, and servers decode them twice.
  static bool is_read_otherwise(const std::string& path) {
    for (std::size_t at = path.find('%'); at != std::string::npos; at = path.find('%', at + 1)) {
      const bool two = at + 2 < path.size() && std::isxdigit(static_cast<unsigned char>(path[at + 1])) &&
                       std::isxdigit(static_cast<unsigned char>(path[at + 2]));
      if (two) return true;
    }
    return false;
  }

  Result<> send_files(SyncFiles& files, const Folder& folder, const std::string& key,
                      const std::vector<LocalFile>& group) {
    const std::string& owner = files.run_id.empty() ? files.model_id : files.run_id;
    files.files.clear();
    for (const LocalFile& file : group) files.files.push_back({file.path, file.digested.sha256});
    const auto answer = TRY(server_.sync<SyncFilesAnswer>("/files", files));
    if (answer.what.size() != group.size()) return internal("the server answered for other files");
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (answer.what[i] == kSyncKept)
        tell({"file", owner + "/" + group[i].path,
              "the server has another one of that name, which stays"});
      if (answer.what[i] != kSyncSend) continue;
      const Result<> sent = upload(files, folder, key, group[i]);
      if (!sent.ok()) TRY(told("file", owner + "/" + group[i].path, sent.error()));
      failpoint("sync.client_file");
      show();
    }
    return {};
  }

  static Result<Fd> open_below(const Folder& folder, const std::string& path) {
    const std::vector<std::string_view> names = split(path, '/');
    std::optional<Folder> at;
    for (std::size_t i = 0; i + 1 < names.size(); ++i) {
      std::optional<Folder> next =
          TRY((at ? *at : folder).folder(std::string(names[i])));
      if (!next) return missing("it went while it was read");
      at = std::move(next);
    }
    std::optional<Fd> file = TRY((at ? *at : folder).file(std::string(names.back())));
    if (!file) return missing("it went while it was read");
    return std::move(*file);
  }

  Result<> upload(const SyncFiles& files, const Folder& folder, const std::string& key,
                  const LocalFile& file) {
    Result<Fd> opened = open_below(folder, file.path);
    struct stat now {};
    if (!opened.ok()) return invalid(opened.error().message);  // a matter of this file alone
    const Fd fd = std::move(*opened);
    if (fstat(fd.get(), &now) != 0) return invalid("it can't be read any more");
    http::ClientRequest call =
        server_.request(http::Method::kPut, "/api/2.0/mlflow-artifacts/artifacts/" +
                                                http::percent_encode(key + "/" + file.path, "/"));
    FileBody body(fd);
    if (now.st_size <= static_cast<off_t>(kFileInMemoryMax)) {
      call.body.resize(static_cast<std::size_t>(now.st_size));
      std::size_t at = 0;
      while (at < call.body.size()) {
        const std::size_t got =
            TRY(body.read(std::span(call.body.data() + at, call.body.size() - at)));
        if (got == 0) break;
        at += got;
      }
      call.body.resize(at);
    } else {
      call.body_stream = &body;
      call.body_stream_bytes = static_cast<std::uint64_t>(now.st_size);
    }
    const http::Response answer = TRY(server_.send(call));
    if (answer.status != kOk) return server_.error_in(answer);
    report_.files += 1;
    report_.bytes += now.st_size;
    const std::string digest = unquoted(answer.headers.get("ETag"));
    if (digest.empty() || digest == file.digested.sha256) return {};
    // It was written to meanwhile: what was sent is what the server must know as ours.
    SyncFiles sent{files.run_id, files.model_id, {{file.path, digest}}};
    TRY(server_.sync<SyncFilesAnswer>("/files", sent));
    return {};
  }

  // --- versions ---

  Result<> bring_versions(const std::string& name) {
    std::optional<Store::RegisteredModel> model;
    TRY(look_into([&](Store& store) -> Result<> {
      model = TRY(store.model(name, teller()));
      return {};
    }));
    if (!model) return {};
    const Result<> made = make_model(model->model);
    if (!made.ok()) return told("model", name, made.error());
    for (const registry::AdoptedVersion& one : model->versions) {
      if (one.deleted) continue;
      const Result<> brought = bring_version(model->model, one.version);
      if (!brought.ok())
        TRY(told("version", name + "/" + std::to_string(one.version.number), brought.error()));
    }
    if (!model->model.aliases.empty()) {
      std::vector<std::string> aliases;
      for (const registry::Alias& alias : model->model.aliases) aliases.push_back(alias.alias);
      report_.notes.push_back("aliases of model " + name + " are not sent (" +
                              join(aliases, ", ") + "): which version they name is decided on the "
                              "server");
    }
    return {};
  }

  static bool is_prompt(const registry::Tags& tags) {
    return std::any_of(tags.begin(), tags.end(), [](const registry::Tag& tag) {
      return tag.key == kPromptTag && tag.value == "true";
    });
  }

  Result<> make_model(const registry::Model& model) {
    const Result<Json> there = server_.get("/api/2.0/mlflow/registered-models/get?name=" +
                                           http::percent_encode(model.name));
    if (there.ok() || there.error().code != Code::kMissing) {
      if (!there.ok()) return there.error();
      return {};
    }
    Json make;
    make.set("name", model.name);
    make.set("description", model.description);
    Json::Array tags;
    for (const registry::Tag& tag : model.tags) tags.push_back(pair_of(tag.key, tag.value));
    make.set("tags", std::move(tags));
    TRY(server_.post("/api/2.0/mlflow/registered-models/create", wire::dump(make)));
    return {};
  }

  /// The same for the same version of the same store, wherever that lies.
  static std::string identity_of(const registry::Version& version) {
    Json::Array parts{version.model, std::to_string(version.number),
                      std::to_string(version.created_ms), version.run_id, version.logged_model_id};
    constexpr std::size_t kDigits = 32;
    return sha256_hex(wire::dump(Json(std::move(parts)))).substr(0, kDigits);
  }

  Result<> bring_version(const registry::Model& model, const registry::Version& version) {
    const std::string identity = identity_of(version);
    Result<Json> known = server_.get(
        "/api/2.0/mlflow/model-versions/search?max_results=1&filter=" +
        http::percent_encode(std::string("tags.`") + kOriginTag + "` = '" + identity + "'" +
                             (is_prompt(model.tags)
                                  ? std::string(" and tags.`") + kPromptTag + "` = 'true'"
                                  : "")));
    if (!known.ok()) return known.error();
    const Json* found = known->find("model_versions");
    if (found != nullptr && found->is_array() && !found->as_array().empty()) return {};
    Json make;
    make.set("name", version.model);
    const Moved source = TRY(source_for(model, version));
    make.set("source", source.location);
    if (!version.run_id.empty()) make.set("run_id", version.run_id);
    if (!source.logged_model_id.empty()) make.set("model_id", source.logged_model_id);
    make.set("description", version.description);
    Json::Array tags;
    for (const registry::Tag& tag : version.tags) tags.push_back(pair_of(tag.key, tag.value));
    tags.push_back(pair_of(kOriginTag, identity));
    make.set("tags", std::move(tags));
    const Json made =
        TRY(server_.post("/api/2.0/mlflow/model-versions/create", wire::dump(make)));
    failpoint("sync.client_version");
    report_.versions += 1;
    const std::string number = text_in(made, {"model_version", "version"});
    if (number != std::to_string(version.number))
      report_.notes.push_back("version " + std::to_string(version.number) + " of model " +
                              version.model + " is version " + number + " on the server");
    return {};
  }

  Result<Moved> source_for(const registry::Model& model, const registry::Version& version) const {
    if (sent_models_.contains(version.logged_model_id))
      return Moved{"models:/" + version.logged_model_id, version.logged_model_id};
    const std::string place = mlflow_store::normal_place(version.location);
    for (std::size_t end = place.size(); end != std::string::npos && end > 0;
         end = place.rfind('/', end - 1)) {
      auto found = moved_.find(place.substr(0, end));
      if (found == moved_.end()) continue;
      Moved source = found->second;
      const bool is_all = end == place.size() && !source.logged_model_id.empty();
      source.location =
          is_all ? "models:/" + source.logged_model_id : source.location + place.substr(end);
      return source;
    }
    if (is_prompt(version.tags) || is_prompt(model.tags)) return Moved{version.source, ""};
    return conflict("its files are at " + mlflow_store::shown(version.location) +
                    ", which belong to no run or logged model that was sent");
  }

  const SyncRequest& request_;
  SyncServer server_;
  const std::function<void(const SyncProgress&)>& show_;
  SyncReport report_;
  std::string origin_;
  std::vector<Part> parts_;
  std::vector<std::string> model_names_;
  std::set<std::string> sent_models_;
  std::map<std::string, Moved> moved_;  // old place (normal_place) -> that on the server
  std::int64_t runs_in_all_ = 0, runs_done_ = 0, homeless_ = 0, deleted_experiments_ = 0;
};

}  // namespace

Result<SyncReport> sync_store(const SyncRequest& request,
                              const std::function<void(const SyncProgress&)>& show) {
  return Syncer(request, show).run();
}

}  // namespace slipway::app
