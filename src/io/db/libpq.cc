#include "io/db/libpq.h"

#include <dlfcn.h>

namespace slipway::db {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<Libpq> load() {
  void* library = dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    return unavailable(std::string("PostgreSQL needs its client library (package libpq5): ") +
                       dlerror());
  }
  Libpq pq{};
  bool complete =
      find(library, "PQconnectdbParams", pq.connectdb_params) &&
      find(library, "PQfinish", pq.finish) && find(library, "PQstatus", pq.status) &&
      find(library, "PQerrorMessage", pq.error_message) &&
      find(library, "PQsetNoticeProcessor", pq.set_notice_processor) &&
      find(library, "PQexec", pq.exec) && find(library, "PQprepare", pq.prepare) &&
      find(library, "PQexecPrepared", pq.exec_prepared) &&
      find(library, "PQexecParams", pq.exec_params) &&
      find(library, "PQresultStatus", pq.result_status) &&
      find(library, "PQresultErrorField", pq.result_error_field) &&
      find(library, "PQclear", pq.clear) && find(library, "PQntuples", pq.ntuples) &&
      find(library, "PQnfields", pq.nfields) && find(library, "PQgetvalue", pq.getvalue) &&
      find(library, "PQgetlength", pq.getlength) && find(library, "PQgetisnull", pq.getisnull) &&
      find(library, "PQcmdTuples", pq.cmd_tuples) && find(library, "PQcmdStatus", pq.cmd_status) &&
      find(library, "PQtransactionStatus", pq.transaction_status) &&
      find(library, "PQserverVersion", pq.server_version) &&
      find(library, "PQenterPipelineMode", pq.enter_pipeline_mode) &&
      find(library, "PQexitPipelineMode", pq.exit_pipeline_mode) &&
      find(library, "PQpipelineSync", pq.pipeline_sync) &&
      find(library, "PQsendQueryPrepared", pq.send_query_prepared) &&
      find(library, "PQsendQueryParams", pq.send_query_params) &&
      find(library, "PQgetResult", pq.get_result);
  if (!complete) {
    return unavailable(
        "libpq.so.5 lacks a function that Slipway needs: it must be of version 14 or later");
  }
  return pq;
}

}  // namespace

Result<const Libpq*> libpq() {
  static const Result<Libpq> loaded = load();
  if (!loaded.ok()) return loaded.error();
  return &*loaded;
}

}  // namespace slipway::db
