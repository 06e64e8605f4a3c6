#include "domain/features/lookup.h"

namespace slipway::features {
namespace {

Result<> check_values(std::span<const Value> values, const std::vector<Input>& inputs,
                      const std::string& what, const std::string& view) {
  if (values.size() != inputs.size()) {
    return invalid("found " + std::to_string(values.size()) + " " + what + " for " + view +
                   ", expected " + std::to_string(inputs.size()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_null(values[i]) || type_of(values[i]) == inputs[i].type) continue;
    return invalid("found a " + std::string(to_string(type_of(values[i]))) + " for '" +
                   inputs[i].name + "' of " + view + ", expected " + to_string(inputs[i].type));
  }
  return {};
}

Presence presence_of(const Found& found, std::int64_t ttl_us, std::int64_t at_us) {
  if (found.deleted) return Presence::kDeleted;
  if (!found.present || found.event_us > at_us) return Presence::kMissing;
  if (ttl_us > 0 && found.event_us < at_us - ttl_us) return Presence::kExpired;
  return Presence::kPresent;
}

}  // namespace

const char* to_string(Presence presence) {
  constexpr const char* kNames[] = {"present", "missing", "expired", "deleted"};
  return kNames[static_cast<std::size_t>(presence)];
}

StoredView stored_view(const Plan& plan) {
  return {plan.id(), plan.view().stored, plan.operand_types(), plan.view().reach_us()};
}

Result<std::unique_ptr<Lookup>> Lookup::open(OnlineStore& store, const Plan& plan) {
  const OnlineStore::ViewNumber number = TRY(store.define(stored_view(plan)));
  return std::unique_ptr<Lookup>(new Lookup(store, plan, number));
}

std::unique_ptr<Calculator> Lookup::take() const {
  auto idle = idle_.with([](auto& all) -> std::unique_ptr<Calculator> {
    if (all.empty()) return nullptr;
    std::unique_ptr<Calculator> last = std::move(all.back());
    all.pop_back();
    return last;
  });
  return idle ? std::move(idle) : std::make_unique<Calculator>(plan_);
}

void Lookup::give_back(std::unique_ptr<Calculator> calculator) const {
  idle_.with([&](auto& all) { all.push_back(std::move(calculator)); });
}

Result<Answer> Lookup::get(std::span<const Value> key, std::span<const Value> request,
                           std::int64_t at_us) const {
  const View& view = plan_.view();
  TRY(check_values(key, view.entity, "key values", view.name));
  TRY(check_values(request, view.request, "request values", view.name));
  if (!is_in_calendar(at_us)) return invalid("the time asked for lies beyond the years 1 to 9999");

  std::unique_ptr<Calculator> calculator = take();
  Answer answer;
  std::optional<std::vector<Value>> aggregates;
  const std::string packed = pack_key(std::vector<Value>(key.begin(), key.end()));
  Found found;
  if (!packed.empty()) {
    OnlineStore::WithHistory with_history;
    if (!view.aggregates.empty()) {
      with_history = [&](const History& history) {
        if (history.events().empty()) return;
        answer.too_late = at_us < history.events().back().at_us - kLookBackUs;
        aggregates = calculator->aggregates(&history, at_us, false, answer.faults);
      };
    }
    found = store_.get(number_, packed, with_history);
  }
  if (!aggregates) aggregates = calculator->aggregates(nullptr, at_us, false, answer.faults);
  answer.presence = presence_of(found, view.ttl_us, at_us);
  if (found.present || found.deleted) answer.event_us = found.event_us;

  const bool present = answer.presence == Presence::kPresent;
  std::vector<Value> scope =
      present ? std::move(found.values) : std::vector<Value>(view.stored.size());
  scope.insert(scope.end(), aggregates->begin(), aggregates->end());
  scope.insert(scope.end(), request.begin(), request.end());
  scope.emplace_back(Timestamp{at_us});
  answer.values = calculator->outputs_of(scope, present, answer.faults);
  give_back(std::move(calculator));
  return answer;
}

}  // namespace slipway::features
