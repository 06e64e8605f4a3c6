#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/registry/query.h"
#include "io/wire/codec.h"

// A search for logged models, from MLflow's words to ours.
namespace slipway::mlflow {

struct SearchDataset {
  std::string dataset_name, dataset_digest;
};
WIRE(SearchDataset, dataset_name, dataset_digest)

struct SearchOrder {
  std::string field_name;
  bool ascending = true;
  std::optional<std::string> dataset_name, dataset_digest;
};
WIRE(SearchOrder, field_name, ascending, dataset_name, dataset_digest)

struct SearchLoggedModels {
  std::vector<std::string> experiment_ids;
  std::string filter;
  std::vector<SearchDataset> datasets;
  std::int64_t max_results = 0;  // 0: the default
  std::vector<SearchOrder> order_by;
  std::string page_token;
};
WIRE(SearchLoggedModels, experiment_ids, filter, datasets, max_results, order_by, page_token)

/// Errors are kInvalid in MLflow's words.
Result<registry::LoggedQuery> to_query(const SearchLoggedModels& search);
/// The token of the page after `query`'s. It is good for the same search only.
std::string next_token(const SearchLoggedModels& search, const registry::LoggedQuery& query);

}  // namespace slipway::mlflow
