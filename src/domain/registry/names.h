#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/registry/types.h"

// What may be a name. Decides on texts only; every failure is kInvalid.
namespace slipway::registry {

inline constexpr std::size_t kNameCharactersMax = 256;
inline constexpr std::size_t kAliasCharactersMax = 255;
inline constexpr std::size_t kTagKeyCharactersMax = 250;
inline constexpr std::size_t kTagValueCharactersMax = 100'000;
inline constexpr std::size_t kDescriptionBytesMax = 100'000;
inline constexpr std::size_t kTagsMax = 1'000;  // of one request

/// Not blank, without '/' and ':', and no path in disguise ("..", "./a"). `parameter` is what the
/// caller calls it.
Result<> check_model_name(std::string_view name, std::string_view parameter = "name");
Result<> check_logged_model_name(std::string_view name);
/// Of an alias that is asked for; `to_set` also refuses "latest" and "v1", which mean something
/// else.
Result<> check_alias(std::string_view alias, bool to_set);
Result<> check_tag_key(std::string_view key, std::string_view parameter = "key");
Result<> check_tag(const Tag& tag);
Result<> check_tags(const Tags& tags);
Result<> check_description(std::string_view description);

}  // namespace slipway::registry
