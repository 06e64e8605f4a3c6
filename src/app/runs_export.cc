#include "app/runs_export.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "dialects/mlflow/tracking_messages.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

using tracking::Run;
using wire::Json;

constexpr int kPageRuns = 250;

// --- columns ---

enum class Kind { kText, kBool, kReal, kTime };
const char* to_string(Kind kind) {
  static constexpr const char* kNames[] = {"text", "bool", "real", "timestamp"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// A cell; nothing for what a run does not have.
using Cell = std::optional<std::string>;

struct OfEveryRun {
  const char* name;
  Kind kind;
  Cell (*cell)(const Run& run, const std::string& experiment);
};
constexpr OfEveryRun kOfEveryRun[] = {
    {"run_id", Kind::kText, [](const Run& run, const std::string&) -> Cell { return run.info.id; }},
    {"name", Kind::kText, [](const Run& run, const std::string&) -> Cell { return run.info.name; }},
    {"experiment_id", Kind::kText,
     [](const Run& run, const std::string&) -> Cell {
       return std::to_string(run.info.experiment_id);
     }},
    {"experiment", Kind::kText,
     [](const Run&, const std::string& experiment) -> Cell { return experiment; }},
    {"status", Kind::kText,
     [](const Run& run, const std::string&) -> Cell {
       return tracking::to_string(run.info.status);
     }},
    {"deleted", Kind::kBool,
     [](const Run& run, const std::string&) -> Cell {
       return run.info.deleted ? "true" : "false";
     }},
    {"user", Kind::kText,
     [](const Run& run, const std::string&) -> Cell { return run.info.user_id; }},
    {"start_time", Kind::kTime,
     [](const Run& run, const std::string&) -> Cell { return to_iso8601(run.info.start_ms); }},
    {"end_time", Kind::kTime,
     [](const Run& run, const std::string&) -> Cell {
       if (!run.info.end_ms) return std::nullopt;
       return to_iso8601(*run.info.end_ms);
     }},
    {"artifact_uri", Kind::kText,
     [](const Run& run, const std::string&) -> Cell { return run.info.artifact_uri; }},
};

constexpr std::string_view kParams = "params.", kMetrics = "metrics.", kTags = "tags.";

std::optional<Kind> kind_of(std::string_view column) {
  for (const OfEveryRun& known : kOfEveryRun)
    if (column == known.name) return known.kind;
  if (column.starts_with(kMetrics) && column.size() > kMetrics.size()) return Kind::kReal;
  for (const std::string_view prefix : {kParams, kTags})
    if (column.starts_with(prefix) && column.size() > prefix.size()) return Kind::kText;
  return std::nullopt;
}

template <class Item>
const Item* find_key(const std::vector<Item>& sorted, std::string_view key) {
  const auto at =
      std::lower_bound(sorted.begin(), sorted.end(), key,
                       [](const Item& item, std::string_view k) { return item.key < k; });
  return at != sorted.end() && at->key == key ? &*at : nullptr;
}

std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  return python_repr(value);
}

Cell cell_of(const Run& run, const std::string& experiment, std::string_view column) {
  if (column.starts_with(kMetrics)) {
    const auto* series = find_key(run.metrics, column.substr(kMetrics.size()));
    return series == nullptr ? Cell() : Cell(number_text(series->value));
  }
  if (column.starts_with(kParams)) {
    const auto* param = find_key(run.params, column.substr(kParams.size()));
    return param == nullptr ? Cell() : Cell(param->value);
  }
  if (column.starts_with(kTags)) {
    const auto* tag = find_key(run.tags, column.substr(kTags.size()));
    return tag == nullptr ? Cell() : Cell(tag->value);
  }
  for (const OfEveryRun& known : kOfEveryRun)
    if (column == known.name) return known.cell(run, experiment);
  return std::nullopt;
}

Error too_many_columns() {
  return invalid("the runs have more than " + std::to_string(kExportColumnsMax) +
                 " params, metrics and tags together: name the columns that are wanted, or export "
                 "as JSON");
}

/// Which keys there are, in the order of their bytes.
Result<> add_keys(db::Tx& tx, const char* table, std::string_view prefix,
                  const std::vector<std::int64_t>& experiments, const std::string& view,
                  std::vector<std::string>& columns) {
  std::string list;
  for (const std::int64_t id : experiments) list += (list.empty() ? "" : ",") + std::to_string(id);
  const char* which = view == "all"       ? ""
                      : view == "deleted" ? " and deleted <> 0"
                                          : " and deleted = 0";
  return tx.query(
      std::string("select distinct key from ") + table +
          " where run in (select id from runs where experiment in (" + list + ")" + which +
          ") order by key",
      {},
      [&](const db::Columns& row) -> Result<> {
        if (columns.size() >= kExportColumnsMax) return too_many_columns();
        columns.push_back(std::string(prefix) + std::string(row.text(0)));
        return {};
      },
      /*cache=*/false);
}

Result<std::vector<std::string>> columns_of(const TrackedWorld& world, const ExportRequest& request,
                                            const std::vector<std::int64_t>& experiments) {
  std::vector<std::string> columns;
  if (request.columns.size() > kExportColumnsMax) return too_many_columns();
  for (const std::string& column : request.columns) {
    if (!kind_of(column)) {
      return invalid("found the column '" + column +
                     "', expected run_id, name, experiment_id, experiment, status, deleted, user, "
                     "start_time, end_time, artifact_uri, params.KEY, metrics.KEY or tags.KEY");
    }
    columns.push_back(column);
  }
  if (!columns.empty()) return columns;
  for (const OfEveryRun& known : kOfEveryRun) columns.emplace_back(known.name);
  if (experiments.empty()) return columns;
  TRY(world.pool.read([&](db::Tx& tx) -> Result<> {
    TRY(add_keys(tx, "run_params", kParams, experiments, request.view, columns));
    TRY(add_keys(tx, "metric_series", kMetrics, experiments, request.view, columns));
    return add_keys(tx, "run_tags", kTags, experiments, request.view, columns);
  }));
  return columns;
}

Result<tracking::View> view_of(const std::string& text) {
  if (text.empty() || text == "active") return tracking::View::kActive;
  if (text == "deleted") return tracking::View::kDeleted;
  if (text == "all") return tracking::View::kAll;
  return invalid("found the view '" + text + "', expected active, deleted or all");
}

// --- the text ---

class Export final : public http::BodyReader {
 public:
  Export(const TrackedWorld& world, tracking::RunQuery query, ExportRequest request)
      : world_(world), query_(std::move(query)), request_(std::move(request)) {
    if (is_json()) {
      text_ = "[";
      return;
    }
    for (std::size_t i = 0; i < request_.columns.size(); ++i)
      text_ += (i == 0 ? "" : ",") + csv_cell(request_.columns[i], request_.spreadsheet);
    text_ += "\n";
  }

  Result<std::size_t> read(std::span<char> buffer) override {
    while (at_ == text_.size() && !done_) TRY(next_page());
    const std::size_t bytes = std::min(buffer.size(), text_.size() - at_);
    std::copy_n(text_.data() + at_, bytes, buffer.data());
    at_ += bytes;
    return bytes;
  }

 private:
  bool is_json() const { return request_.format == "json"; }

  Result<> next_page() {
    text_.clear();
    at_ = 0;
    const tracking::RunPage page = TRY(world_.tracking.search(query_));
    for (const Run& run : page.runs) {
      const std::string& experiment = TRY(name_of(run.info.experiment_id));
      if (is_json()) {
        text_ += (first_ ? "\n" : ",\n") + wire::dump(json_of_run(run, experiment));
      } else {
        text_ += csv_line(run, experiment, request_.columns, request_.spreadsheet);
      }
      first_ = false;
    }
    done_ = !page.more;
    if (done_ && is_json()) text_ += first_ ? "]\n" : "\n]\n";
    if (!done_) query_.after = tracking::place_of(page.runs.back(), query_);
    return {};
  }

  Result<std::string> name_of(std::int64_t experiment) {
    const auto known = names_.find(experiment);
    if (known != names_.end()) return known->second;
    return names_[experiment] = TRY(world_.tracking.experiment(experiment)).name;
  }

  const TrackedWorld world_;
  tracking::RunQuery query_;
  const ExportRequest request_;
  std::map<std::int64_t, std::string> names_;
  std::string text_;
  std::size_t at_ = 0;
  bool first_ = true, done_ = false;
};

}  // namespace

std::string csv_cell(std::string_view text, bool spreadsheet) {
  constexpr std::string_view kFormula = "=+-@\t\r";
  std::string cell(text);
  if (spreadsheet && !cell.empty() && kFormula.find(cell.front()) != std::string_view::npos)
    cell.insert(0, "'");
  const bool plain = !cell.empty() && cell.find_first_of(",\"\r\n") == std::string::npos &&
                     cell.front() != ' ' && cell.back() != ' ';
  return plain ? cell : "\"" + replace_all(cell, "\"", "\"\"") + "\"";
}

std::string csv_line(const Run& run, const std::string& experiment,
                     const std::vector<std::string>& columns, bool spreadsheet) {
  std::string line;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) line += ',';
    const Cell cell = cell_of(run, experiment, columns[i]);
    // A number is never a formula, also where it begins with a minus.
    if (cell) line += csv_cell(*cell, spreadsheet && kind_of(columns[i]) == Kind::kText);
  }
  return line + "\n";
}

Json json_of_number(double value) {
  return std::isnan(value) ? Json("NaN") : Json(value);
}

Json json_of_run(const Run& run, const std::string& experiment) {
  Json json;
  for (const OfEveryRun& known : kOfEveryRun) {
    const Cell cell = known.cell(run, experiment);
    json.set(known.name, cell ? Json(*cell) : Json());
  }
  json.set("deleted", run.info.deleted);
  Json params{Json::Object{}}, metrics{Json::Object{}}, tags{Json::Object{}};
  for (const tracking::Param& param : run.params) params.set(param.key, param.value);
  for (const tracking::SeriesHead& series : run.metrics)
    metrics.set(series.key, json_of_number(series.value));
  for (const tracking::Tag& tag : run.tags) tags.set(tag.key, tag.value);
  json.set("params", std::move(params));
  json.set("metrics", std::move(metrics));
  json.set("tags", std::move(tags));
  return json;
}

Result<Json> export_columns(const TrackedWorld& world, const ExportRequest& request,
                            const Seen& seen) {
  (void)TRY(view_of(request.view));
  const auto experiments = TRY(experiments_of(world, request.experiments, seen));
  Json::Array list;
  for (const std::string& column : TRY(columns_of(world, request, experiments))) {
    Json one;
    one.set("name", column);
    one.set("type", to_string(*kind_of(column)));
    list.push_back(std::move(one));
  }
  Json json;
  json.set("columns", std::move(list));
  return json;
}

Result<std::shared_ptr<http::BodyReader>> export_runs(const TrackedWorld& world,
                                                      const ExportRequest& request,
                                                      const Seen& seen) {
  if (!request.format.empty() && request.format != "csv" && request.format != "json")
    return invalid("found the format '" + request.format + "', expected csv or json");
  tracking::RunQuery query;
  query.experiments = TRY(experiments_of(world, request.experiments, seen));
  query.where = TRY(mlflow::to_conditions(request.filter, mlflow::kRunSearch));
  query.order = TRY(mlflow::to_order(request.order_by, mlflow::kRunSearch));
  query.view = TRY(view_of(request.view));
  query.limit = kPageRuns;
  ExportRequest settled = request;
  if (request.format != "json")
    settled.columns = TRY(columns_of(world, request, query.experiments));
  return std::shared_ptr<http::BodyReader>(
      std::make_shared<Export>(world, std::move(query), std::move(settled)));
}

}  // namespace slipway::app
