#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

// Who may do what, decided on values. Pure.
namespace slipway::access {

/// What somebody may do with one thing; each level includes those before it, but for kDeny, which
/// wins over any other.
enum class Level { kDeny, kNone, kRead, kUse, kEdit, kManage };
/// "deny", "none", "read", "use", "edit", "manage".
const char* to_string(Level level);
std::optional<Level> level_named(std::string_view word);
/// Whether a `held` level is enough where `needed` is.
constexpr bool suffices(Level held, Level needed) {
  return held >= needed;
}

/// What levels are granted on. A thing of an experiment (a run, a logged model, a file) goes by its
/// experiment, one of a model by its model.
enum class Kind { kExperiment, kModel };
/// "experiment", "model".
const char* to_string(Kind kind);
std::optional<Kind> kind_named(std::string_view word);

/// The pattern of a grant on every thing of a kind.
inline constexpr char kEvery[] = "*";

struct Grant {
  Kind kind = Kind::kExperiment;
  std::string of;  // an experiment's id or a model's name, or kEvery
  Level level = Level::kNone;
  bool operator==(const Grant&) const = default;
};

/// All grants of one person, from whichever role, folded.
class Rights {
 public:
  /// Several grants on one thing: the highest counts, but a kDeny beats all.
  void add(const Grant& grant);

  /// `fallback` where no grant says anything of it.
  Level level(Kind kind, const std::string& of, Level fallback) const;
  /// On every thing of the kind, those to come included.
  bool has_everywhere(Kind kind, Level needed, Level fallback) const;

  /// The things of a kind with at least `needed`: all but `names`, or `names` only; in no order.
  struct Reach {
    bool all_but = true;
    std::vector<std::string> names;
  };
  Reach reach(Kind kind, Level needed, Level fallback) const;

 private:
  struct Part {
    std::optional<Level> every;
    std::unordered_map<std::string, Level> one;
  };
  const Part& part(Kind kind) const { return kind == Kind::kExperiment ? experiments_ : models_; }
  Part experiments_, models_;
};

/// What a token is good for: everything its owner may do; looking only; asking deployments and
/// models only.
enum class Scope { kAll, kRead, kPredict };
/// "all", "read", "predict".
const char* to_string(Scope scope);
std::optional<Scope> scope_named(std::string_view word);

/// kInvalid: 1 to 100 characters without controls, ':', '/', blanks at the ends; not "owner" or
/// "slipway", which the program calls itself.
Result<> check_person_name(std::string_view name);
/// The same without words that are taken; for roles and tokens.
Result<> check_label(std::string_view what, std::string_view label);
/// kInvalid: at least 12 characters, at most 1024 bytes.
Result<> check_password(std::string_view password);

}  // namespace slipway::access
