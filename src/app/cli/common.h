#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/command.h"
#include "base/result.h"
#include "io/wire/json.h"

// What several commands need alike.
namespace slipway::app {

/// What a flag was given; `otherwise` where it was not.
std::string flag(const Arguments& arguments, std::string_view name,
                 std::string_view otherwise = "");
/// Where a server keeps things is the same for every command of a shell: SLIPWAY_STATE for "state",
/// SLIPWAY_STORE for "store"; nothing for other flags.
std::string from_environment(std::string_view flag);
/// The folder that --state or SLIPWAY_STATE names, from where the command runs; else the project's.
std::filesystem::path state_folder(const Arguments& arguments, const Surroundings& surroundings);

/// Who runs this command: the login name, else the number of the user.
std::string user_name();

/// "; did you mean 'NEAR'?", or "; known: A, B and 3 more", or "" where nothing is known.
std::string hint_of(const std::string& name, const std::vector<std::string>& known);

/// Where -o writes: a symbolic link is followed. kInvalid, tag "usage", for a device, a pipe or a
/// folder: what is there would be replaced by a file; and where there is no such folder.
Result<std::filesystem::path> file_to_write(const std::filesystem::path& named);

/// The command was used wrongly (exit code 2).
Error usage(const std::string& message);

// Members of an answer's object: "", 0 and an empty list where there is none of that kind.
std::string text_at(const wire::Json& json, std::string_view key);
std::int64_t number_at(const wire::Json& json, std::string_view key);
const wire::Json::Array& list_at(const wire::Json& json, std::string_view key);

}  // namespace slipway::app
