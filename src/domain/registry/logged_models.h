#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/result.h"
#include "domain/registry/query.h"
#include "domain/registry/types.h"
#include "io/db/db.h"

// What runs wrote: a folder of files that holds a model, with params, tags and metrics of its own.
namespace slipway::registry {

struct NewLoggedModel {
  std::string experiment_id = {};
  std::string name = {}, type = {}, run_id = {};  // the last two may be empty
  /// Of the experiment's files; those of the model go to "<folder>/models/<id>/artifacts".
  std::string experiment_location = {};
  Tags tags = {}, params = {};
};

/// "a/b?q" and "c/d" give "a/b/c/d?q": the path of a URI grows before its query.
std::string extend_location(const std::string& location, const std::string& path);

/// Any thread; see Registry for which calls wait. kMissing when a model is unknown or, where not
/// said otherwise, deleted.
class LoggedModels {
 public:
  /// `pool` and `clock` must outlive this.
  LoggedModels(db::Pool& pool, const Clock& clock);

  Result<LoggedModel> find(const std::string& id, bool also_deleted = false);
  Result<Page<LoggedModel>> search(const LoggedQuery& query);

  void create(std::string actor, NewLoggedModel model, Done<LoggedModel> done);
  void finalize(std::string actor, std::string id, LoggedModelStatus status,
                Done<LoggedModel> done);
  /// One that is deleted already is fine.
  void remove(std::string actor, std::string id, Done<> done);
  void set_tags(std::string id, Tags tags, Done<> done);
  /// kMissing for a tag that is not there.
  void delete_tag(std::string id, std::string key, Done<> done);
  /// kConflict, tag "already_exists", when one of them has another value already.
  void log_params(std::string id, Tags params, Done<> done);

 private:
  db::Pool& pool_;
  const Clock& clock_;
};

/// Keeps the metrics in the caller's write transaction, each point once. kMissing when a model is
/// unknown.
Result<> log_model_metrics(db::Tx& tx, std::span<const ModelMetric> metrics);

/// The logged model inside the caller's transaction; nothing when it is unknown or deleted.
Result<std::optional<LoggedModel>> find_logged_model(db::Tx& tx, const std::string& id);

}  // namespace slipway::registry
