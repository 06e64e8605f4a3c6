#include "domain/flows/golden.h"

#include <algorithm>

namespace slipway::flows {
namespace {

/// Where no rows of a model can be; asking in vain costs the start of a Python.
bool is_program(const std::string& path) {
  constexpr const char* kEndings[] = {".py",   ".sh",  ".r",    ".R",   ".sql", ".ipynb",
                                      ".yaml", ".yml", ".toml", ".cfg", ".md",  ".lock"};
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](const char* ending) { return path.ends_with(ending); });
}

const yaml::Node* declared(const Step& step) {
  const yaml::Node* slipway = step.stage.meta.find("slipway");
  return slipway ? slipway->find("golden") : nullptr;
}

Error wrong(const Step& step) {
  return invalid("stage " + step.name +
                 ": meta.slipway.golden is the path of a table, {table: PATH, target: COLUMN}, or "
                 "false for none");
}

std::filesystem::path absolute(const Step& step, const std::string& path) {
  return (step.folder / path).lexically_normal();
}

}  // namespace

Result<std::optional<GoldenWish>> golden_wish(const Step& step) {
  GoldenWish wish;
  const yaml::Node* named = declared(step);
  if (named == nullptr || named->is_null()) {
    for (const StepDep& dep : step.deps)
      if (!is_program(dep.path)) wish.places.push_back(dep.absolute);
    if (wish.places.empty()) return std::optional<GoldenWish>();
    return std::optional<GoldenWish>(std::move(wish));
  }
  if (named->is_string()) {
    wish.places.push_back(absolute(step, named->text));
    return std::optional<GoldenWish>(std::move(wish));
  }
  if (named->type == yaml::Type::kBool) {
    if (named->as_bool()) return wrong(step);
    return std::optional<GoldenWish>();
  }
  const yaml::Node* table = named->find("table");
  const yaml::Node* target = named->find("target");
  if (!table || !table->is_string() || (target && !target->is_string())) return wrong(step);
  wish.places.push_back(absolute(step, table->text));
  if (target) wish.target = target->text;
  return std::optional<GoldenWish>(std::move(wish));
}

}  // namespace slipway::flows
