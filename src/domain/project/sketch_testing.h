#pragma once

// The example of the product's design, word for word: whatever changes, this file must parse.
namespace slipway::project {

inline constexpr char kSketch[] = R"yaml(version: 1
project: bikes
use_case:
  problem: How many bikes will be rented in the next hour, so that vans can rebalance stations in time.
  user: dispatcher
  owner: ops@example.org
  requirements:
    - {id: quality,   metric: mae_relative, at_most: 0.35, on: holdout}   # becomes a gate and a monitor
    - {id: latency,   metric: latency_ms,   at_most: 5, share: 0.99, on: serving}
    - {id: freshness, metric: model_age,    at_most: 400d, on: serving}
contracts: {data/hour.csv: contracts/hour.odcs.yaml, data/live.parquet: contracts/hour.odcs.yaml}
pipelines:
  train: {stages: [prepare, train, evaluate], register: {model: bikes}}   # nothing to do where the script registered it itself
  package: {stages: [build-app]}
triggers:
  nightly: {pipeline: train, cron: "30 2 * * *", tz: Europe/Berlin}
  new-data: {pipeline: train, data: data/hour.csv, settle: 2m}
  training-code: {pipeline: train, git: {branch: main, paths: [train/**]}}
  app-code: {pipeline: package, git: {branch: main, paths: [app/**]}}
  message: {pipeline: train, cloudevent: {type: org.example.labels.ready}}
  decay:
    pipeline: train
    incident: {monitor: quality}
    with: {params: {train.as_of: "${event.time}"}, data: {from: deployments/bikes, labelled: true, to: data/live.parquet}}
    cooldown: 21d
    at_most: 3/90d
deployments:
  bikes:
    model: bikes
    gates: [integrity, signature, contract, parity, quality]
    traffic: 24/d                              # until a week has been measured
    rollout:                                   # min_requests counts answers of the candidate; after max_wait: undecided, pauses
      - shadow: {percent: 100, min_requests: 120, min_time: 7d, max_wait: 14d}
      - canary: {percent: 50, min_requests: 50, min_time: 7d, max_wait: 14d}
    guards: [{metric: error_rate, margin: 0.1, critical: true}, {requirement: latency}]   # with margin: must be shown non-inferior; without: only stops when harmful
    monitors:
      drift: {against: training, window: 14d, min_rows: 100}
      quality: {requirement: quality, labels: delayed, window: 7d, min_rows: 100, persist: 2}
      age: {requirement: freshness}
notify: [{webhook: "${env:SLIPWAY_WEBHOOK}", on: [incident, rollback]}]
)yaml";

}  // namespace slipway::project
