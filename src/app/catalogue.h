#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

// Where the catalogue of a state folder is. A server may be told to keep it elsewhere; from then on
// every command that is given the folder finds it there, whether a server runs or not.
namespace slipway::app {

/// "sqlite:///.../catalog.db" of a state folder: where a catalogue is unless somebody said else.
std::string catalogue_uri(const std::filesystem::path& state);

/// `named`, by --store; else where keep_catalogue() said last; else catalogue_uri(). Makes nothing.
Result<std::string> catalogue_of(const std::filesystem::path& state, std::string_view named = {});

/// kMissing where a SQLite catalogue that nobody named, and that was kept elsewhere, is not there any
/// more: an empty one in its place would look like a loss of everything.
Result<> check_remembered(const std::string& uri);

/// From now on the catalogue of this folder is at `uri`. Durable; readable by this user only, since
/// a URI may hold a password.
Result<> keep_catalogue(const std::filesystem::path& state, const std::string& uri);

}  // namespace slipway::app
