#pragma once

#include <optional>
#include <string>

#include "app/sync_words.h"
#include "domain/registry/logged_models.h"

// Whether what a sync sends may be stored: forms of ids, lengths, counts. Pure; kInvalid says what
// was found.
namespace slipway::app {

Result<> check(const SyncRun& run);
Result<> check(const SyncPoints& points);
Result<> check(const SyncLoggedModel& model);
Result<> check(const SyncFiles& files);

/// Of the word for it; nothing for any other.
std::optional<registry::LoggedModelStatus> logged_status(const std::string& word);

}  // namespace slipway::app
