#include "domain/tracking/run_images.h"

#include <algorithm>
#include <boost/describe.hpp>
#include <unordered_map>

namespace slipway::tracking {
namespace {

constexpr std::size_t kExperimentsMax = 500;  // of one search
constexpr std::size_t kChangesMax = 20'000;   // with more it is quicker to read everything
constexpr std::size_t kRunsAtOnce = 500;      // in one statement

struct BaseRow {
  std::int64_t key = 0;
  std::string run_id;
  UnixMs start_ms = 0;
  bool deleted = false;
};
BOOST_DESCRIBE_STRUCT(BaseRow, (), (key, run_id, start_ms, deleted))

/// Where a column's values are: (run, value, is_nan) of "... where run in (...", which the caller
/// ends, or of all runs of an experiment.
db::Sql select_values(const ColumnName& name, std::optional<std::int64_t> experiment) {
  const bool of_experiment = experiment.has_value();
  db::Sql sql;
  const auto of_runs = [&](const std::string& all, const std::string& some) {
    sql.add(of_experiment ? all : some);
    if (of_experiment) sql.bind(*experiment);
    return std::move(sql);
  };
  const auto attribute = [&](const std::string& column) {
    return of_runs("select id, " + column + ", 0 from runs where experiment = ?",
                   "select id, " + column + ", 0 from runs where id in (");
  };
  const auto pairs = [&](const std::string& table, const std::string& nan) {
    sql.bind(name.key);
    return of_runs("select r.id, v.value, " + nan + " from runs r join " + table +
                       " v on v.run = r.id and v.key = ? where r.experiment = ?",
                   "select v.run, v.value, " + nan + " from " + table +
                       " v where v.key = ? and v.run in (");
  };
  switch (name.field) {
    case Field::kMetric:
      return pairs("metric_series", "v.is_nan");
    case Field::kMetricPart: {
      db::Sql relation = part_relation(name.key);
      sql.values = std::move(relation.values);
      return of_runs("select r.id, v.value, v.is_nan from runs r join " + relation.text +
                         " v on v.run = r.id where r.experiment = ?",
                     "select v.run, v.value, v.is_nan from " + relation.text +
                         " v where v.run in (");
    }
    case Field::kParam:
      return pairs("run_params", "0");
    case Field::kTag:
      return pairs("run_tags", "0");
    default:
      break;
  }
  if (name.key == "end_time") return attribute("end_ms");
  if (name.key == "run_name") return attribute("name");
  return attribute(name.key);
}

Cell to_cell(const db::Columns& columns, ColumnKind kind) {
  Cell cell;
  if (columns.is_null(1)) return cell;
  cell.state = columns.int64(2) != 0 ? CellState::kNan : CellState::kHere;
  if (kind == ColumnKind::kReal) cell.real = columns.real(1);
  if (kind == ColumnKind::kWhole) cell.whole = columns.int64(1);
  if (kind == ColumnKind::kText) cell.text = columns.text(1);
  return cell;
}

/// The rows of keys that mostly come in their order.
class Finder {
 public:
  explicit Finder(const RunRows& rows) : rows_(rows) {}
  std::optional<std::size_t> operator()(std::int64_t key) {
    if (next_ < rows_.keys.size() && rows_.keys[next_] == key) return next_++;
    std::optional<std::size_t> found = rows_.find(key);
    if (found) next_ = *found + 1;
    return found;
  }

 private:
  const RunRows& rows_;
  std::size_t next_ = 0;
};

Error too_large() {
  return {Code::kBusy, "the column is too large to be kept in memory", "too_large"};
}

bool is_too_large(const Result<>& result) {
  return !result.ok() && result.error().tag == "too_large";
}

/// For a change: what somebody looks at is not touched.
template <class T>
T& own(std::shared_ptr<T>& shared, bool looked_at) {
  if (looked_at) shared = std::make_shared<T>(*shared);
  return *shared;
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> ids) {
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace

/// While a search looks at images.
class RunImages::Looking {
 public:
  explicit Looking(const Images& images) : images_(images) {
    for (const std::shared_ptr<Image>& image : images_) image->lookers.fetch_add(1);
  }
  ~Looking() {
    for (const std::shared_ptr<Image>& image : images_) image->lookers.fetch_sub(1);
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;

 private:
  const Images& images_;
};

void RunImages::Image::forget() {
  rows.reset();
  columns.clear();
}

template <class Pick, class Use>
auto RunImages::look(const RunQuery& query, const std::vector<ColumnName>& more, Pick pick, Use use)
    -> Result<std::optional<typename std::invoke_result_t<
        Use, db::Tx&, std::invoke_result_t<Pick, const std::vector<RunImage>&>>::value_type>> {
  using Found = std::optional<typename std::invoke_result_t<
      Use, db::Tx&, std::invoke_result_t<Pick, const std::vector<RunImage>&>>::value_type>;
  std::optional<std::vector<ColumnName>> names = columns_of(query);
  const std::vector<std::int64_t> experiments = sorted(query.experiments);
  if (!names || experiments.size() > kExperimentsMax) return Found();
  for (const ColumnName& name : more) {
    if (std::find(names->begin(), names->end(), name) == names->end()) names->push_back(name);
  }
  const Images images = images_of(experiments);
  // Taken before the snapshot is: an image never knows more than the snapshot of who looks at it.
  std::vector<std::unique_lock<std::mutex>> locks;
  for (const std::shared_ptr<Image>& image : images) {
    locks.emplace_back(image->mutex);
    image->used = ++searches_;
  }
  auto found = pool_.read([&](db::Tx& tx) -> Result<Found> {
    std::optional<std::invoke_result_t<Pick, const std::vector<RunImage>&>> picked;
    {
      std::optional<std::vector<RunImage>> seen = TRY(views(tx, images, experiments, *names));
      if (!seen) return Found();
      Looking looking(images);
      locks.clear();
      picked = pick(*seen);
    }
    return Found(TRY(use(tx, std::move(*picked))));
  });
  locks.clear();
  shrink();
  return found;
}

Result<std::optional<std::vector<Run>>> RunImages::search(const RunQuery& query) {
  return look(
      query, {}, [&](const std::vector<RunImage>& seen) { return find_runs(seen, query); },
      [&](db::Tx& tx, std::vector<std::int64_t> keys) {
        return read_runs(tx, keys, needed_of_series(query));
      });
}

namespace {

Error too_many_runs() {
  return invalid("more than " + std::to_string(RunImages::kTableRunsMax) +
                 " runs match: narrow the search by a filter or an experiment");
}

RunTable to_table(const std::vector<RunImage>& seen, const RunQuery& query,
                  const std::vector<ColumnName>& names) {
  RunTable table;
  table.columns.resize(names.size());
  for (const RunImage& image : seen) {
    for (const std::uint32_t row : matching_rows(image, query)) {
      table.keys.push_back(image.rows->keys[row]);
      table.run_ids.push_back(image.rows->run_ids[row]);
      table.start_ms.push_back(image.rows->start_ms[row]);
      for (std::size_t i = 0; i < names.size(); ++i) {
        table.columns[i].push_back(image.columns.at(names[i])->cell(row));
      }
    }
  }
  return table;
}

/// The same without columns in memory.
Result<RunTable> read_table(db::Tx& tx, RunQuery query, const std::vector<ColumnName>& names) {
  query.limit = static_cast<int>(RunImages::kTableRunsMax);
  query.order.clear();
  query.after.reset();
  query.offset = 0;
  const db::Sql found = TRY(run_search_sql(tx.engine(), query));
  RunTable table;
  TRY(tx.query(
      found.text, found.values,
      [&](const db::Columns& columns) -> Result<> {
        table.keys.push_back(columns.int64(0));
        return {};
      },
      /*cache=*/false));
  if (table.keys.size() > RunImages::kTableRunsMax) return too_many_runs();
  std::unordered_map<std::int64_t, std::size_t> row_of;
  for (std::size_t i = 0; i < table.keys.size(); ++i) row_of[table.keys[i]] = i;
  table.run_ids.resize(table.keys.size());
  table.start_ms.resize(table.keys.size());
  table.columns.assign(names.size(), std::vector<Cell>(table.keys.size()));
  for (std::size_t at = 0; at < table.keys.size(); at += kRunsAtOnce) {
    const std::string list = to_list(
        std::span(table.keys).subspan(at, std::min(kRunsAtOnce, table.keys.size() - at)));
    TRY(tx.query(
        "select id, run_id, start_ms from runs where id in (" + list + ")", {},
        [&](const db::Columns& columns) -> Result<> {
          const std::size_t row = row_of.at(columns.int64(0));
          table.run_ids[row] = columns.text(1);
          table.start_ms[row] = columns.int64(2);
          return {};
        },
        /*cache=*/false));
    for (std::size_t i = 0; i < names.size(); ++i) {
      db::Sql sql = select_values(names[i], std::nullopt);
      TRY(tx.query(
          sql.add(list).add(")").text, sql.values,
          [&, kind = kind_of(names[i])](const db::Columns& columns) -> Result<> {
            table.columns[i][row_of.at(columns.int64(0))] = to_cell(columns, kind);
            return {};
          },
          /*cache=*/false));
    }
  }
  return table;
}

}  // namespace

Result<RunTable> RunImages::table(const RunQuery& query, const std::vector<ColumnName>& names) {
  std::optional<RunTable> table = TRY(look(
      query, names,
      [&](const std::vector<RunImage>& seen) { return to_table(seen, query, names); },
      [](db::Tx&, RunTable found) -> Result<RunTable> { return found; }));
  if (!table) {
    return pool_.read([&](db::Tx& tx) { return read_table(tx, query, names); });
  }
  if (table->keys.size() > kTableRunsMax) return too_many_runs();
  return std::move(*table);
}

RunImages::Images RunImages::images_of(const std::vector<std::int64_t>& experiments) {
  Images found;
  images_.with([&](auto& images) {
    for (std::int64_t experiment : experiments) {
      std::shared_ptr<Image>& image = images[experiment];
      if (!image) image = std::make_shared<Image>();
      found.push_back(image);
    }
  });
  return found;
}

/// What a search looks at, up to date; nothing when an image or column is too large.
Result<std::optional<std::vector<RunImage>>> RunImages::views(
    db::Tx& tx, const Images& images, const std::vector<std::int64_t>& experiments,
    const std::vector<ColumnName>& names) {
  const ChangePlace now = TRY(read_change_place(tx));
  std::vector<RunImage> seen;
  for (std::size_t i = 0; i < images.size(); ++i) {
    Image& image = *images[i];
    Result<bool> up = bring_up(tx, image, experiments[i], now, names);
    if (!up.ok()) image.forget();
    if (!TRY(std::move(up))) return std::optional<std::vector<RunImage>>();
    RunImage& view = seen.emplace_back(RunImage{image.rows, {}});
    for (const ColumnName& name : names) view.columns[name] = image.columns.at(name).column;
  }
  return std::optional(std::move(seen));
}

Result<bool> RunImages::bring_up(db::Tx& tx, Image& image, std::int64_t experiment,
                                 const ChangePlace& now, const std::vector<ColumnName>& names) {
  if (image.rows && !(image.at == now)) TRY(catch_up(tx, image, experiment));
  if (!image.rows) {
    image.forget();
    Result<> read = read_rows(tx, image, experiment);
    if (is_too_large(read)) return false;
    TRY(std::move(read));
  }
  image.at = {now.seq, std::max(now.batch, image.at.batch)};
  for (const ColumnName& name : names) {
    if (!image.columns.contains(name)) {
      Result<> read = read_column(tx, image, experiment, name);
      if (is_too_large(read))
        image.columns[name] = {};
      else
        TRY(std::move(read));
    }
    Kept& kept = image.columns[name];
    kept.used = image.used;
    if (!kept.column) return false;
  }
  return true;
}

/// Leaves the image without rows where it is to be read anew.
Result<> RunImages::catch_up(db::Tx& tx, Image& image, std::int64_t experiment) {
  const std::optional<Changes> changes = TRY(read_changes(tx, image.at, kChangesMax));
  if (!changes || changes->experiments.contains(experiment)) {
    image.forget();
    return {};
  }
  const std::vector<std::int64_t> runs(changes->runs.begin(), changes->runs.end());
  for (std::size_t at = 0; at < runs.size() && image.rows; at += kRunsAtOnce) {
    const std::size_t end = std::min(at + kRunsAtOnce, runs.size());
    TRY(refresh(tx, image, experiment, {runs.begin() + static_cast<std::ptrdiff_t>(at),
                                        runs.begin() + static_cast<std::ptrdiff_t>(end)}));
  }
  return {};
}

Result<> RunImages::refresh(db::Tx& tx, Image& image, std::int64_t experiment,
                            const std::vector<std::int64_t>& runs) {
  std::map<std::int64_t, BaseRow> found;
  TRY(tx.query(
      "select id, run_id, start_ms, deleted from runs where id in (" + to_list(runs) +
          ") and experiment = ? order by id",
      {db::Value(experiment)},
      [&](const db::Columns& columns) -> Result<> {
        BaseRow row;
        TRY(db::read_row(columns, row));
        found.emplace(row.key, std::move(row));
        return {};
      },
      /*cache=*/false));
  // A run that is gone, or that comes in the middle, is no matter of every day.
  const bool gone = std::any_of(runs.begin(), runs.end(), [&](std::int64_t run) {
    return !found.contains(run) && image.rows->find(run);
  });
  const bool between = std::any_of(found.begin(), found.end(), [&](const auto& entry) {
    return !image.rows->find(entry.first) && !image.rows->keys.empty() &&
           entry.first < image.rows->keys.back();
  });
  if (gone || between) {
    image.forget();
    return {};
  }
  if (found.empty()) return {};
  RunRows& rows = own(image.rows, image.lookers.load() > 0);
  for (auto& [key, row] : found) {
    std::optional<std::size_t> at = rows.find(key);
    if (!at) {
      at = rows.keys.size();
      rows.keys.push_back(key);
      rows.run_ids.emplace_back();
      rows.start_ms.push_back(0);
      rows.deleted.push_back(0);
    }
    rows.run_ids[*at] = std::move(row.run_id);
    rows.start_ms[*at] = row.start_ms;
    rows.deleted[*at] = row.deleted ? 1 : 0;
  }
  std::vector<std::int64_t> own_runs;
  for (const auto& entry : found) own_runs.push_back(entry.first);
  for (auto& [name, kept] : image.columns) {
    if (!kept.column) continue;
    std::map<std::int64_t, Cell> cells;
    db::Sql sql = select_values(name, std::nullopt);
    TRY(tx.query(
        sql.add(to_list(own_runs)).add(")").text, sql.values,
        [&, kind = kept.column->kind()](const db::Columns& columns) -> Result<> {
          cells[columns.int64(0)] = to_cell(columns, kind);
          return {};
        },
        /*cache=*/false));
    const std::size_t size = rows.keys.size();
    bool grown = false;
    for (std::int64_t run : own_runs) {
      const std::size_t row = *rows.find(run);
      Cell cell = cells.contains(run) ? std::move(cells[run]) : Cell{};
      if (!grown && row < kept.column->size() && kept.column->holds(row, cell)) continue;
      Column& column = own(kept.column, !grown && image.lookers.load() > 0);
      if (!grown) column.resize(size);
      grown = true;
      column.set(row, std::move(cell));
    }
  }
  return {};
}

Result<> RunImages::read_rows(db::Tx& tx, Image& image, std::int64_t experiment) {
  if (image.too_large) return too_large();
  auto rows = std::make_shared<RunRows>();
  Result<> read = tx.query(
      "select id, run_id, start_ms, deleted from runs where experiment = ? order by id",
      {db::Value(experiment)}, [&](const db::Columns& columns) -> Result<> {
        if (rows->bytes() > bytes_max_ / 2) return too_large();
        rows->keys.push_back(columns.int64(0));
        rows->run_ids.emplace_back(columns.text(1));
        rows->start_ms.push_back(columns.int64(2));
        rows->deleted.push_back(columns.int64(3) != 0 ? 1 : 0);
        return {};
      });
  image.too_large = is_too_large(read);
  TRY(std::move(read));
  image.rows = std::move(rows);
  return {};
}

Result<> RunImages::read_column(db::Tx& tx, Image& image, std::int64_t experiment,
                                const ColumnName& name) {
  auto column = std::make_shared<Column>(kind_of(name), image.rows->keys.size());
  const db::Sql sql = select_values(name, experiment);
  Finder find(*image.rows);
  TRY(tx.query(sql.text, sql.values,
               [&](const db::Columns& columns) -> Result<> {
                 std::optional<std::size_t> row = find(columns.int64(0));
                 if (!row) return internal("a run that its experiment does not know");
                 column->set(*row, to_cell(columns, column->kind()));
                 return column->bytes() > bytes_max_ / 4 ? Result<>(too_large()) : Result<>();
               }));
  image.columns[name].column = std::move(column);
  return {};
}

/// Columns go before the rows of their runs; what was used longest ago goes first. What a search
/// is looking at just now stays.
void RunImages::shrink() {
  struct Unit {
    std::uint64_t used;
    std::shared_ptr<Image> image;
    std::optional<ColumnName> column;  // none: the rows
    std::size_t bytes;
  };
  images_.with([&](auto& images) {
    std::vector<Unit> units;
    std::size_t sum = 0;
    for (auto& [experiment, image] : images) {
      std::unique_lock lock(image->mutex, std::try_to_lock);
      if (!lock.owns_lock() || !image->rows) continue;
      for (const auto& [name, kept] : image->columns) {
        if (!kept.column) continue;
        units.push_back({kept.used, image, name, kept.column->bytes()});
        sum += units.back().bytes;
      }
      units.push_back({image->used, image, std::nullopt, image->rows->bytes()});
      sum += units.back().bytes;
    }
    std::stable_sort(units.begin(), units.end(),
                     [](const Unit& a, const Unit& b) { return a.used < b.used; });
    for (const Unit& unit : units) {
      if (sum <= bytes_max_) break;
      std::unique_lock lock(unit.image->mutex, std::try_to_lock);
      if (!lock.owns_lock()) continue;
      if (unit.column)
        unit.image->columns.erase(*unit.column);
      else
        unit.image->forget();
      sum -= std::min(sum, unit.bytes);
    }
    units.clear();
    bytes_ = sum;
    // Of experiments without runs, and of such as there never were, nothing stays.
    std::erase_if(images, [](const auto& entry) {
      if (entry.second.use_count() > 1) return false;
      std::lock_guard lock(entry.second->mutex);
      const Image& image = *entry.second;
      return !image.too_large && (!image.rows || image.rows->keys.empty());
    });
  });
}

}  // namespace slipway::tracking
