#include "domain/registry/registry.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/names.h"
#include "domain/registry/rows.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::registry {
namespace {

using rows::ModelRow;
using rows::VersionRow;
using wire::Json;

/// The last value of each key.
std::map<std::string, std::string> by_key(const Tags& tags) {
  std::map<std::string, std::string> last;
  for (const Tag& tag : tags) last[tag.key] = tag.value;
  return last;
}

Result<Page<std::int64_t>> find_ids(db::Tx& tx, const db::Sql& sql, int limit) {
  Page<std::int64_t> page;
  TRY(tx.query(
      sql.text, sql.values,
      [&](const db::Columns& row) -> Result<> {
        page.items.push_back(row.int64(0));
        return {};
      },
      /*cache=*/false));
  page.more = page.items.size() > static_cast<std::size_t>(limit);
  if (page.more) page.items.resize(static_cast<std::size_t>(limit));
  return page;
}

// --- facts --------------------------------------------------------------------------------------

std::string node_id(const std::string& model, std::int64_t number) {
  return model + "/" + std::to_string(number);
}

graph::NodeRef node_of(const std::string& model, std::int64_t number) {
  return {graph::kind::kModelVersion, node_id(model, number)};
}

graph::NodeRef node_of(const std::string& model) {
  return {graph::kind::kRegisteredModel, model};
}

Json object(std::initializer_list<Json::Member> members) {
  return Json(Json::Object(members));
}

/// The version in the graph, with what it was made from. The time of its making is in the edges
/// too: a model that was deleted and made anew has other versions under the same names.
Result<> put_version(db::Tx& tx, const VersionRow& row, UnixMs now) {
  const graph::NodeRef node = node_of(row.model, row.number);
  TRY(graph::put_node(tx, node,
                      object({{"source", row.source},
                              {"location", row.location},
                              {"model_id", row.logged_model_id},
                              {"run_id", row.run_id},
                              {"created_ms", row.created_ms}}),
                      now));
  const Json made = object({{"created_ms", row.created_ms}});
  if (!row.run_id.empty()) {
    TRY(graph::put_edge(
        tx, {node, graph::relation::kProducedBy, {graph::kind::kRun, row.run_id}, made}, now));
  }
  if (!row.logged_model_id.empty()) {
    TRY(graph::put_edge(
        tx, {node, graph::relation::kProducedBy, {graph::kind::kModel, row.logged_model_id}, made},
        now));
  }
  return {};
}

Result<> log(db::Tx& tx, const char* type, graph::NodeRef subject, const std::string& actor,
             Json data, UnixMs now) {
  TRY(graph::append_event(tx, {type, std::move(subject), actor, 0, std::move(data)}, now));
  return {};
}

// --- what is held -------------------------------------------------------------------------------

constexpr std::size_t kHoldsNamed = 5;

std::string words_of(const std::vector<Hold>& holds, bool with_version) {
  std::string words;
  for (std::size_t i = 0; i < std::min(holds.size(), kHoldsNamed); ++i) {
    words += words.empty() ? "" : "; ";
    if (with_version) words += "version " + std::to_string(holds[i].version) + ": ";
    words += holds[i].why;
  }
  const std::size_t more = holds.size() - std::min(holds.size(), kHoldsNamed);
  return words + (more > 0 ? "; and " + std::to_string(more) + " more" : "");
}

/// Of one version; 0: of all of the model.
Result<std::vector<Hold>> holds_of(db::Tx& tx, const Holds& holds, const std::string& model,
                                   std::int64_t number) {
  std::vector<Hold> found;
  if (holds) found = TRY(holds(tx, model));
  std::erase_if(found, [&](const Hold& hold) { return number != 0 && hold.version != number; });
  return found;
}

Error held(const std::string& what, const std::string& done, const std::string& by,
           const std::string& whose, const std::string& name) {
  return Error{Code::kConflict,
               what + " can't be " + done + ": " + by + ". For it to be " + done +
                   " nevertheless, set the " + whose + "'s tag '" + kReleaseTag + "' to '" + name +
                   "' and ask again.",
               "held"};
}

/// What the event says of it: nothing, or what was overruled.
Json overruled(const std::vector<Hold>& holds, bool with_version) {
  return holds.empty() ? Json() : object({{"held", words_of(holds, with_version)}});
}

/// May it go? What was overruled by name for it.
Result<Json> release_model(db::Tx& tx, const Holds& holds, const ModelRow& row, const char* done) {
  const auto found = TRY(holds_of(tx, holds, row.name, 0));
  if (found.empty()) return Json();
  const auto tag = TRY(tx.one<std::string>(
      "select value from registered_model_tags where model = ? and key = ?", row.id, kReleaseTag));
  if (tag == row.name) return overruled(found, true);
  return held("Registered Model (name=" + row.name + ")", done, words_of(found, true), "model",
              row.name);
}

Result<Json> release_version(db::Tx& tx, const Holds& holds, const VersionRow& row) {
  const auto found = TRY(holds_of(tx, holds, row.model, row.number));
  if (found.empty()) return Json();
  const std::string name = node_id(row.model, row.number);
  const auto tag = TRY(tx.one<std::string>(
      "select value from model_version_tags where version = ? and key = ?", row.id, kReleaseTag));
  if (tag == name) return overruled(found, false);
  return held("Model Version (name=" + row.model + ", version=" + std::to_string(row.number) + ")",
              "deleted", words_of(found, false), "version", name);
}

/// A value that was another one before, or was not there; nothing for a change that changes
/// nothing.
Result<> log_change(db::Tx& tx, const char* type, graph::NodeRef subject, const std::string& actor,
                    const std::string& key, const std::optional<std::string>& before,
                    const std::optional<std::string>& after, UnixMs now) {
  if (before == after) return {};
  Json data = object({});
  if (!key.empty()) data.set("key", key);
  if (before) data.set("from", *before);
  if (after) data.set("to", *after);
  return log(tx, type, std::move(subject), actor, std::move(data), now);
}

// --- writes -------------------------------------------------------------------------------------

Result<> touch_model(db::Tx& tx, const std::string& name, UnixMs now) {
  TRY(tx.run("update registered_models set updated_ms = ? where name = ?", now, name));
  return {};
}

Result<Model> insert_model(db::Tx& tx, const std::string& actor, const NewModel& model,
                           UnixMs now) {
  auto id = TRY(tx.one<std::int64_t>(
      "insert into registered_models (name, created_ms, updated_ms, description) "
      "values (?, ?, ?, ?) on conflict do nothing returning id",
      model.name, now, now, model.description));
  if (!id) {
    return Error{Code::kConflict, "Registered Model (name=" + model.name + ") already exists.",
                 "already_exists"};
  }
  for (const auto& [key, value] : by_key(model.tags)) {
    TRY(tx.run("insert into registered_model_tags (model, key, value) values (?, ?, ?)", *id, key,
               value));
  }
  TRY(log(tx, "registered_model.created", node_of(model.name), actor, {}, now));
  return rows::load_model(tx, *id);
}

Result<Model> rename(db::Tx& tx, const Holds& holds, const std::string& actor,
                     const std::string& name, const std::string& new_name, UnixMs now) {
  const ModelRow row = TRY(rows::find_model(tx, name));
  Json told = object({{"from", name}});
  auto taken =
      TRY(tx.one<std::int64_t>("select id from registered_models where name = ?", new_name));
  if (taken && *taken != row.id) {
    return Error{Code::kConflict, "Registered Model (name=" + new_name + ") already exists.",
                 "already_exists"};
  }
  if (new_name != name) {
    const Json gone = TRY(release_model(tx, holds, row, "renamed"));
    if (const Json* what = gone.find("held")) told.set("held", *what);
  }
  TRY(tx.run("update registered_models set name = ?, updated_ms = ? where id = ?", new_name, now,
             row.id));
  TRY(tx.run("update model_versions set updated_ms = ? where model = ?", now, row.id));
  auto numbers = TRY(tx.all<std::int64_t>(
      "select number from model_versions where model = ? and deleted_ms is null", row.id));
  for (std::int64_t number : numbers) {
    TRY(put_version(tx, TRY(rows::find_version(tx, new_name, number)), now));
  }
  TRY(log(tx, "registered_model.renamed", node_of(new_name), actor, std::move(told), now));
  return rows::load_model(tx, row.id);
}

Result<> erase_model(db::Tx& tx, const Holds& holds, const std::string& actor,
                     const std::string& name, UnixMs now) {
  const ModelRow row = TRY(rows::find_model(tx, name));
  Json told = TRY(release_model(tx, holds, row, "deleted"));
  TRY(
      tx.run("delete from model_version_tags where version in "
             "(select id from model_versions where model = ?)",
             row.id));
  TRY(tx.run("delete from model_versions where model = ?", row.id));
  TRY(tx.run("delete from model_aliases where model = ?", row.id));
  TRY(tx.run("delete from registered_model_tags where model = ?", row.id));
  TRY(tx.run("delete from registered_models where id = ?", row.id));
  return log(tx, "registered_model.deleted", node_of(name), actor, std::move(told), now);
}

/// What a version is made from, once the names in it are resolved.
struct Origin {
  std::string source, location, run_id, logged_model_id;
};

Result<VersionRow> find_by_reference(db::Tx& tx, const Reference& reference) {
  const ModelRow model = TRY(rows::find_model(tx, reference.model));
  if (reference.number) return rows::find_version(tx, reference.model, *reference.number);
  std::optional<std::int64_t> number;
  if (!reference.alias.empty()) {
    number =
        TRY(tx.one<std::int64_t>("select number from model_aliases where model = ? and alias = ?",
                                 model.id, reference.alias));
    if (!number) return invalid("Registered model alias " + reference.alias + " not found.");
  } else if (reference.stage.empty()) {
    number =
        TRY(tx.one<std::int64_t>("select number from model_versions where model = ? "
                                 "and deleted_ms is null order by number desc limit 1",
                                 model.id));
  } else {
    auto stage = parse_stage(reference.stage);
    if (!stage) return invalid("Invalid Model Version stage: " + reference.stage + ".");
    number = TRY(tx.one<std::int64_t>(
        "select number from model_versions where model = ? and stage = ? and deleted_ms is null "
        "order by number desc limit 1",
        model.id, to_string(*stage)));
  }
  if (number) return rows::find_version(tx, reference.model, *number);
  std::string of_stage = reference.stage.empty() ? "" : " and stage '" + reference.stage + "'";
  return missing("No versions of model with name '" + reference.model + "'" + of_stage + " found");
}

Result<LoggedModel> find_origin_model(db::Tx& tx, const std::string& id) {
  auto model = TRY(find_logged_model(tx, id));
  if (!model) return missing("Logged model with ID '" + id + "' not found.");
  return std::move(*model);
}

Result<Origin> origin_of_version(const NewVersion& version, const VersionRow& from) {
  const bool other_run = !version.run_id.empty() && version.run_id != from.run_id;
  const bool other_model =
      !version.logged_model_id.empty() && version.logged_model_id != from.logged_model_id;
  if (other_run || other_model) {
    return invalid("Invalid model version source: '" + version.source +
                   "'. The run_id and model_id request parameters must match the referenced model "
                   "version.");
  }
  return Origin{"models:/" + node_id(from.model, from.number), from.location, from.run_id,
                from.logged_model_id};
}

Result<Origin> find_origin(db::Tx& tx, const NewVersion& version) {
  Origin origin{version.source, version.location.empty() ? version.source : version.location,
                version.run_id, version.logged_model_id};
  if (is_reference(version.source)) {
    const Reference reference = TRY(parse_reference(version.source));
    if (reference.logged_model_id.empty()) {
      return origin_of_version(version, TRY(find_by_reference(tx, reference)));
    }
    LoggedModel model = TRY(find_origin_model(tx, reference.logged_model_id));
    origin.location = model.location;
    if (origin.run_id.empty()) origin.run_id = model.run_id;
  } else if (origin.run_id.empty() && !origin.logged_model_id.empty()) {
    origin.run_id = TRY(find_origin_model(tx, origin.logged_model_id)).run_id;
  }
  return origin;
}

/// Adds the version to the list that its logged model keeps in a tag.
Result<> list_version(db::Tx& tx, const std::string& model_id, const std::string& tag,
                      const std::string& name, std::int64_t number) {
  auto text = TRY(tx.one<std::string>(
      "select value from logged_model_tags where model_id = ? and key = ?", model_id, tag));
  Json list(Json::Array{});
  if (text) {
    Result<Json> known = wire::parse(*text);
    if (known.ok() && known->is_array()) list = std::move(*known);
  }
  list.as_array().push_back(object({{"name", name}, {"version", number}}));
  TRY(
      tx.run("insert into logged_model_tags (model_id, key, value) values (?, ?, ?) "
             "on conflict (model_id, key) do update set value = excluded.value",
             model_id, tag, wire::dump(list, {.spaces = true})));
  return {};
}

Result<std::int64_t> insert_version_row(db::Tx& tx, const ModelRow& model,
                                        const NewVersion& version, const Origin& origin,
                                        UnixMs now) {
  auto last = TRY(tx.one<std::int64_t>(
      "select coalesce(max(number), 0) from model_versions where model = ?", model.id));
  auto id = TRY(tx.one<std::int64_t>(
      "insert into model_versions (model, number, created_ms, updated_ms, description, stage, "
      "source, location, run_id, run_link, logged_model_id) "
      "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
      model.id, last.value_or(0) + 1, now, now, version.description, to_string(Stage::kNone),
      origin.source, origin.location, origin.run_id, version.run_link, origin.logged_model_id));
  if (!id) return internal("a version was stored without a key");
  for (const auto& [key, value] : by_key(version.tags)) {
    TRY(tx.run("insert into model_version_tags (version, key, value) values (?, ?, ?)", *id, key,
               value));
  }
  return *id;
}

Result<Version> insert_version(db::Tx& tx, const std::string& actor, const NewVersion& version,
                               UnixMs now) {
  const Origin origin = TRY(find_origin(tx, version));
  const ModelRow model = TRY(rows::find_model(tx, version.model));
  // Where a run is named too it has not been looked for yet.
  if (!origin.logged_model_id.empty()) TRY(find_origin_model(tx, origin.logged_model_id));
  const std::int64_t id = TRY(insert_version_row(tx, model, version, origin, now));
  Version made = TRY(rows::load_version(tx, id));
  TRY(touch_model(tx, model.name, now));
  TRY(put_version(tx, TRY(rows::find_version(tx, made.model, made.number)), now));
  TRY(log(tx, "model_version.created", node_of(made.model, made.number), actor,
          object({{"source", origin.source}, {"run_id", origin.run_id}}), now));
  if (!version.listing_tag.empty() && !origin.logged_model_id.empty()) {
    TRY(list_version(tx, origin.logged_model_id, version.listing_tag, made.model, made.number));
  }
  return made;
}

Result<> change_stage(db::Tx& tx, const std::string& actor, const VersionRow& row, Stage stage,
                      UnixMs now) {
  TRY(tx.run("update model_versions set stage = ?, updated_ms = ? where id = ?", to_string(stage),
             now, row.id));
  if (row.stage == to_string(stage)) return {};
  return log(tx, "model_version.stage_changed", node_of(row.model, row.number), actor,
             object({{"from", row.stage}, {"to", to_string(stage)}}), now);
}

Result<> archive_others(db::Tx& tx, const std::string& actor, const VersionRow& kept, Stage stage,
                        UnixMs now) {
  auto numbers = TRY(tx.all<std::int64_t>(
      "select v.number from model_versions v join registered_models m on m.id = v.model "
      "where m.name = ? and v.stage = ? and v.id <> ? and v.deleted_ms is null order by v.number",
      kept.model, to_string(stage), kept.id));
  for (std::int64_t number : numbers) {
    const VersionRow other = TRY(rows::find_version(tx, kept.model, number));
    TRY(change_stage(tx, actor, other, Stage::kArchived, now));
  }
  return {};
}

Result<> remove_alias(db::Tx& tx, const std::string& actor, const ModelRow& model,
                      const std::string& alias, UnixMs now) {
  auto number = TRY(tx.one<std::int64_t>(
      "delete from model_aliases where model = ? and alias = ? returning number", model.id, alias));
  if (!number) return {};
  return log(tx, "alias.deleted", node_of(model.name, *number), actor, object({{"alias", alias}}),
             now);
}

Result<> erase_version(db::Tx& tx, const Holds& holds, const std::string& actor,
                       const std::string& name, std::int64_t number, UnixMs now) {
  const VersionRow row = TRY(rows::find_version(tx, name, number));
  Json told = TRY(release_version(tx, holds, row));
  const ModelRow model = TRY(rows::find_model(tx, name));
  auto aliases = TRY(tx.all<std::string>(
      "select alias from model_aliases where model = ? and number = ? order by alias", model.id,
      number));
  for (const std::string& alias : aliases) TRY(remove_alias(tx, actor, model, alias, now));
  // Only that the number was taken is kept; the graph remembers what it was.
  TRY(
      tx.run("update model_versions set deleted_ms = ?, updated_ms = ?, description = '', "
             "source = '', location = '', run_id = '', run_link = '', logged_model_id = '' "
             "where id = ?",
             now, now, row.id));
  TRY(tx.run("delete from model_version_tags where version = ?", row.id));
  TRY(touch_model(tx, name, now));
  return log(tx, "model_version.deleted", node_of(name, number), actor, std::move(told), now);
}

}  // namespace

Result<> rows::put_facts(db::Tx& tx, const VersionRow& row, UnixMs now) {
  return put_version(tx, row, now);
}

Result<> put_alias(db::Tx& tx, const std::string& actor, const std::string& name,
                   const std::string& alias, std::int64_t number, std::int64_t cause_seq,
                   UnixMs now) {
  TRY(rows::find_version(tx, name, number));
  const ModelRow model = TRY(rows::find_model(tx, name));
  auto before = TRY(tx.one<std::int64_t>(
      "select number from model_aliases where model = ? and alias = ?", model.id, alias));
  if (before == number) return {};
  TRY(
      tx.run("insert into model_aliases (model, alias, number) values (?, ?, ?) "
             "on conflict (model, alias) do update set number = excluded.number",
             model.id, alias, number));
  Json data = object({{"alias", alias}});
  if (before) data.set("previous", *before);
  TRY(graph::append_event(
      tx, {"alias.set", node_of(name, number), actor, cause_seq, std::move(data)}, now));
  return {};
}

Result<std::optional<std::int64_t>> aliased_version(db::Tx& tx, const std::string& model,
                                                    const std::string& alias) {
  return tx.one<std::int64_t>(
      "select a.number from model_aliases a join registered_models m on m.id = a.model "
      "where m.name = ? and a.alias = ?",
      model, alias);
}

Result<std::optional<std::int64_t>> meant_version(db::Tx& tx, const std::string& name) {
  const Model model = TRY(rows::load_model(tx, TRY(rows::find_model(tx, name)).id));
  for (const Alias& alias : model.aliases)
    if (alias.alias == kMeantAlias) return std::optional(alias.number);
  std::int64_t production = 0, newest = 0;
  for (const Version& version : model.latest) {
    newest = std::max(newest, version.number);
    if (version.stage == Stage::kProduction) production = version.number;
  }
  if (newest == 0) return std::optional<std::int64_t>();
  return std::optional(production != 0 ? production : newest);
}

Result<std::string> model_tag(db::Tx& tx, const std::string& model, const std::string& key) {
  const auto value = TRY(tx.one<std::string>(
      "select t.value from registered_model_tags t join registered_models m on m.id = t.model "
      "where m.name = ? and t.key = ?",
      model, key));
  return value.value_or("");
}

Result<> Registry::told(db::Tx& tx, const Change& change, UnixMs now) const {
  if (!witness_) return {};
  return witness_(tx, change, now);
}

Registry::Registry(db::Pool& pool, const Clock& clock, std::function<void()> changed, Holds holds)
    : pool_(pool), clock_(clock), changed_(std::move(changed)), holds_(std::move(holds)) {}

template <class F, class T>
void Registry::write(F f, Done<T> done) {
  pool_.write_later([f = std::move(f), this](db::Tx& tx) { return f(tx, clock_.now_ms()); },
                    Done<T>([this, done = std::move(done)](Result<T> result) mutable {
                      if (result.ok() && changed_) changed_();
                      done(std::move(result));
                    }));
}

// --- reads --------------------------------------------------------------------------------------

Result<Model> Registry::model(const std::string& name) {
  TRY(check_model_name(name));
  return pool_.read([&](db::Tx& tx) -> Result<Model> {
    return rows::load_model(tx, TRY(rows::find_model(tx, name)).id);
  });
}

Result<std::vector<Version>> Registry::latest_versions(const std::string& name,
                                                       const std::vector<Stage>& stages) {
  TRY(check_model_name(name));
  std::vector<Version> latest = TRY(pool_.read([&](db::Tx& tx) -> Result<std::vector<Version>> {
    return rows::load_latest(tx, TRY(rows::find_model(tx, name)).id);
  }));
  if (stages.empty()) return latest;
  std::erase_if(latest, [&](const Version& version) {
    return std::find(stages.begin(), stages.end(), version.stage) == stages.end();
  });
  return latest;
}

Result<Version> Registry::version(const std::string& name, std::int64_t number) {
  TRY(check_model_name(name));
  return pool_.read([&](db::Tx& tx) -> Result<Version> {
    return rows::load_version(tx, TRY(rows::find_version(tx, name, number)).id);
  });
}

Result<Version> Registry::version_by_alias(const std::string& name, const std::string& alias) {
  TRY(check_model_name(name));
  TRY(check_alias(alias, /*to_set=*/false));
  if (to_lower(alias) == "latest") {
    std::vector<Version> latest = TRY(latest_versions(name, {}));
    if (latest.empty()) return missing("Latest version not found for model " + name + ".");
    return *std::max_element(latest.begin(), latest.end(), [](const Version& a, const Version& b) {
      return a.number < b.number;
    });
  }
  Reference reference;
  reference.model = name;
  reference.alias = alias;
  return resolve(reference);
}

Result<Version> Registry::resolve(const Reference& reference) {
  if (!reference.logged_model_id.empty()) {
    return invalid("'" + reference.logged_model_id + "' is a logged model, not a version");
  }
  return pool_.read([&](db::Tx& tx) -> Result<Version> {
    return rows::load_version(tx, TRY(find_by_reference(tx, reference)).id);
  });
}

Result<Page<Model>> Registry::search_models(const Query& query) {
  const db::Sql sql = TRY(models_sql(pool_.engine(), query));
  return pool_.read([&](db::Tx& tx) -> Result<Page<Model>> {
    Page<std::int64_t> ids = TRY(find_ids(tx, sql, query.limit));
    return Page<Model>{TRY(rows::load_models(tx, ids.items)), ids.more};
  });
}

Result<Page<Version>> Registry::search_versions(const Query& query) {
  const db::Sql sql = TRY(versions_sql(pool_.engine(), query));
  return pool_.read([&](db::Tx& tx) -> Result<Page<Version>> {
    Page<std::int64_t> ids = TRY(find_ids(tx, sql, query.limit));
    return Page<Version>{TRY(rows::load_versions(tx, ids.items)), ids.more};
  });
}

Result<std::vector<KnownModel>> Registry::known() {
  return pool_.read([](db::Tx& tx) -> Result<std::vector<KnownModel>> {
    std::map<std::string, KnownModel> models;
    TRY(tx.query("select name from registered_models", std::vector<db::Value>{},
                 [&](const db::Columns& row) -> Result<> {
                   std::string name(row.text(0));
                   models[name].name = name;
                   return {};
                 }));
    TRY(
        tx.query("select m.name, v.number, v.stage, v.created_ms, v.location from model_versions v "
                 "join registered_models m on m.id = v.model where v.deleted_ms is null "
                 "order by v.number",
                 std::vector<db::Value>{}, [&](const db::Columns& row) -> Result<> {
                   models[std::string(row.text(0))].versions.push_back(
                       {row.int64(1), parse_stage(row.text(2)).value_or(Stage::kNone), row.int64(3),
                        std::string(row.text(4))});
                   return {};
                 }));
    TRY(tx.query(
        "select m.name, a.alias, a.number from model_aliases a "
        "join registered_models m on m.id = a.model",
        std::vector<db::Value>{}, [&](const db::Columns& row) -> Result<> {
          models[std::string(row.text(0))].aliases[std::string(row.text(1))] = row.int64(2);
          return {};
        }));
    std::vector<KnownModel> known;
    for (auto& [name, model] : models) known.push_back(std::move(model));
    return known;
  });
}

// --- models -------------------------------------------------------------------------------------

namespace {

Result<> check_new_model(const NewModel& model) {
  TRY(check_model_name(model.name));
  TRY(check_description(model.description));
  return check_tags(model.tags);
}

Result<> check_new_version(const NewVersion& version) {
  TRY(check_model_name(version.model));
  TRY(check_description(version.description));
  TRY(check_description(version.run_link));
  return check_tags(version.tags);
}

}  // namespace

void Registry::create_model(std::string actor, NewModel model, Done<Model> done) {
  if (auto checked = check_new_model(model); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), model = std::move(model)](db::Tx& tx,
                                                                 UnixMs now) -> Result<Model> {
        Model made = TRY(insert_model(tx, actor, model, now));
        Change change{Change::Kind::kModelCreated, model.name};
        change.new_model = &model;
        TRY(told(tx, change, now));
        if (account_.making) TRY(account_.making(tx, actor, model.name, now));
        return made;
      },
      std::move(done));
}

void Registry::rename_model(std::string actor, std::string name, std::string new_name,
                            Done<Model> done) {
  if (auto checked = check_model_name(name); !checked.ok()) return done(checked.error());
  if (auto checked = check_model_name(new_name, "new_name"); !checked.ok()) {
    return done(checked.error());
  }
  write(
      [this, actor = std::move(actor), name = std::move(name), new_name = std::move(new_name)](
          db::Tx& tx, UnixMs now) -> Result<Model> {
        Model renamed = TRY(rename(tx, holds_, actor, name, new_name, now));
        if (account_.renaming && name != new_name) TRY(account_.renaming(tx, name, new_name));
        return renamed;
      },
      std::move(done));
}

void Registry::describe_model(std::string actor, std::string name, std::string description,
                              Done<Model> done) {
  if (auto checked = check_description(description); !checked.ok()) return done(checked.error());
  write(
      [actor = std::move(actor), name = std::move(name), description = std::move(description)](
          db::Tx& tx, UnixMs now) -> Result<Model> {
        const ModelRow row = TRY(rows::find_model(tx, name));
        TRY(log_change(tx, "registered_model.described", node_of(name), actor, "", row.description,
                       description, now));
        TRY(tx.run("update registered_models set description = ?, updated_ms = ? where id = ?",
                   description, now, row.id));
        return rows::load_model(tx, row.id);
      },
      std::move(done));
}

void Registry::delete_model(std::string actor, std::string name, Done<> done) {
  write(
      [this, actor = std::move(actor), name = std::move(name)](db::Tx& tx, UnixMs now) -> Result<> {
        TRY(erase_model(tx, holds_, actor, name, now));
        if (account_.deleting) TRY(account_.deleting(tx, name));
        return {};
      },
      std::move(done));
}

void Registry::set_model_tag(std::string actor, std::string name, Tag tag, Done<> done) {
  if (auto checked = check_tag(tag); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), name = std::move(name), tag = std::move(tag)](
          db::Tx& tx, UnixMs now) -> Result<> {
        const ModelRow row = TRY(rows::find_model(tx, name));
        const auto before = TRY(tx.one<std::string>(
            "select value from registered_model_tags where model = ? and key = ?", row.id,
            tag.key));
        TRY(log_change(tx, "registered_model.tag_set", node_of(name), actor, tag.key, before,
                       tag.value, now));
        TRY(
            tx.run("insert into registered_model_tags (model, key, value) values (?, ?, ?) "
                   "on conflict (model, key) do update set value = excluded.value",
                   row.id, tag.key, tag.value));
        return told(tx, {Change::Kind::kModelTagSet, name, 0, tag}, now);
      },
      std::move(done));
}

void Registry::delete_model_tag(std::string actor, std::string name, std::string key, Done<> done) {
  if (auto checked = check_tag_key(key); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), name = std::move(name), key = std::move(key)](
          db::Tx& tx, UnixMs now) -> Result<> {
        const ModelRow row = TRY(rows::find_model(tx, name));
        const auto before = TRY(tx.one<std::string>(
            "delete from registered_model_tags where model = ? and key = ? returning value", row.id,
            key));
        TRY(log_change(tx, "registered_model.tag_deleted", node_of(name), actor, key, before,
                       std::nullopt, now));
        return told(tx, {Change::Kind::kModelTagDeleted, name, 0, {key, ""}}, now);
      },
      std::move(done));
}

// --- versions -----------------------------------------------------------------------------------

void Registry::create_version(std::string actor, NewVersion version, Done<Version> done) {
  if (auto checked = check_new_version(version); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), version = std::move(version)](
          db::Tx& tx, UnixMs now) -> Result<Version> {
        Version made = TRY(insert_version(tx, actor, version, now));
        Change change{Change::Kind::kVersionCreated, made.model, made.number};
        change.new_version = &version;
        TRY(told(tx, change, now));
        return made;
      },
      std::move(done));
}

void Registry::describe_version(std::string actor, std::string name, std::int64_t number,
                                std::string description, Done<Version> done) {
  if (auto checked = check_description(description); !checked.ok()) return done(checked.error());
  write(
      [actor = std::move(actor), name = std::move(name), number,
       description = std::move(description)](db::Tx& tx, UnixMs now) -> Result<Version> {
        const VersionRow row = TRY(rows::find_version(tx, name, number));
        TRY(log_change(tx, "model_version.described", node_of(name, number), actor, "",
                       row.description, description, now));
        TRY(tx.run("update model_versions set description = ?, updated_ms = ? where id = ?",
                   description, now, row.id));
        return rows::load_version(tx, row.id);
      },
      std::move(done));
}

void Registry::set_stage(std::string actor, std::string name, std::int64_t number, Stage stage,
                         bool archive_existing, Done<Version> done) {
  write(
      [actor = std::move(actor), name = std::move(name), number, stage, archive_existing](
          db::Tx& tx, UnixMs now) -> Result<Version> {
        const VersionRow row = TRY(rows::find_version(tx, name, number));
        if (archive_existing) TRY(archive_others(tx, actor, row, stage, now));
        TRY(change_stage(tx, actor, row, stage, now));
        TRY(touch_model(tx, name, now));
        return rows::load_version(tx, row.id);
      },
      std::move(done));
}

void Registry::delete_version(std::string actor, std::string name, std::int64_t number,
                              Done<> done) {
  write([this, actor = std::move(actor), name = std::move(name), number](
            db::Tx& tx, UnixMs now) { return erase_version(tx, holds_, actor, name, number, now); },
        std::move(done));
}

void Registry::set_version_tag(std::string actor, std::string name, std::int64_t number, Tag tag,
                               Done<> done) {
  if (auto checked = check_tag(tag); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), name = std::move(name), number, tag = std::move(tag)](
          db::Tx& tx, UnixMs now) -> Result<> {
        const VersionRow row = TRY(rows::find_version(tx, name, number));
        const auto before = TRY(tx.one<std::string>(
            "select value from model_version_tags where version = ? and key = ?", row.id, tag.key));
        TRY(log_change(tx, "model_version.tag_set", node_of(name, number), actor, tag.key, before,
                       tag.value, now));
        TRY(
            tx.run("insert into model_version_tags (version, key, value) values (?, ?, ?) "
                   "on conflict (version, key) do update set value = excluded.value",
                   row.id, tag.key, tag.value));
        return told(tx, {Change::Kind::kVersionTagSet, name, number, tag}, now);
      },
      std::move(done));
}

void Registry::delete_version_tag(std::string actor, std::string name, std::int64_t number,
                                  std::string key, Done<> done) {
  if (auto checked = check_tag_key(key); !checked.ok()) return done(checked.error());
  write(
      [this, actor = std::move(actor), name = std::move(name), number, key = std::move(key)](
          db::Tx& tx, UnixMs now) -> Result<> {
        const VersionRow row = TRY(rows::find_version(tx, name, number));
        const auto before = TRY(tx.one<std::string>(
            "delete from model_version_tags where version = ? and key = ? returning value", row.id,
            key));
        TRY(log_change(tx, "model_version.tag_deleted", node_of(name, number), actor, key, before,
                       std::nullopt, now));
        return told(tx, {Change::Kind::kVersionTagDeleted, name, number, {key, ""}}, now);
      },
      std::move(done));
}

// --- aliases ------------------------------------------------------------------------------------

void Registry::set_alias(std::string actor, std::string name, std::string alias,
                         std::int64_t number, Done<> done) {
  if (auto checked = check_alias(alias, /*to_set=*/true); !checked.ok()) {
    return done(checked.error());
  }
  write(
      [this, actor = std::move(actor), name = std::move(name), alias = std::move(alias), number](
          db::Tx& tx, UnixMs now) -> Result<> {
        TRY(put_alias(tx, actor, name, alias, number, 0, now));
        return told(tx, {Change::Kind::kAliasSet, name, number, {}, alias}, now);
      },
      std::move(done));
}

void Registry::delete_alias(std::string actor, std::string name, std::string alias, Done<> done) {
  if (auto checked = check_alias(alias, /*to_set=*/false); !checked.ok()) {
    return done(checked.error());
  }
  write(
      [this, actor = std::move(actor), name = std::move(name), alias = std::move(alias)](
          db::Tx& tx, UnixMs now) -> Result<> {
        TRY(remove_alias(tx, actor, TRY(rows::find_model(tx, name)), alias, now));
        return told(tx, {Change::Kind::kAliasDeleted, name, 0, {}, alias}, now);
      },
      std::move(done));
}

}  // namespace slipway::registry
