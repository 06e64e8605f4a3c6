#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/registry/types.h"
#include "domain/tracking/types.h"

// MLflow's words and numbers for states, in ours. Pure.
namespace slipway::mlflow_store {

/// "FINISHED" of databases, 3 of files.
std::optional<tracking::RunStatus> run_status(std::string_view word);
std::optional<tracking::RunStatus> run_status(std::int64_t number);
std::optional<registry::LoggedModelStatus> logged_model_status(std::int64_t number);
inline constexpr std::string_view kDeletedStage = "Deleted_Internal";
inline constexpr std::string_view kDeleted = "deleted";

/// What a catalogue can hold: UTF-8 without NUL, at most `bytes_max` bytes.
bool is_storable(std::string_view text, std::size_t bytes_max);
inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kValueBytesMax = 1u << 20;
/// `text`, cut and with what can't be shown replaced, for a message.
std::string shown(std::string_view text);

/// "1234" and nothing else, not below 0.
std::optional<std::int64_t> experiment_number(std::string_view text);
bool is_run_id(std::string_view text);           // 32 hex digits
bool is_logged_model_id(std::string_view text);  // as MLflow makes them, or a word like it

}  // namespace slipway::mlflow_store
