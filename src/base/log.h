#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

// Key-value logging to standard error:  log_info("run ended", {{"run_id", id}, {"ms", took_ms}});
// Never log a secret; never let a log line be the only witness of an event.
namespace slipway {

enum class LogLevel { kDebug, kInfo, kWarning, kError, kOff };
enum class LogFormat { kText, kJson };

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v) {}
  LogField(std::string_view k, const char* v) : key(k), text(v) {}
  LogField(std::string_view k, bool v) : key(k), text(v ? "true" : "false"), bare(true) {}
  LogField(std::string_view k, int v) : key(k), text(std::to_string(v)), bare(true) {}
  LogField(std::string_view k, std::int64_t v) : key(k), text(std::to_string(v)), bare(true) {}
  LogField(std::string_view k, std::uint64_t v) : key(k), text(std::to_string(v)), bare(true) {}
  LogField(std::string_view k, double v);

  std::string_view key;
  std::string text;
  bool bare = false;  // a number or bool: no quotes in JSON
};

void set_log_level(LogLevel level);
void set_log_format(LogFormat format);

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields);

inline void log_debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kDebug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kInfo, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kWarning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(LogLevel::kError, message, fields);
}

}  // namespace slipway
