#include "domain/features/training.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/features/point_in_time.h"
#include "domain/features/table_file.h"

namespace slipway::features {
namespace {

constexpr char kUsualEventTime[] = "event_timestamp";

std::string alias_of(const ViewUse& use) {
  return use.alias.empty() ? use.plan.view().name : use.alias;
}

std::string entity_column(const ViewUse& use, const std::string& key) {
  const auto mapped = use.keys.find(key);
  return mapped == use.keys.end() ? key : mapped->second;
}

Error no_column(const Table& table, const std::string& name, const std::string& for_what) {
  std::optional<std::string> close = nearest(name, table.names);
  return invalid("the entity table has no column '" + name + "' " + for_what +
                 (close ? "; did you mean '" + *close + "'?" : ""));
}

Result<const Column*> typed_column(const Table& table, const std::string& name, Type type,
                                   const std::string& for_what) {
  const Column* column = table.find(name);
  if (column == nullptr) return no_column(table, name, for_what);
  if (column->type == type) return column;
  return invalid("column '" + name + "' " + for_what + " is " + to_string(column->type) +
                 " in the entity table, expected " + to_string(type));
}

Result<const Column*> event_time_of(const Table& entities, const std::string& wanted) {
  if (!wanted.empty()) {
    return typed_column(entities, wanted, Type::kTimestamp, "(the event time)");
  }
  if (entities.find(kUsualEventTime) != nullptr) {
    return typed_column(entities, kUsualEventTime, Type::kTimestamp, "(the event time)");
  }
  const Column* only = nullptr;
  for (const Column& column : entities.columns) {
    if (column.type != Type::kTimestamp) continue;
    if (only != nullptr)
      return invalid("the entity table has several columns of timestamps: name one");
    only = &column;
  }
  if (only == nullptr)
    return invalid("the entity table has no column 'event_timestamp': name the time");
  return only;
}

/// One use's part of the set.
struct Part {
  std::vector<Column> columns;
  ViewReport report;
};

class PartMaker {
 public:
  PartMaker(const Table& entities, const Column& times, const ViewUse& use, const Table& source,
            const TrainingRules& rules)
      : entities_(entities),
        times_(times),
        use_(use),
        view_(use.plan.view()),
        source_(source),
        rules_(rules),
        calculator_(use.plan) {}

  Result<Part> make() {
    part_.report.view = use_.plan.id();
    part_.report.alias = alias_of(use_);
    part_.report.rows = entities_.rows;
    TRY(find_keys());
    TRY(add_stored());
    add_aggregates();
    TRY(add_request());
    std::vector<const Column*> scope;
    for (const Column& column : scope_) scope.push_back(&column);
    part_.columns = calculator_.outputs(scope, found_, part_.report.faults);
    return std::move(part_);
  }

 private:
  Result<> find_keys() {
    for (const Input& key : view_.entity) {
      const std::string name = entity_column(use_, key.name);
      keys_.push_back(TRY(typed_column(entities_, name, key.type,
                                       "(the key '" + key.name + "' of " + view_.name + ")")));
      const Column* column = source_.find(key.name);
      if (column == nullptr) return internal("the source of " + view_.name + " has no " + key.name);
      source_keys_.push_back(column);
    }
    return {};
  }

  Result<> add_stored() {
    SourceRows source{source_keys_, source_.find(view_.source.event_time), nullptr};
    if (!view_.source.created.empty()) source.created = source_.find(view_.source.created);
    const Matches matches =
        TRY(join(source, {keys_, &times_}, {view_.ttl_us, rules_.created_cutoff}));
    part_.report.unmatched = matches.unmatched;
    part_.report.expired = matches.expired;
    part_.report.undated = static_cast<std::size_t>(
        std::count(source.event_time->valid.begin(), source.event_time->valid.end(), 0));
    for (std::uint32_t row : matches.rows) found_.push_back(row == kNoRow ? 0 : 1);
    for (const Input& stored : view_.stored) {
      scope_.push_back(gather(*source_.find(stored.name), matches.rows));
    }
    return {};
  }

  void add_aggregates() {
    const std::size_t first = scope_.size();
    for (const Aggregate& aggregate : view_.aggregates) scope_.emplace_back(aggregate.type);
    if (view_.aggregates.empty()) return;
    std::vector<const Column*> row_scope;
    for (const Input& input : use_.plan.row_scope()) row_scope.push_back(source_.find(input.name));
    const auto histories = histories_of(
        use_.plan, source_, calculator_.operands(row_scope, source_.rows, part_.report.faults));
    const bool cutoff = rules_.created_cutoff && !view_.source.created.empty();
    for (std::size_t row = 0; row < entities_.rows; ++row) {
      std::vector<Value> values(view_.aggregates.size());
      if (times_.valid[row] != 0) {
        const auto history = histories.find(pack_key(keys_, row));
        values = calculator_.aggregates(history == histories.end() ? nullptr : &history->second,
                                        times_.ints[row], cutoff, part_.report.faults);
      }
      for (std::size_t i = 0; i < values.size(); ++i) scope_[first + i].push(values[i]);
    }
  }

  Result<> add_request() {
    for (const Input& input : view_.request) {
      scope_.push_back(*TRY(typed_column(entities_, input.name, input.type,
                                         "(of the requests to " + view_.name + ")")));
    }
    scope_.push_back(times_);
    return {};
  }

  const Table& entities_;
  const Column& times_;
  const ViewUse& use_;
  const View& view_;
  const Table& source_;
  const TrainingRules& rules_;
  Calculator calculator_;
  std::vector<const Column*> keys_, source_keys_;
  std::vector<std::uint8_t> found_;
  std::vector<Column> scope_;
  Part part_;
};

Result<> add_part(Table& table, const ViewUse& use, Part part, bool full_names) {
  const std::vector<Input> outputs = use.plan.view().outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string name = full_names ? alias_of(use) + "__" + outputs[i].name : outputs[i].name;
    if (table.find(name) != nullptr) {
      return with_tag(invalid("two columns would be named '" + name + "' (one is from " +
                              alias_of(use) + "): ask for full names, or give it an alias"),
                      "name_collision");
    }
    table.add(name, std::move(part.columns[i]));
  }
  return {};
}

Result<std::string> md5_if_unchanged(const std::filesystem::path& file, const std::string& before) {
  std::string after = TRY(md5_of_file(file));
  if (after == before) return after;
  return conflict(file.string() + " changed while it was read: try again");
}

}  // namespace

Result<std::vector<Input>> typed_columns(const std::vector<ViewUse>& uses,
                                         const std::string& event_time) {
  std::vector<Input> all;
  all.push_back({event_time.empty() ? kUsualEventTime : event_time, Type::kTimestamp});
  const auto want = [&](const std::string& name, Type type) -> Result<> {
    for (const Input& known : all) {
      if (known.name != name) continue;
      if (known.type == type) return {};
      return invalid("column '" + name + "' would have to be " + to_string(known.type) + " and " +
                     to_string(type));
    }
    all.push_back({name, type});
    return {};
  };
  for (const ViewUse& use : uses) {
    for (const Input& key : use.plan.view().entity)
      TRY(want(entity_column(use, key.name), key.type));
    for (const Input& input : use.plan.view().request) TRY(want(input.name, input.type));
  }
  return all;
}

Result<TrainingSet> make_training_set(const Table& entities, const std::vector<ViewUse>& uses,
                                      const std::vector<const Table*>& sources,
                                      const TrainingRules& rules) {
  const Column* times = TRY(event_time_of(entities, rules.event_time));
  TrainingSet set;
  set.table = entities;
  for (std::size_t i = 0; i < uses.size(); ++i) {
    for (const auto& [key, column] : uses[i].keys) {
      const std::vector<Input>& known = uses[i].plan.view().entity;
      if (std::any_of(known.begin(), known.end(),
                      [&, name = key](const Input& k) { return k.name == name; })) {
        continue;
      }
      return invalid("'" + key + "' (mapped to '" + column + "') is no key of " +
                     uses[i].plan.view().name);
    }
    Part part = TRY(PartMaker(entities, *times, uses[i], *sources[i], rules).make());
    set.reports.push_back(part.report);
    TRY(add_part(set.table, uses[i], std::move(part), rules.full_names));
  }
  return set;
}

Result<Table> read_source(const std::filesystem::path& root, const Plan& plan) {
  const Source& source = plan.view().source;
  std::vector<Wanted> wanted;
  for (const Input& input : plan.row_scope()) {
    std::string in_file = input.name;
    for (const auto& [from, to] : source.rename) {
      if (to == input.name) in_file = from;
    }
    wanted.push_back({in_file, input});
  }
  Result<Table> table = read_columns(root / source.file, wanted);
  if (!table.ok()) return with_context("reading the source of " + plan.view().name, table.error());
  return table;
}

std::unordered_map<std::string, History> histories_of(const Plan& plan, const Table& source,
                                                      const std::vector<Column>& operands) {
  const View& view = plan.view();
  std::vector<const Column*> keys;
  for (const Input& key : view.entity) keys.push_back(source.find(key.name));
  const Column& times = *source.find(view.source.event_time);
  const Column* created = view.source.created.empty() ? nullptr : source.find(view.source.created);
  std::vector<std::uint32_t> order;
  for (std::uint32_t row = 0; row < source.rows; ++row) {
    if (times.valid[row] != 0) order.push_back(row);
  }
  // Events that come in order are cheap to add.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return times.ints[a] < times.ints[b]; });
  std::unordered_map<std::string, History> histories;
  std::vector<Value> values(operands.size());
  for (std::uint32_t row : order) {
    std::string key = pack_key(keys, row);
    if (key.empty()) continue;
    for (std::size_t i = 0; i < operands.size(); ++i) values[i] = operands[i].at(row);
    EventId id{times.ints[row], kNoCreated, row + 1u};
    if (created != nullptr && created->valid[row] != 0) id.created_us = created->ints[row];
    histories.try_emplace(std::move(key), plan.operand_types()).first->second.add(id, values);
  }
  return histories;
}

Result<UseText> parse_use(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ':');
  UseText use;
  if (parts.size() > 3 || parts[0].empty()) {
    return invalid("found '" + std::string(text) +
                   "', expected VIEW, VIEW:ALIAS or "
                   "VIEW:ALIAS:KEY=COLUMN,...");
  }
  use.view = parts[0];
  if (parts.size() > 1) use.alias = parts[1];
  if (parts.size() < 3) return use;
  for (std::string_view pair : split(parts[2], ',')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || equals + 1 == pair.size()) {
      return invalid("found '" + std::string(pair) + "' in '" + std::string(text) +
                     "', expected KEY=COLUMN");
    }
    use.keys[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return use;
}

Result<TrainingResult> write_training_set(const TrainingFiles& files,
                                          const std::vector<ViewUse>& uses,
                                          const TrainingRules& rules) {
  TrainingResult result;
  result.entities_md5 = TRY(md5_of_file(files.entities));
  const Table entities = TRY(read_all(files.entities, TRY(typed_columns(uses, rules.event_time))));
  TRY(md5_if_unchanged(files.entities, result.entities_md5));
  std::vector<Table> sources;
  for (const ViewUse& use : uses) {
    const std::filesystem::path file = files.root / use.plan.view().source.file;
    const std::string before = TRY(md5_of_file(file));
    sources.push_back(TRY(read_source(files.root, use.plan)));
    result.sources_md5.push_back(TRY(md5_if_unchanged(file, before)));
  }
  std::vector<const Table*> pointers;
  for (const Table& source : sources) pointers.push_back(&source);
  TrainingSet set = TRY(make_training_set(entities, uses, pointers, rules));
  TRY(write_table(files.output, set.table));
  result.md5 = TRY(md5_of_file(files.output));
  result.rows = set.table.rows;
  result.reports = std::move(set.reports);
  return result;
}

}  // namespace slipway::features
