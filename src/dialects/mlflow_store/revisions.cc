#include "dialects/mlflow_store/revisions.h"

#include <algorithm>

#include "dialects/mlflow_store/words.h"

namespace slipway::mlflow_store {
namespace {

// Of before 2.0: they lack columns that are read.
constexpr std::string_view kTooOld[] = {
    "451aebb31d03", "90e64c465722", "181f10493468", "df50e92ffc5e", "7ac759974ad8", "89d4b8295536",
    "2b4d017a5e9b", "cfd24bdc0731", "0a8213491aaa", "728d730b5ebd", "27a6a02d2cf1", "84291f40a231",
    "a8c4a736bde6", "39d1c3be5f05", "c48cb773bb87", "bd07f7e963c5", "0c779009ac13", "cc1f77228345"};

constexpr char kAdvice[] =
    "let a known MLflow bring a copy of it up to date (`mlflow db upgrade URI` of MLflow 2.0 to "
    "3.17), and import that";

}  // namespace

const std::vector<std::string_view>& known_revisions() {
  static const std::vector<std::string_view> known = {
      // 2.x
      "97727af70f4d", "3500859a5d39", "7f2a7d5fae7d", "2d6e25af4d3e", "acf3f17fdcc7",
      "867495a8f9d4", "5b0e9adcef9c", "4465047574b1", "f5a4f2784254", "0584bdc529eb",
      // 3.x
      "400f98739977", "6953534de441", "bda7b8c39065", "cbc13b556ace", "770bee3ae1dd",
      "a1b2c3d4e5f6", "de4033877273", "1a0cddfcaa16", "534353b11cbc", "71994744cf8e",
      "3da73c924c2f", "bf29a5ff90ea", "1bd49d398cd23", "b7c8d9e0f1a2", "5d2d30f0abce",
      "c9d4e5f6a7b8", "2c33131f4dae", "d3e4f5a6b7c8", "d0e1f2a3b4c5", "c8d9e0f1a2b3",
      "1b5f0d9ad7c1", "e1f2a3b4c5d6", "76601a5f987d", "c3d6457b6d8a", "a5b4c3d2e1f0",
      "ae8bbe7743c9", "7d34483879f0", "da6fb0208061", "89d3d66ed43f", "b7e4c1a90f23",
      "a8b9c0d1e2f3", "c1d2e3f4a5b6", "c3d9e7f1a2b4", "6f8d9c3b2a1e", "1971f2d9a75b",
      "17e22815139b", "b7e2c1a4d9f3", "75868b020152", "dc11669786a5"};
  return known;
}

Result<> check_revision(const std::vector<std::string>& found) {
  if (found.empty()) {
    return invalid(
        "the database says no revision of its tables (alembic_version is empty): it is not one of "
        "MLflow 2.0 or later");
  }
  if (found.size() > 1) {
    return invalid("the database says " + std::to_string(found.size()) +
                   " revisions of its tables (alembic_version), expected one; " + kAdvice);
  }
  const std::string& revision = found.front();
  const auto& known = known_revisions();
  if (std::find(known.begin(), known.end(), revision) != known.end()) return {};
  if (std::find(std::begin(kTooOld), std::end(kTooOld), revision) != std::end(kTooOld)) {
    return invalid("the tables are of revision " + revision + ", which is older than MLflow 2.0; " +
                   kAdvice);
  }
  return invalid("the tables are of revision '" + shown(revision) +
                 "', which is not known: those of MLflow 2.0 to 3.17 are; " + kAdvice);
}

}  // namespace slipway::mlflow_store
