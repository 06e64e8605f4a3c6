#pragma once

#include <postgresql/libpq-fe.h>

#include "base/result.h"

namespace slipway::db {

/// The functions of libpq that we call.
struct Libpq {
  decltype(&PQconnectdbParams) connectdb_params;
  decltype(&PQfinish) finish;
  decltype(&PQstatus) status;
  decltype(&PQerrorMessage) error_message;
  decltype(&PQsetNoticeProcessor) set_notice_processor;
  decltype(&PQexec) exec;
  decltype(&PQprepare) prepare;
  decltype(&PQexecPrepared) exec_prepared;
  decltype(&PQexecParams) exec_params;
  decltype(&PQresultStatus) result_status;
  decltype(&PQresultErrorField) result_error_field;
  decltype(&PQclear) clear;
  decltype(&PQntuples) ntuples;
  decltype(&PQnfields) nfields;
  decltype(&PQgetvalue) getvalue;
  decltype(&PQgetlength) getlength;
  decltype(&PQgetisnull) getisnull;
  decltype(&PQcmdTuples) cmd_tuples;
  decltype(&PQcmdStatus) cmd_status;
  decltype(&PQtransactionStatus) transaction_status;
  decltype(&PQserverVersion) server_version;
  decltype(&PQenterPipelineMode) enter_pipeline_mode;
  decltype(&PQexitPipelineMode) exit_pipeline_mode;
  decltype(&PQpipelineSync) pipeline_sync;
  decltype(&PQsendQueryPrepared) send_query_prepared;
  decltype(&PQsendQueryParams) send_query_params;
  decltype(&PQgetResult) get_result;
};

/// Opens libpq.so.5 on the first call: a program that never meets PostgreSQL starts without it. Any
/// thread.
Result<const Libpq*> libpq();

}  // namespace slipway::db
