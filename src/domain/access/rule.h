#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/access/rights.h"
#include "io/http/message.h"

// What a route asks of its caller, as rows of a table. Each face has its rows; all together are
// the one table that every request is held to. A route without a row is for administrators only.
namespace slipway::access {

/// A thing that a request names, and what the caller must have on it.
struct Thing {
  enum class What {
    kExperiment,      // by its id
    kExperimentName,  //
    kRun,             // by its id: its experiment
    kLoggedModel,     // likewise
    kTrace,           // likewise
    kModel,           // by its name
    kPath,            // in the artifact store: the experiment that it belongs to
    kDeployment,      // by its name: its model; a name that is none is a model's
    kPerson,          // by the name: the caller's own
    kEverything,      // every experiment and every model
    kAdmin,           // for administrators only
  };
  What what = What::kAdmin;
  std::string id = {};
  Level level = Level::kManage;
};
using Things = std::vector<Thing>;

struct Rule {
  enum class On {
    kNobody,      // open to whoever reaches the port
    kSomebody,    // whoever is known
    kThings,      // everything that `things` finds in the request
    kSearch,      // whoever is known; the answer holds what the caller may read
    kEverything,  // `level` on every experiment and every model
    kAsk,         // kThings, unless predictions are open
    kAdmin,
  };
  std::string route;  // "POST /api/2.0/mlflow/runs/create"; /ajax-api goes by /api
  On on = On::kAdmin;
  Level level = Level::kRead;
  Result<Things> (*things)(const http::Request& request, Level level) = nullptr;
  /// Of kSearch: takes the experiments out of the request that may not be read.
  using MayRead = std::function<bool(const std::string& experiment)>;
  Result<> (*narrow)(http::Request& request, const MayRead& may_read) = nullptr;
  /// Of kThings: the handler is told which experiments its caller may change, because only the
  /// write itself finds out which ones the ids of the request lie in.
  bool tells_changes = false;
};
using Rules = std::vector<Rule>;

}  // namespace slipway::access
