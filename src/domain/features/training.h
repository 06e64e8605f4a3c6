#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/features/plan.h"
#include "graph/graph.h"

// Training sets: the columns of an entity table followed by the features that were known at each
// row's time. Rows keep their order; there is one for each.
namespace slipway::features {

/// One use of a view: two uses of one view (the origin's and the destination's weather, say) have
/// different aliases and keys.
struct ViewUse {
  Plan plan;
  std::string alias;                        // "" is the view's name
  std::map<std::string, std::string> keys;  // the view's key -> the entity table's column
};

struct TrainingRules {
  std::string event_time;       // column of the entity table; "": "event_timestamp", else the only
                                // column of timestamps
  bool created_cutoff = false;  // only what had been created by the row's time
  bool full_names = false;      // ALIAS__FEATURE
};

/// What happened to a view's part.
struct ViewReport {
  std::string view;  // NAME@DIGEST
  std::string alias;
  std::size_t rows = 0;
  std::size_t unmatched = 0;  // no row of the entity at or before its time
  std::size_t expired = 0;    // older than the ttl
  std::size_t undated = 0;    // source rows without an event time
  Faults faults;
};

struct TrainingSet {
  Table table;
  std::vector<ViewReport> reports;
};

/// What `entities` must be read with: the time, and the keys and request columns of each use.
/// kInvalid when two uses want one column with different types.
Result<std::vector<Input>> typed_columns(const std::vector<ViewUse>& uses,
                                         const std::string& event_time);

/// Pure. `sources`: one per use, with the columns of Plan::row_scope(). kInvalid for columns that
/// are missing, have other types, or would have equal names in the result (tag "name_collision").
Result<TrainingSet> make_training_set(const Table& entities, const std::vector<ViewUse>& uses,
                                      const std::vector<const Table*>& sources,
                                      const TrainingRules& rules);

/// The source of a view, as make_training_set wants it.
Result<Table> read_source(const std::filesystem::path& root, const Plan& plan);

/// The histories of aggregates, by packed key, of all rows up to `until_us`. Rows without key or
/// event time are left out. `operands` as Calculator gives them.
std::unordered_map<std::string, History> histories_of(const Plan& plan, const Table& source,
                                                      const std::vector<Column>& operands);

/// "station", "station:origin" (an alias), "station:origin:id=origin_id,day=date" (keys too).
struct UseText {
  std::string view, alias;
  std::map<std::string, std::string> keys;
};
Result<UseText> parse_use(std::string_view text);

struct TrainingFiles {
  std::filesystem::path root;      // of the repository; sources are relative to it
  std::filesystem::path entities;  // CSV or Parquet
  std::filesystem::path output;    // CSV
};
struct TrainingResult {
  std::vector<ViewReport> reports;
  std::size_t rows = 0;
  std::string md5;  // of the output: the data version that the set is
  std::string entities_md5;
  std::vector<std::string> sources_md5;  // one per use
};
/// Reads, joins and writes. The same inputs give the same bytes. kConflict when a file changed
/// while it was read.
Result<TrainingResult> write_training_set(const TrainingFiles& files,
                                          const std::vector<ViewUse>& uses,
                                          const TrainingRules& rules);

/// How a training set looks in the graph: its data version, drawn from the view versions and from
/// the data versions of the entity table and of the sources.
struct TrainingFacts {
  std::vector<std::pair<graph::NodeRef, wire::Json>> nodes;
  std::vector<graph::Edge> edges;
  std::vector<graph::Event> events;
};
TrainingFacts to_graph(const TrainingFiles& files, const TrainingResult& result,
                       const std::vector<ViewUse>& uses, const TrainingRules& rules);
/// Writes them in the caller's transaction.
Result<> record(db::Tx& tx, const TrainingFacts& facts, UnixMs now_ms);

}  // namespace slipway::features
