#include "dialects/mlflow/graphql_schema.h"

namespace slipway::mlflow::graphql {
namespace {

using enum Kind;
constexpr bool kList = true;

// --- what is answered ---------------------------------------------------------------------------

constexpr FieldRule kErrorDetailFields[] = {{"field"}, {"message"}};
constexpr TypeRule kErrorDetail = {"ErrorDetail", kErrorDetailFields};
constexpr FieldRule kApiErrorFields[] = {{"code"},
                                         {"message"},
                                         {"helpUrl"},
                                         {"traceId"},
                                         {"errorDetails", kObject, kList, &kErrorDetail}};
constexpr TypeRule kApiErrorType = {"ApiError", kApiErrorFields};
constexpr FieldRule kApiError = {"apiError", kObject, false, &kApiErrorType, "", /*is_null=*/true};

constexpr FieldRule kPairFields[] = {{"key"}, {"value"}};
constexpr TypeRule kExperimentTag = {"MlflowExperimentTag", kPairFields};
constexpr TypeRule kRunTag = {"MlflowRunTag", kPairFields};
constexpr TypeRule kParam = {"MlflowParam", kPairFields};
constexpr TypeRule kInputTag = {"MlflowInputTag", kPairFields};
constexpr TypeRule kVersionTag = {"MlflowModelVersionTag", kPairFields};

constexpr FieldRule kExperimentFields[] = {{"experimentId"},
                                           {"name"},
                                           {"artifactLocation"},
                                           {"lifecycleStage"},
                                           {"lastUpdateTime", kLong},
                                           {"creationTime", kLong},
                                           {"tags", kObject, kList, &kExperimentTag},
                                           {"effectiveTraceArchivalRetention"},
                                           {"workspace"}};
constexpr TypeRule kExperiment = {"MlflowExperiment", kExperimentFields};

constexpr FieldRule kMetricFields[] = {{"key"},         {"value", kNumber}, {"timestamp", kLong},
                                       {"step", kLong}, {"datasetName"},    {"datasetDigest"},
                                       {"modelId"},     {"runId"}};
constexpr TypeRule kMetric = {"MlflowMetricExtension", kMetricFields};
constexpr TypeRule kModelMetric = {"MlflowModelMetric", kMetricFields};
constexpr FieldRule kRunMetricFields[] = {
    {"key"}, {"value", kNumber}, {"timestamp", kLong}, {"step", kLong}, {"runId"}};
constexpr TypeRule kRunMetric = {"MlflowMetricWithRunId", kRunMetricFields};

constexpr FieldRule kModelParamFields[] = {{"name"}, {"value"}};
constexpr TypeRule kModelParam = {"MlflowModelParam", kModelParamFields};
constexpr FieldRule kJobStateFields[] = {
    {"jobId"},
    {"runId"},
    {"jobState", kEnum, false, nullptr, "DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED"},
    {"runState", kEnum, false, nullptr, "DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED"},
    {"currentTaskName"}};
constexpr TypeRule kJobState = {"MlflowModelVersionDeploymentJobState", kJobStateFields};
constexpr FieldRule kVersionFields[] = {{"name"},
                                        {"version"},
                                        {"creationTimestamp", kLong},
                                        {"lastUpdatedTimestamp", kLong},
                                        {"userId"},
                                        {"currentStage"},
                                        {"description"},
                                        {"source"},
                                        {"runId"},
                                        {"status", kEnum, false, nullptr, "PENDING_REGISTRATION"},
                                        {"statusMessage"},
                                        {"tags", kObject, kList, &kVersionTag},
                                        {"runLink"},
                                        {"aliases", kText, kList},
                                        {"modelId"},
                                        {"modelParams", kObject, kList, &kModelParam},
                                        {"modelMetrics", kObject, kList, &kModelMetric},
                                        {"deploymentJobState", kObject, false, &kJobState}};
constexpr TypeRule kVersion = {"MlflowModelVersion", kVersionFields};

constexpr FieldRule kRunInfoFields[] = {{"runId"},
                                        {"runUuid"},
                                        {"runName"},
                                        {"experimentId"},
                                        {"userId"},
                                        {"status", kEnum, false, nullptr, "RUNNING"},
                                        {"startTime", kLong},
                                        {"endTime", kLong},
                                        {"artifactUri"},
                                        {"lifecycleStage"}};
constexpr TypeRule kRunInfo = {"MlflowRunInfo", kRunInfoFields};
constexpr FieldRule kRunDataFields[] = {{"metrics", kObject, kList, &kMetric},
                                        {"params", kObject, kList, &kParam},
                                        {"tags", kObject, kList, &kRunTag}};
constexpr TypeRule kRunData = {"MlflowRunData", kRunDataFields};
constexpr FieldRule kDatasetFields[] = {{"name"},   {"digest"}, {"sourceType"},
                                        {"source"}, {"schema"}, {"profile"}};
constexpr TypeRule kDataset = {"MlflowDataset", kDatasetFields};
constexpr FieldRule kDatasetInputFields[] = {{"tags", kObject, kList, &kInputTag},
                                             {"dataset", kObject, false, &kDataset}};
constexpr TypeRule kDatasetInput = {"MlflowDatasetInput", kDatasetInputFields};
constexpr FieldRule kModelInputFields[] = {{"modelId"}};
constexpr TypeRule kModelInput = {"MlflowModelInput", kModelInputFields};
constexpr FieldRule kModelOutputFields[] = {{"modelId"}, {"step", kLong}};
constexpr TypeRule kModelOutput = {"MlflowModelOutput", kModelOutputFields};
constexpr FieldRule kRunInputsFields[] = {{"datasetInputs", kObject, kList, &kDatasetInput},
                                          {"modelInputs", kObject, kList, &kModelInput}};
constexpr TypeRule kRunInputs = {"MlflowRunInputs", kRunInputsFields};
constexpr FieldRule kRunOutputsFields[] = {{"modelOutputs", kObject, kList, &kModelOutput}};
constexpr TypeRule kRunOutputs = {"MlflowRunOutputs", kRunOutputsFields};
constexpr FieldRule kRunFields[] = {
    {"info", kObject, false, &kRunInfo},
    {"data", kObject, false, &kRunData},
    {"inputs", kObject, false, &kRunInputs},
    {"outputs", kObject, false, &kRunOutputs},
    {"experiment", kObject, false, &kExperiment, "", false, FieldRule::Ask::kExperiment},
    {"modelVersions", kObject, kList, &kVersion, "", false, FieldRule::Ask::kVersions}};
constexpr TypeRule kRun = {"MlflowRunExtension", kRunFields};

constexpr FieldRule kFileFields[] = {{"path"}, {"isDir", kFlag}, {"fileSize", kLong}};
constexpr TypeRule kFile = {"MlflowFileInfo", kFileFields};
constexpr FieldRule kSummaryFields[] = {{"experimentId"}, {"name"}, {"digest"}, {"context"}};
constexpr TypeRule kSummary = {"MlflowDatasetSummary", kSummaryFields};

constexpr FieldRule kGetExperimentFields[] = {{"experiment", kObject, false, &kExperiment},
                                              kApiError};
constexpr TypeRule kGetExperiment = {"MlflowGetExperimentResponse", kGetExperimentFields};
constexpr FieldRule kGetRunFields[] = {{"run", kObject, false, &kRun}, kApiError};
constexpr TypeRule kGetRun = {"MlflowGetRunResponse", kGetRunFields};
constexpr FieldRule kHistoryFields[] = {{"metrics", kObject, kList, &kRunMetric}, kApiError};
constexpr TypeRule kHistory = {"MlflowGetMetricHistoryBulkIntervalResponse", kHistoryFields};
constexpr FieldRule kFilesFields[] = {
    {"rootUri"}, {"files", kObject, kList, &kFile}, {"nextPageToken"}, kApiError};
constexpr TypeRule kFiles = {"MlflowListArtifactsResponse", kFilesFields};
constexpr FieldRule kVersionsFields[] = {
    {"modelVersions", kObject, kList, &kVersion}, {"nextPageToken"}, kApiError};
constexpr TypeRule kVersions = {"MlflowSearchModelVersionsResponse", kVersionsFields};
constexpr FieldRule kRunsFields[] = {{"runs", kObject, kList, &kRun}, {"nextPageToken"}, kApiError};
constexpr TypeRule kRuns = {"MlflowSearchRunsResponse", kRunsFields};
constexpr FieldRule kSummariesFields[] = {{"datasetSummaries", kObject, kList, &kSummary},
                                          kApiError};
constexpr TypeRule kSummaries = {"MlflowSearchDatasetsResponse", kSummariesFields};

// --- what is sent -------------------------------------------------------------------------------

constexpr FieldRule kGetExperimentInputFields[] = {{"experimentId"}};
constexpr TypeRule kGetExperimentInput = {"MlflowGetExperimentInput", kGetExperimentInputFields};
constexpr FieldRule kGetRunInputFields[] = {{"runId"}, {"runUuid"}};
constexpr TypeRule kGetRunInput = {"MlflowGetRunInput", kGetRunInputFields};
constexpr FieldRule kHistoryInputFields[] = {{"runIds", kText, kList},
                                             {"metricKey"},
                                             {"startStep", kWhole},
                                             {"endStep", kWhole},
                                             {"maxResults", kWhole}};
constexpr TypeRule kHistoryInput = {"MlflowGetMetricHistoryBulkIntervalInput", kHistoryInputFields};
constexpr FieldRule kFilesInputFields[] = {{"runId"}, {"runUuid"}, {"path"}, {"pageToken"}};
constexpr TypeRule kFilesInput = {"MlflowListArtifactsInput", kFilesInputFields};
constexpr FieldRule kVersionsInputFields[] = {
    {"filter"}, {"maxResults", kLong}, {"orderBy", kText, kList}, {"pageToken"}};
constexpr TypeRule kVersionsInput = {"MlflowSearchModelVersionsInput", kVersionsInputFields};
constexpr FieldRule kRunsInputFields[] = {{"experimentIds", kText, kList}, {"filter"},
                                          {"runViewType", kEnum},          {"maxResults", kWhole},
                                          {"orderBy", kText, kList},       {"pageToken"}};
constexpr TypeRule kRunsInput = {"MlflowSearchRunsInput", kRunsInputFields};
constexpr FieldRule kSummariesInputFields[] = {{"experimentIds", kText, kList}};
constexpr TypeRule kSummariesInput = {"MlflowSearchDatasetsInput", kSummariesInputFields};

constexpr auto kGet = http::Method::kGet;
constexpr auto kPost = http::Method::kPost;
constexpr RootRule kRoots[] = {
    {"mlflowGetExperiment", kGet, kExperimentPath, kGetExperimentInput, kGetExperiment, true,
     false},
    {"mlflowGetRun", kGet, "/api/2.0/mlflow/runs/get", kGetRunInput, kGetRun, true, false},
    {"mlflowGetMetricHistoryBulkInterval", kGet,
     "/api/2.0/mlflow/metrics/get-history-bulk-interval", kHistoryInput, kHistory, true, false},
    {"mlflowListArtifacts", kGet, "/api/2.0/mlflow/artifacts/list", kFilesInput, kFiles, true,
     false},
    {"mlflowSearchModelVersions", kGet, kVersionsPath, kVersionsInput, kVersions, true, false},
    {"mlflowSearchRuns", kPost, "/api/2.0/mlflow/runs/search", kRunsInput, kRuns, true, true},
    {"mlflowSearchDatasets", kPost, "/api/2.0/mlflow/experiments/search-datasets", kSummariesInput,
     kSummaries, false, true},
};

}  // namespace

const FieldRule* TypeRule::find(std::string_view field) const {
  for (const FieldRule& rule : fields) {
    if (rule.name == field) return &rule;
  }
  return nullptr;
}

const RootRule* find_root(std::string_view name, bool mutation) {
  for (const RootRule& root : kRoots) {
    if (root.name == name && (mutation ? root.mutates : root.queries)) return &root;
  }
  return nullptr;
}

std::string_view type_name(const FieldRule& field) {
  switch (field.kind) {
    case kText:
      return "String";
    case kWhole:
      return "Int";
    case kLong:
      return "LongString";
    case kNumber:
      return "Float";
    case kFlag:
      return "Boolean";
    case kEnum:
      return "Enum";
    case kObject:
      return field.type->name;
  }
  return "String";
}

std::string snake_case(std::string_view name) {
  std::string snake;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') {
      snake += '_';
      c = static_cast<char>(c - 'A' + 'a');
    }
    snake += c;
  }
  return snake;
}

}  // namespace slipway::mlflow::graphql
