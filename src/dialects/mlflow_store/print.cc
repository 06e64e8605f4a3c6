#include "dialects/mlflow_store/print.h"

#include <bit>
#include <cmath>
#include <optional>

#include "base/hash.h"
#include "base/text.h"

namespace slipway::mlflow_store {
namespace {

constexpr std::string_view kState = "its name, status, times or place";
constexpr std::string_view kParams = "its params";
constexpr std::string_view kTags = "its tags";
constexpr std::string_view kMetrics = "its metrics";
constexpr std::string_view kInputs = "its datasets or models";
constexpr std::string_view kVersions = "its versions";
constexpr std::string_view kAliases = "its aliases";
constexpr std::string_view kDescription = "its description";
constexpr char kLine = '\n';
constexpr char kIs = '=';

/// Of fields, told apart by their lengths.
class Digest {
 public:
  Digest& add(std::string_view text) {
    hasher_.update(std::to_string(text.size()) + ":");
    hasher_.update(text);
    return *this;
  }
  Digest& add(std::int64_t number) { return add(std::string_view(std::to_string(number))); }
  Digest& add(const std::optional<std::int64_t>& number) {
    return number ? add(*number) : add(std::string_view("-"));
  }
  template <class Pairs>
  Digest& add_pairs(const Pairs& pairs) {
    add(static_cast<std::int64_t>(pairs.size()));
    for (const auto& pair : pairs)
      add(std::string_view(pair.key)).add(std::string_view(pair.value));
    return *this;
  }
  std::string text() {
    constexpr std::size_t kDigits = 16;
    return hasher_.finish_hex().substr(0, kDigits);
  }

 private:
  Hasher hasher_{Hasher::Kind::kSha256};
};

template <class Pairs>
std::string digest_of_pairs(const Pairs& pairs) {
  return Digest().add_pairs(pairs).text();
}

/// All NaNs are one.
std::uint64_t bits_of(double value) {
  constexpr std::uint64_t kNan = 0x7ff8000000000000;
  return std::isnan(value) ? kNan : std::bit_cast<std::uint64_t>(value);
}

/// The finalizer of splitmix64: near numbers become far ones.
std::uint64_t mixed(std::uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

std::string hex_of(std::uint64_t number) {
  std::string hex;
  for (int shift = 60; shift >= 0; shift -= 4) hex += "0123456789abcdef"[(number >> shift) & 15];
  return hex;
}

}  // namespace

std::string Print::text() const {
  std::string text;
  for (const auto& [part, digest] : parts_) text += part + kIs + digest + kLine;
  return text;
}

Print Print::of_text(std::string_view text) {
  Print print;
  for (std::string_view line : split(text, kLine)) {
    const std::size_t at = line.find(kIs);
    if (at != std::string_view::npos)
      print.set(line.substr(0, at), std::string(line.substr(at + 1)));
  }
  return print;
}

std::vector<std::string> Print::changes_since(const Print& before) const {
  std::vector<std::string> changes;
  for (const auto& [part, digest] : parts_) {
    auto was = before.parts_.find(part);
    if (was == before.parts_.end() || was->second != digest) changes.push_back(part);
  }
  return changes;
}

Print print_of(const tracking::Experiment& one) {
  Print print;
  print.set(kState, Digest()
                        .add(std::string_view(one.name))
                        .add(std::string_view(one.artifact_location))
                        .add(std::int64_t{one.deleted})
                        .text());
  print.set(kTags, digest_of_pairs(one.tags));
  return print;
}

Print print_of(const tracking::AdoptedRun& adopted) {
  const tracking::Run& run = adopted.run;
  const tracking::RunInfo& info = run.info;
  Print print;
  print.set(kState, Digest()
                        .add(std::string_view(info.name))
                        .add(std::string_view(info.user_id))
                        .add(std::string_view(tracking::to_string(info.status)))
                        .add(std::int64_t{info.start_ms})
                        .add(info.end_ms)
                        .add(std::string_view(info.artifact_uri))
                        .add(std::int64_t{info.deleted})
                        .text());
  print.set(kParams, digest_of_pairs(run.params));
  print.set(kTags, digest_of_pairs(run.tags));
  Digest inputs;
  inputs.add(static_cast<std::int64_t>(run.datasets.size()));
  for (const tracking::DatasetInput& input : run.datasets) {
    const tracking::Dataset& set = input.dataset;
    for (const std::string* text :
         {&set.name, &set.digest, &set.source_type, &set.source, &set.schema, &set.profile})
      inputs.add(std::string_view(*text));
    inputs.add_pairs(input.tags);
  }
  for (const auto* links : {&run.models_used, &run.models_made}) {
    inputs.add(static_cast<std::int64_t>(links->size()));
    for (const tracking::ModelLink& link : *links)
      inputs.add(std::string_view(link.model_id)).add(std::int64_t{link.step});
  }
  print.set(kInputs, inputs.text());
  return print;
}

Print print_of(const registry::LoggedModel& model) {
  Print print;
  print.set(kState, Digest()
                        .add(std::string_view(model.name))
                        .add(std::string_view(model.type))
                        .add(std::string_view(registry::to_string(model.status)))
                        .add(std::string_view(model.location))
                        .add(std::string_view(model.run_id))
                        .add(std::int64_t{model.deleted})
                        .text());
  print.set(kTags, digest_of_pairs(model.tags));
  print.set(kParams, digest_of_pairs(model.params));
  Digest metrics;
  for (const registry::ModelMetric& metric : model.metrics) {
    for (const std::string* text :
         {&metric.key, &metric.run_id, &metric.dataset_name, &metric.dataset_digest})
      metrics.add(std::string_view(*text));
    metrics.add(static_cast<std::int64_t>(bits_of(metric.value)))
        .add(std::int64_t{metric.timestamp_ms})
        .add(std::int64_t{metric.step});
  }
  print.set(kMetrics, metrics.text());
  return print;
}

Print print_of(const Store::RegisteredModel& found) {
  Print print;
  print.set(kDescription, Digest().add(std::string_view(found.model.description)).text());
  print.set(kTags, digest_of_pairs(found.model.tags));
  Digest aliases;
  for (const registry::Alias& alias : found.model.aliases)
    aliases.add(std::string_view(alias.alias)).add(alias.number);
  print.set(kAliases, aliases.text());
  Digest versions;
  for (const registry::AdoptedVersion& one : found.versions) {
    const registry::Version& version = one.version;
    versions.add(version.number)
        .add(std::int64_t{one.deleted})
        .add(std::string_view(registry::to_string(version.stage)));
    for (const std::string* text : {&version.description, &version.source, &version.location,
                                    &version.run_id, &version.run_link, &version.logged_model_id})
      versions.add(std::string_view(*text));
    versions.add_pairs(version.tags);
  }
  print.set(kVersions, versions.text());
  return print;
}

void PointsPrint::add(std::string_view key, const tracking::Metric& point) {
  if (points_ == 0 || key != key_) {
    key_ = key;
    of_key_ = 0xcbf29ce484222325;
    for (char c : key) of_key_ = (of_key_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::uint64_t of_point = mixed(of_key_ ^ bits_of(point.value));
  of_point = mixed(of_point ^ static_cast<std::uint64_t>(point.timestamp_ms));
  sum_ += mixed(of_point ^ static_cast<std::uint64_t>(point.step));
  ++points_;
}

std::string PointsPrint::text() const {
  return std::to_string(points_) + " points, " + hex_of(sum_);
}

}  // namespace slipway::mlflow_store
