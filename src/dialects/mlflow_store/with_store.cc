#include <array>
#include <system_error>

#include "base/file.h"
#include "dialects/mlflow_store/store.h"

namespace slipway::mlflow_store {
namespace {

namespace fs = std::filesystem;

std::string resolved(const fs::path& path) {
  std::error_code failure;
  const fs::path real = fs::canonical(path, failure);
  return failure ? path.lexically_normal().string() : real.string();
}

/// MLflow writes sqlite:///mlflow.db for a file here and sqlite:////abs/mlflow.db for any other.
fs::path file_of_sqlite(const std::string& rest, const fs::path& here) {
  if (rest.starts_with('/')) return rest;
  std::error_code ignored;
  const fs::path beside = here / rest;
  return fs::exists(beside, ignored) ? beside : fs::path("/" + rest);
}

}  // namespace

Result<> with_store(const std::string& source, const fs::path& here,
                    const std::function<Result<>(Store&)>& use) {
  constexpr std::string_view kSqlite = "sqlite:///";
  constexpr std::string_view kFile = "file://";
  if (source.starts_with("postgresql") || source.starts_with("postgres:")) {
    // "postgresql+psycopg2://": the driver is Python's affair.
    const std::size_t colon = source.find(':');
    return with_database("postgresql" + source.substr(colon), use);
  }
  if (source.starts_with(kSqlite)) {
    const fs::path file = file_of_sqlite(source.substr(kSqlite.size()), here);
    return with_database("sqlite://" + resolved(file), use);
  }
  const std::string path = source.starts_with(kFile) ? source.substr(kFile.size()) : source;
  if (path.find("://") != std::string::npos) {
    return invalid(
        "a store is named sqlite:///PATH, postgresql://..., or by the path of its "
        "folder (mlruns) or of its SQLite file; found " +
        source.substr(0, source.find(':')) + ":...");
  }
  const std::string place = resolved(here / path);
  std::error_code ignored;
  if (fs::is_regular_file(place, ignored)) return with_database("sqlite://" + place, use);
  return with_folder(place, use);
}

}  // namespace slipway::mlflow_store
