#pragma once

#include <string>
#include <vector>

#include "domain/flows/facts.h"
#include "io/db/db.h"

namespace slipway::app {

/// Facts of attempts into the catalogue of this process. They wait until flush(), which writes them
/// in one durable transaction. One thread.
class CatalogueFacts final : public flows::FactSink {
 public:
  CatalogueFacts(db::Pool& pool, const Clock& clock) : pool_(pool), clock_(clock) {}

  Result<> started(const flows::AttemptStarted& fact) override {
    return keep(flows::to_graph(fact));
  }
  Result<> ended(const flows::AttemptEnded& fact) override { return keep(flows::to_graph(fact)); }
  Result<> restored(const flows::StageRestored& fact) override {
    return keep(flows::to_graph(fact));
  }
  Result<> flush() override;

 private:
  Result<> keep(flows::GraphFacts facts);

  db::Pool& pool_;
  const Clock& clock_;
  std::vector<flows::GraphFacts> waiting_;
};

/// Facts to the process that owns the state folder, over its HTTP face. One thread.
class RemoteFacts final : public flows::FactSink {
 public:
  /// `secret`: the state folder's, which proves that we may speak for its attempts.
  RemoteFacts(std::string url, std::string secret)
      : url_(std::move(url)), secret_(std::move(secret)) {}

  Result<> started(const flows::AttemptStarted& fact) override {
    return keep(flows::to_json(fact));
  }
  Result<> ended(const flows::AttemptEnded& fact) override { return keep(flows::to_json(fact)); }
  Result<> restored(const flows::StageRestored& fact) override {
    return keep(flows::to_json(fact));
  }
  Result<> flush() override;

 private:
  Result<> keep(wire::Json fact);

  std::string url_, secret_;
  wire::Json::Array waiting_;
};

}  // namespace slipway::app
