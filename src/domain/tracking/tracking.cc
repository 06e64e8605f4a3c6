#include "domain/tracking/tracking.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <set>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "base/ids.h"
#include "domain/tracking/log_queue.h"
#include "domain/tracking/moves.h"
#include "domain/tracking/run_images.h"
#include "domain/tracking/store.h"

namespace slipway::tracking {
namespace {

std::uint64_t random_bits() {
  std::byte bytes[8];
  random_bytes(bytes);
  std::uint64_t bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits;
}

const Tag* find_tag(std::span<const Tag> tags, std::string_view key) {
  for (const Tag& tag : tags) {
    if (tag.key == key) return &tag;
  }
  return nullptr;
}

/// The name and the tag that is to hold it say the same.
void settle_name(NewRun& run) {
  const Tag* tag = run.name_tag.empty() ? nullptr : find_tag(run.tags, run.name_tag);
  const bool tagged = tag != nullptr && !tag->value.empty();
  if (run.name.empty()) run.name = tagged ? tag->value : random_run_name(random_bits());
  if (tagged || run.name_tag.empty()) return;
  std::erase_if(run.tags, [&](const Tag& empty) { return empty.key == run.name_tag; });
  run.tags.push_back({run.name_tag, run.name});
}

template <class Page, class Rows>
Page to_page(Rows Page::*rows, Rows read, std::size_t limit) {
  Page page;
  page.more = read.size() > limit;
  if (page.more) read.resize(limit);
  page.*rows = std::move(read);
  return page;
}

Result<std::vector<std::int64_t>> read_keys(db::Tx& tx, const db::Sql& sql) {
  std::vector<std::int64_t> keys;
  TRY(tx.query(
      sql.text, sql.values,
      [&](const db::Columns& columns) -> Result<> {
        keys.push_back(columns.int64(0));
        return {};
      },
      /*cache=*/false));
  return keys;
}

}  // namespace

/// Sees to it that few batches of a run wait outside the chunks of its series: counts what each run
/// logged since the start of the program, and when it is enough queues a write that moves them. The
/// counts are a hint only (a batch that is written twice or rolled back does no harm); what waits
/// from before the start is moved with what comes. Runs that have enough at the same time are moved
/// `at_once` by a transaction. Heads of chunks are written many at a time too.
class Tracking::Compactor : public std::enable_shared_from_this<Tracking::Compactor> {
 public:
  Compactor(db::Pool& pool, std::size_t at_once) : pool_(pool), at_once_(at_once) {}

  /// After the commit of a batch, on the writer thread.
  void logged(Logged logged) {
    noted();
    if (!logged.heads.empty()) keep(std::move(logged.heads));
    if (logged.points == 0) return;
    const bool due = waiting_.with([&](auto& waiting) {
      if (waiting.size() >= kRunsMax) waiting.clear();
      Waiting& run = waiting[logged.run];
      run.batches += 1;
      run.points += logged.points;
      if (run.batches < kBatchesMax && run.points < kPointsMax) return false;
      waiting.erase(logged.run);
      return true;
    });
    if (due) compact(logged.run);
  }
  /// Heads of chunks that have none yet. When they are lost, a chart makes them anew.
  void keep(std::vector<NewHeads> heads) {
    std::vector<NewHeads> due;
    heads_.with([&](auto& kept) {
      std::move(heads.begin(), heads.end(), std::back_inserter(kept));
      if (kept.size() >= kHeadsMin) due.swap(kept);
    });
    std::sort(due.begin(), due.end(), [](const NewHeads& a, const NewHeads& b) {
      return std::tie(a.series, a.number) < std::tie(b.series, b.number);
    });
    for (std::size_t at = 0; at < due.size(); at += kHeadsMax) {
      const std::span<NewHeads> some(due.data() + at, std::min(kHeadsMax, due.size() - at));
      auto written = std::make_shared<std::vector<NewHeads>>(
          std::move_iterator(some.begin()), std::move_iterator(some.end()));
      pool_.write_later([written](db::Tx& tx) { return put_heads(tx, *written); }, [](Result<>) {});
    }
  }
  /// After the commit of a note of a change; old ones go a few at a time.
  void noted() {
    if (notes_.fetch_add(1) % kChangesForgottenEvery != kChangesForgottenEvery / 2) return;
    pool_.write_later([](db::Tx& tx) { return forget_old_changes(tx); }, [](Result<>) {});
  }

 private:
  struct Waiting {
    std::size_t batches = 0, points = 0;
  };
  static constexpr std::size_t kBatchesMax = 128;
  static constexpr std::size_t kPointsMax = 128'000;
  static constexpr std::size_t kRunsMax = 50'000;
  static constexpr std::size_t kHeadsMin = 256, kHeadsMax = 1024;  // of a transaction

  void compact(std::int64_t run) {
    const bool is_first = due_.with([&](Due& due) {
      due.runs.insert(run);
      return !std::exchange(due.is_asked, true);
    });
    if (is_first) move_some();
  }
  void move_some() {
    // It may run again, and then for the same ones.
    auto runs = std::make_shared<std::vector<std::int64_t>>();
    pool_.write_later(
        [self = shared_from_this(), runs](db::Tx& tx) {
          if (runs->empty()) *runs = self->take();
          return compact_runs(tx, *runs, self->move_points_);
        },
        [self = shared_from_this(), runs](Result<std::vector<std::int64_t>> left) {
          if (self->moved(*runs, left)) self->move_some();
        });
  }
  /// Whether there is more to do now. One that cannot be moved does not keep the others.
  bool moved(const std::vector<std::int64_t>& runs,
             const Result<std::vector<std::int64_t>>& left) {
    return due_.with([&](Due& due) {
      if (left.ok()) {
        due.runs.insert(left->begin(), left->end());
      } else if (runs.size() > 1) {
        due.runs.insert(runs.begin(), runs.end());
        due.alone = due.runs.size();
      }
      const bool can_write = left.ok() || (left.error().code != Code::kUnavailable &&
                                           left.error().code != Code::kBusy);
      return due.is_asked = can_write && !due.runs.empty();
    });
  }
  std::vector<std::int64_t> take() {
    return due_.with([&](Due& due) {
      const std::size_t at_once = due.alone > 0 ? 1 : at_once_;
      if (due.alone > 0) --due.alone;
      std::vector<std::int64_t> runs;
      while (!due.runs.empty() && runs.size() < at_once)
        runs.push_back(due.runs.extract(due.runs.begin()).value());
      return runs;
    });
  }

  struct Due {
    std::set<std::int64_t> runs;
    bool is_asked = false;  // a write of the pool is going to take some
    std::size_t alone = 0;  // so many are moved one by one
  };

  db::Pool& pool_;
  const std::size_t at_once_;
  std::atomic<std::int64_t> notes_{0};
  Guarded<Due> due_;
  MovePoints move_points_;  // only inside writes
  Guarded<std::vector<NewHeads>> heads_;
  Guarded<std::unordered_map<std::int64_t, Waiting>> waiting_;
};

namespace {

/// A transaction on a file is to be short; where trips count, many cost as many as one.
std::size_t runs_moved_at_once(db::Engine engine) {
  constexpr std::size_t kFar = 64;
  return engine == db::Engine::kPostgres ? kFar : 1;
}

/// `done`, once the compactor knows that a change was noted.
template <class T, class Compactor>
Done<T> noting(const std::shared_ptr<Compactor>& compactor, Done<T> done) {
  return [compactor, done = std::move(done)](Result<T> result) mutable {
    compactor->noted();
    done(std::move(result));
  };
}

}  // namespace

Result<std::unique_ptr<Tracking>> Tracking::open(db::Pool& pool, const Clock& clock,
                                                 TrackingOptions options) {
  const bool makes_default = options.makes_default;
  std::unique_ptr<Tracking> tracking(new Tracking(pool, clock, std::move(options)));
  if (!makes_default) return tracking;
  const bool fresh = !TRY(pool.read([](db::Tx& tx) -> Result<bool> {
    return TRY(tx.one<std::int64_t>("select id from experiments where id = 0")).has_value();
  }));
  if (!fresh) return tracking;
  TRY(pool.write([&](db::Tx& tx) {
    return make_default_experiment(tx, tracking->options_.artifact_root, clock.now_ms());
  }));
  return tracking;
}

Tracking::Tracking(db::Pool& pool, const Clock& clock, TrackingOptions options)
    : pool_(pool),
      clock_(clock),
      options_(std::move(options)),
      compactor_(std::make_shared<Compactor>(pool, runs_moved_at_once(pool.engine()))),
      images_(std::make_unique<RunImages>(pool)) {
  // A file is asked so fast that there is nothing to save.
  if (pool.engine() == db::Engine::kPostgres) log_queue_ = std::make_shared<LogQueue>(pool);
}
Tracking::~Tracking() = default;

Result<Experiment> Tracking::experiment(std::int64_t id) {
  return pool_.read([&](db::Tx& tx) { return read_experiment(tx, id); });
}
Result<std::optional<Experiment>> Tracking::experiment_named(const std::string& name) {
  return pool_.read([&](db::Tx& tx) { return read_experiment_named(tx, name); });
}
Result<std::vector<OwnPlace>> Tracking::own_places() {
  return pool_.read([&](db::Tx& tx) {
    return tx.all<OwnPlace>(
        "select id, artifact_location from experiments "
        "where artifact_location <> ? || cast(id as text)",
        append_to_location(options_.artifact_root, ""));
  });
}
Result<ExperimentPage> Tracking::search(const ExperimentQuery& query) {
  return pool_.read([&](db::Tx& tx) -> Result<ExperimentPage> {
    db::Sql sql = TRY(experiment_search_sql(tx.engine(), query));
    std::vector<std::int64_t> ids = TRY(read_keys(tx, sql));
    return to_page(&ExperimentPage::experiments, TRY(read_experiments(tx, ids)),
                   static_cast<std::size_t>(query.limit));
  });
}
Result<Run> Tracking::run(const std::string& run_id) {
  return pool_.read([&](db::Tx& tx) { return read_run(tx, run_id); });
}
Result<RunInfo> Tracking::run_info(const std::string& run_id) {
  return pool_.read([&](db::Tx& tx) { return read_run_info(tx, run_id); });
}
Result<RunPage> Tracking::search(const RunQuery& query) {
  const auto limit = static_cast<std::size_t>(query.limit);
  const db::Sql sql = TRY(run_search_sql(pool_.engine(), query));  // tells what is wrong with it
  if (std::optional<std::vector<Run>> found = TRY(images_->search(query))) {
    return to_page(&RunPage::runs, std::move(*found), limit);
  }
  return pool_.read([&](db::Tx& tx) -> Result<RunPage> {
    std::vector<std::int64_t> keys = TRY(read_keys(tx, sql));
    return to_page(&RunPage::runs, TRY(read_runs(tx, keys, needed_of_series(query))), limit);
  });
}
Result<HistoryPage> Tracking::history(const std::string& run_id, const std::string& key,
                                      const std::optional<Point>& after, std::size_t limit) {
  return pool_.read([&](db::Tx& tx) { return read_history(tx, run_id, key, after, limit); });
}
Result<std::vector<Point>> Tracking::sample(const std::string& run_id, const std::string& key,
                                            const std::optional<StepRange>& steps,
                                            std::size_t count) {
  Sample sample =
      TRY(pool_.read([&](db::Tx& tx) { return read_sample(tx, run_id, key, steps, count); }));
  constexpr std::size_t kWorthKeeping = 64;
  if (sample.made.size() >= kWorthKeeping) compactor_->keep(std::move(sample.made));
  return std::move(sample.points);
}
Result<std::vector<DatasetUse>> Tracking::dataset_uses(const std::vector<std::int64_t>& experiments,
                                                       const std::string& key, std::size_t limit) {
  return pool_.read([&](db::Tx& tx) { return read_dataset_uses(tx, experiments, key, limit); });
}

void Tracking::create_experiment(NewExperiment experiment, Actor actor, Done<Experiment> done) {
  pool_.write_later(
      [experiment = std::move(experiment), actor, root = options_.artifact_root,
       making = options_.making, now_ms = clock_.now_ms()](db::Tx& tx) -> Result<Experiment> {
        Experiment fresh = TRY(tracking::create_experiment(tx, experiment, root, actor, now_ms));
        if (making) TRY(making(tx, actor, fresh.id, now_ms));
        return fresh;
      },
      Done<Experiment>([made = options_.made, actor,
                        done = std::move(done)](Result<Experiment> created) mutable {
        if (created.ok() && made) made(actor, created->id);
        done(std::move(created));
      }));
}
void Tracking::rename_experiment(std::int64_t id, std::string name, Actor actor, Done<> done) {
  pool_.write_later(
      [id, name = std::move(name), actor = std::move(actor), now_ms = clock_.now_ms()](db::Tx& tx) {
        return tracking::rename_experiment(tx, id, name, actor, now_ms);
      },
      std::move(done));
}
void Tracking::delete_experiment(std::int64_t id, Actor actor, Done<> done) {
  pool_.write_later(
      [id, actor = std::move(actor), now_ms = clock_.now_ms()](db::Tx& tx) {
        return set_experiment_deleted(tx, id, /*deleted=*/true, actor, now_ms);
      },
      std::move(done));
}
void Tracking::restore_experiment(std::int64_t id, Actor actor, Done<> done) {
  pool_.write_later(
      [id, actor = std::move(actor), now_ms = clock_.now_ms()](db::Tx& tx) {
        return set_experiment_deleted(tx, id, /*deleted=*/false, actor, now_ms);
      },
      std::move(done));
}
void Tracking::set_experiment_tag(std::int64_t id, Tag tag, Done<> done) {
  pool_.write_later(
      [id, tag = std::move(tag)](db::Tx& tx) { return tracking::set_experiment_tag(tx, id, tag); },
      std::move(done));
}
void Tracking::delete_experiment_tag(std::int64_t id, std::string key, Done<> done) {
  pool_.write_later([id, key = std::move(key)](
                        db::Tx& tx) { return tracking::delete_experiment_tag(tx, id, key); },
                    std::move(done));
}

void Tracking::create_run(NewRun run, Actor actor, Done<Run> done) {
  settle_name(run);
  pool_.write_later(
      [run = std::move(run), actor = std::move(actor), run_id = random_hex32(),
       now_ms = clock_.now_ms()](db::Tx& tx) {
        return tracking::create_run(tx, run, run_id, actor, now_ms);
      },
      noting<tracking::Run>(compactor_, std::move(done)));
}
void Tracking::change_run(std::string run_id, RunChange change, Actor actor, Done<RunInfo> done) {
  pool_.write_later(
      [run_id = std::move(run_id), change = std::move(change), actor = std::move(actor),
       now_ms = clock_.now_ms()](db::Tx& tx) {
        return tracking::change_run(tx, run_id, change, actor, now_ms);
      },
      noting<RunInfo>(compactor_, std::move(done)));
}
void Tracking::delete_run(std::string run_id, Actor actor, Done<> done) {
  pool_.write_later(
      [run_id = std::move(run_id), actor = std::move(actor),
       now_ms = clock_.now_ms()](db::Tx& tx) -> Result<> {
        TRY(set_run_deleted(tx, run_id, /*deleted=*/true, actor, now_ms));
        return {};
      },
      std::move(done));
}
void Tracking::restore_run(std::string run_id, Actor actor, Done<> done) {
  pool_.write_later(
      [run_id = std::move(run_id), actor = std::move(actor),
       now_ms = clock_.now_ms()](db::Tx& tx) -> Result<> {
        TRY(set_run_deleted(tx, run_id, /*deleted=*/false, actor, now_ms));
        return {};
      },
      std::move(done));
}
Result<std::int64_t> Tracking::set_runs_deleted(const std::vector<std::string>& run_ids,
                                                bool deleted, const Actor& actor) {
  return pool_.write([&, now_ms = clock_.now_ms()](db::Tx& tx) -> Result<std::int64_t> {
    std::int64_t changed = 0;
    for (const std::string& run_id : run_ids) {
      const Result<bool> one = set_run_deleted(tx, run_id, deleted, actor, now_ms);
      const bool leaves = !one.ok() && (one.error().code == Code::kMissing ||
                                        one.error().code == Code::kConflict);
      if (leaves) continue;
      changed += TRY(one) ? 1 : 0;
    }
    return changed;
  });
}

Result<std::int64_t> Tracking::note_comparison(const std::string& run_id, wire::Json data,
                                               const Actor& actor) {
  return pool_.write([&, now_ms = clock_.now_ms()](db::Tx& tx) {
    return tracking::note_comparison(tx, run_id, data, actor, now_ms);
  });
}
Result<std::vector<Comparison>> Tracking::comparisons(const std::string& run_id) {
  return pool_.read([&](db::Tx& tx) { return read_comparisons(tx, run_id); });
}

void Tracking::log_param(std::string run_id, Param param, Done<> done) {
  pool_.write_later([run_id = std::move(run_id), param = std::move(param)](
                        db::Tx& tx) { return write_param(tx, run_id, param); },
                    noting<void>(compactor_, std::move(done)));
}
void Tracking::log(std::string run_id, Batch batch, Done<> done) {
  std::vector<Addition> additions = to_additions(batch.metrics);
  batch.metrics = {};
  if (log_queue_ && LogQueue::takes(batch, additions)) {
    return log_queue_->log(
        std::move(run_id), std::move(additions),
        [compactor = compactor_, done = std::move(done)](Result<Logged> logged) mutable {
          if (!logged.ok()) return done(std::move(logged).error());
          compactor->logged(std::move(*logged));
          done({});
        });
  }
  pool_.write_later(
      [run_id = std::move(run_id), batch = std::move(batch), additions = std::move(additions),
       now_ms = clock_.now_ms()](db::Tx& tx) {
        return write_batch(tx, run_id, batch, additions, now_ms);
      },
      [compactor = compactor_, done = std::move(done)](Result<Logged> logged) mutable {
        if (!logged.ok()) return done(std::move(logged).error());
        compactor->logged(std::move(*logged));
        done({});
      });
}
void Tracking::delete_tag(std::string run_id, std::string key, Done<> done) {
  pool_.write_later([run_id = std::move(run_id), key = std::move(key)](
                        db::Tx& tx) { return tracking::delete_tag(tx, run_id, key); },
                    std::move(done));
}
void Tracking::append_to_tag(std::string run_id, std::string key, wire::Json item, Done<> done) {
  pool_.write_later([run_id = std::move(run_id), key = std::move(key), item = std::move(item)](
                        db::Tx& tx) { return tracking::append_to_tag(tx, run_id, key, item); },
                    std::move(done));
}
void Tracking::log_inputs(std::string run_id, Inputs inputs, Done<> done) {
  pool_.write_later(
      [run_id = std::move(run_id), inputs = std::move(inputs),
       now_ms = clock_.now_ms()](db::Tx& tx) { return write_inputs(tx, run_id, inputs, now_ms); },
      std::move(done));
}
void Tracking::log_outputs(std::string run_id, std::vector<ModelLink> models, Done<> done) {
  pool_.write_later(
      [run_id = std::move(run_id), models = std::move(models),
       now_ms = clock_.now_ms()](db::Tx& tx) { return write_outputs(tx, run_id, models, now_ms); },
      std::move(done));
}

}  // namespace slipway::tracking
