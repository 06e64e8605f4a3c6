#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "domain/tracking/best.h"
#include "domain/tracking/run_images.h"
#include "domain/tracking/tracking.h"

// Fetches what best.h decides about: the value, group and commit of every run that matches come
// from columns; params are read of the best few, and of runs that may repeat them.
namespace slipway::tracking {
namespace {

constexpr std::size_t kLookedAt = 500;            // runs in which configurations are looked for
constexpr std::size_t kRepeatsLookedAt = 20'000;  // runs that may repeat one
constexpr std::size_t kNarrowingParams = 4;
constexpr std::size_t kRunsAtOnce = 500;

using Params = std::vector<Param>;

Result<std::unordered_map<std::int64_t, Params>> read_params(db::Tx& tx,
                                                             std::span<const std::int64_t> keys) {
  std::unordered_map<std::int64_t, Params> params;
  for (std::size_t at = 0; at < keys.size(); at += kRunsAtOnce) {
    const std::string list = to_list(keys.subspan(at, std::min(kRunsAtOnce, keys.size() - at)));
    TRY(tx.query(
        "select run, key, value from run_params where run in (" + list + ") order by run, key", {},
        [&](const db::Columns& columns) -> Result<> {
          params[columns.int64(0)].push_back(
              {std::string(columns.text(1)), std::string(columns.text(2))});
          return {};
        },
        /*cache=*/false));
  }
  return params;
}

Params without_varying(Params params, const std::vector<std::string>& varying) {
  std::erase_if(params, [&](const Param& param) { return may_vary(param.key, varying); });
  return params;
}

ColumnName value_column(const BestQuery& query) {
  switch (query.taken) {
    case Taken::kMin:
      return {Field::kMetricPart, query.metric + ".min"};
    case Taken::kMax:
      return {Field::kMetricPart, query.metric + ".max"};
    case Taken::kLast:
      break;
  }
  return {Field::kMetric, query.metric};
}

/// `query` with more conditions that must hold too.
RunQuery narrowed(RunQuery query, const std::vector<Condition>& more) {
  const bool alternatives = std::any_of(query.where.begin(), query.where.end(),
                                        [](const Condition& c) { return c.joint.either; });
  if (alternatives) {  // else brackets would only keep columns from being used
    query.where.front().joint.opens += 1;
    query.where.back().joint.closes += 1;
  }
  query.where.insert(query.where.end(), more.begin(), more.end());
  return query;
}

Condition same(Field field, const std::string& key, const Cell& cell) {
  Condition condition;
  condition.field = field;
  condition.key = key;
  condition.op = cell.state == CellState::kHere ? db::Op::kEqual : db::Op::kIsNull;
  if (cell.state == CellState::kHere) condition.value = cell.text;
  return condition;
}

/// A value that is a number: infinities are kept as the largest finite ones.
bool is_finite(const Cell& cell) {
  return cell.state == CellState::kHere && std::isfinite(cell.real) &&
         std::abs(cell.real) < std::numeric_limits<double>::max();
}

/// The runs of a query with value, commit and group.
struct Seen {
  RunTable table;
  bool grouped = false;
  const Cell& value(std::size_t row) const { return table.columns[0][row]; }
  const Cell& commit(std::size_t row) const { return table.columns[1][row]; }
  const Cell& group(std::size_t row) const { return table.columns[2][row]; }
};

class Finder {
 public:
  Finder(db::Pool& pool, RunImages& images, const BestQuery& query)
      : pool_(pool), images_(images), query_(query) {}

  Result<Best> find() {
    Best best;
    const Seen seen = TRY(look(query_.runs));
    const std::vector<Measured> runs = measured(seen, best);
    std::vector<Measured> leaders =
        query_.across ? best_of_groups(runs, query_.goal, query_.limit, best.groups)
                      : best_of_all(runs, query_.goal, kLookedAt);
    std::vector<std::int64_t> keys;
    for (const Measured& run : leaders) keys.push_back(seen.table.keys[run.row]);
    const auto params = TRY(pool_.read([&](db::Tx& tx) { return read_params(tx, keys); }));
    count_values(params);
    std::set<std::pair<std::string, std::string>> known;  // configurations, with their commits
    for (const Measured& run : leaders) {
      if (best.contenders.size() >= query_.limit) break;
      Contender contender = to_contender(seen, run, params);
      if (!query_.across && !known.insert({text_of(contender.params), contender.commit}).second) {
        continue;
      }
      TRY(add_repeats(contender, seen, run));
      best.contenders.push_back(std::move(contender));
    }
    judge(best.contenders, query_.goal, query_.confidence, best.confidence_each);
    return best;
  }

 private:
  Result<Seen> look(const RunQuery& query) {
    std::vector<ColumnName> names = {value_column(query_), {Field::kTag, kCommitTag}};
    if (query_.across) names.push_back(*query_.across);
    return Seen{TRY(images_.table(query, names)), query_.across.has_value()};
  }

  std::vector<Measured> measured(const Seen& seen, Best& best) const {
    std::vector<Measured> runs;
    for (std::size_t row = 0; row < seen.table.keys.size(); ++row) {
      if (seen.value(row).state == CellState::kMissing) continue;
      ++best.runs;
      if (!is_finite(seen.value(row))) {
        ++best.not_finite;
        continue;
      }
      const std::string_view group =
          seen.grouped ? std::string_view(seen.group(row).text) : std::string_view();
      runs.push_back(
          {row, group, seen.table.run_ids[row], seen.table.start_ms[row], seen.value(row).real});
    }
    return runs;
  }

  /// Params with many values tell configurations apart best.
  void count_values(const std::unordered_map<std::int64_t, Params>& params) {
    std::map<std::string, std::set<std::string>> values;
    for (const auto& [run, own] : params) {
      for (const Param& param : own) values[param.key].insert(param.value);
    }
    for (const auto& [key, different] : values) values_of_[key] = different.size();
  }

  static std::string text_of(const Params& params) {
    std::string text;
    for (const Param& param : params) {
      text += std::to_string(param.key.size()) + ":" + param.key;
      text += std::to_string(param.value.size()) + ":" + param.value;
    }
    return text;
  }

  Contender to_contender(const Seen& seen, const Measured& run,
                         const std::unordered_map<std::int64_t, Params>& params) const {
    Contender contender;
    contender.group = run.group;
    contender.run_id = run.run_id;
    contender.value = run.value;
    contender.start_ms = run.start_ms;
    contender.commit = seen.commit(run.row).text;
    const auto own = params.find(seen.table.keys[run.row]);
    if (own != params.end()) contender.params = without_varying(own->second, query_.varying);
    contender.repeats = {contender.run_id};
    contender.values = {contender.value};
    return contender;
  }

  /// What holds for every run that repeats this one, as far as columns can tell.
  std::vector<Condition> conditions_of(const Contender& contender, const Seen& seen,
                                       const Measured& run) const {
    std::vector<Condition> where{same(Field::kTag, kCommitTag, seen.commit(run.row))};
    if (query_.across)
      where.push_back(same(query_.across->field, query_.across->key, seen.group(run.row)));
    Params telling = contender.params;
    std::stable_sort(telling.begin(), telling.end(), [&](const Param& a, const Param& b) {
      return values_of_.at(a.key) > values_of_.at(b.key);
    });
    telling.resize(std::min(telling.size(), kNarrowingParams));
    for (const Param& param : telling) {
      where.push_back({Field::kParam, param.key, db::Op::kEqual, param.value, {}});
    }
    return where;
  }

  Result<> add_repeats(Contender& contender, const Seen& seen, const Measured& run) {
    const Seen like = TRY(look(narrowed(query_.runs, conditions_of(contender, seen, run))));
    if (like.table.keys.size() > kRepeatsLookedAt) {
      contender.complete = false;
      return {};
    }
    const std::string own = text_of(contender.params);
    for (std::size_t at = 0; at < like.table.keys.size(); at += kRunsAtOnce) {
      const std::size_t end = std::min(at + kRunsAtOnce, like.table.keys.size());
      const auto params = TRY(pool_.read([&](db::Tx& tx) {
        return read_params(tx, std::span(like.table.keys).subspan(at, end - at));
      }));
      for (std::size_t row = at; row < end; ++row) {
        if (like.table.run_ids[row] == contender.run_id || !is_finite(like.value(row))) continue;
        const auto found = params.find(like.table.keys[row]);
        const Params theirs = found == params.end() ? Params() : found->second;
        if (text_of(without_varying(theirs, query_.varying)) != own) continue;
        contender.repeats.push_back(like.table.run_ids[row]);
        contender.values.push_back(like.value(row).real);
      }
    }
    return {};
  }

  db::Pool& pool_;
  RunImages& images_;
  const BestQuery& query_;
  std::map<std::string, std::size_t> values_of_;
};

}  // namespace

Result<Best> Tracking::best(const BestQuery& query) {
  if (query.limit < 1 || query.limit > kContendersMax) {
    return invalid("found a limit of " + std::to_string(query.limit) +
                   " contenders, expected 1 to " + std::to_string(kContendersMax));
  }
  if (!(query.confidence > 0 && query.confidence < 1)) {
    return invalid("a confidence lies between 0 and 1, as 0.95 does");
  }
  (void)TRY(run_search_sql(pool_.engine(), query.runs));  // tells what is wrong with it
  return Finder(pool_, *images_, query).find();
}

}  // namespace slipway::tracking
