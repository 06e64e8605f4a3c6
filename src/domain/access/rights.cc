#include "domain/access/rights.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slipway::access {
namespace {

constexpr std::array<const char*, 6> kLevels = {"deny", "none", "read", "use", "edit", "manage"};
constexpr std::array<const char*, 2> kKinds = {"experiment", "model"};
constexpr std::array<const char*, 3> kScopes = {"all", "read", "predict"};

template <class Enum, std::size_t n>
std::optional<Enum> named(const std::array<const char*, n>& words, std::string_view word) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) return std::nullopt;
  return static_cast<Enum>(found - words.begin());
}

Level folded(Level a, Level b) {
  return a == Level::kDeny || b == Level::kDeny ? Level::kDeny : std::max(a, b);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

const char* to_string(Level level) {
  return kLevels[static_cast<std::size_t>(level)];
}
std::optional<Level> level_named(std::string_view word) {
  return named<Level>(kLevels, word);
}
const char* to_string(Kind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}
std::optional<Kind> kind_named(std::string_view word) {
  return named<Kind>(kKinds, word);
}
const char* to_string(Scope scope) {
  return kScopes[static_cast<std::size_t>(scope)];
}
std::optional<Scope> scope_named(std::string_view word) {
  return named<Scope>(kScopes, word);
}

void Rights::add(const Grant& grant) {
  Part& part = grant.kind == Kind::kExperiment ? experiments_ : models_;
  if (grant.of == kEvery) {
    part.every = part.every ? folded(*part.every, grant.level) : grant.level;
    return;
  }
  const auto [known, is_new] = part.one.try_emplace(grant.of, grant.level);
  if (!is_new) known->second = folded(known->second, grant.level);
}

Level Rights::level(Kind kind, const std::string& of, Level fallback) const {
  const Part& granted = part(kind);
  const auto one = granted.one.find(of);
  if (one == granted.one.end()) return granted.every.value_or(fallback);
  return granted.every ? folded(*granted.every, one->second) : one->second;
}

bool Rights::has_everywhere(Kind kind, Level needed, Level fallback) const {
  const Reach all = reach(kind, needed, fallback);
  return all.all_but && all.names.empty();
}

Rights::Reach Rights::reach(Kind kind, Level needed, Level fallback) const {
  const Part& granted = part(kind);
  const bool others = suffices(granted.every.value_or(fallback), needed);
  Reach reach{others, {}};
  for (const auto& [of, own] : granted.one) {
    const Level held = granted.every ? folded(*granted.every, own) : own;
    if (suffices(held, needed) != others) reach.names.push_back(of);
  }
  return reach;
}

Result<> check_label(std::string_view what, std::string_view label) {
  constexpr std::size_t kCharactersMax = 100;
  const std::string start = "a " + std::string(what) + "'s name ";
  if (label.empty()) return invalid(start + "must not be empty");
  if (!is_valid_utf8(label)) return invalid(start + "must be UTF-8");
  if (count_code_points(label) > kCharactersMax) {
    return invalid(start + "has at most " + std::to_string(kCharactersMax) + " characters");
  }
  if (std::any_of(label.begin(), label.end(), is_control) || trim(label) != label ||
      label.find_first_of(":/") != std::string_view::npos) {
    return invalid(start + "must not have ':', '/', control characters or blanks at its ends");
  }
  return {};
}

Result<> check_person_name(std::string_view name) {
  TRY(check_label("user", name));
  if (name == "owner" || name == "slipway") {
    return invalid("the name '" + std::string(name) + "' is taken by the program itself");
  }
  return {};
}

Result<> check_password(std::string_view password) {
  constexpr std::size_t kCharactersMin = 12, kBytesMax = 1024;
  if (!is_valid_utf8(password) || count_code_points(password) < kCharactersMin) {
    return invalid("Password must be at least 12 characters.");
  }
  if (password.size() > kBytesMax) return invalid("a password has at most 1024 bytes");
  if (std::any_of(password.begin(), password.end(), is_control)) {
    return invalid("a password has no control characters");
  }
  return {};
}

}  // namespace slipway::access
