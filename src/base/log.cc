#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <charconv>

#include "base/clock.h"

namespace slipway {
namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};
std::atomic<LogFormat> chosen_format{LogFormat::kText};

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("slipway", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_level(spdlog::level::trace);
    made.set_pattern("%v");
    made.flush_on(spdlog::level::trace);
    return made;
  }();
  return instance;
}

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
    case LogLevel::kOff: return "off";
  }
  return "off";
}

// Quotes and escapes control characters, so that no value can forge a line or a field.
void append_escaped(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    unsigned char byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  out += '"';
}

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

std::string text_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = to_iso8601(SystemClock().now_ms()) + " " + name_of(level) + " ";
  line += message;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (field.bare || plain(field.text)) line += field.text;
    else append_escaped(line, field.text);
  }
  return line;
}

std::string json_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = "{\"time\":\"" + to_iso8601(SystemClock().now_ms()) + "\",\"level\":\"" + name_of(level) +
                     "\",\"message\":";
  append_escaped(line, message);
  for (const LogField& field : fields) {
    line += ',';
    append_escaped(line, field.key);
    line += ':';
    if (field.bare) line += field.text;
    else append_escaped(line, field.text);
  }
  return line + "}";
}

}  // namespace

LogField::LogField(std::string_view k, double v) : key(k), bare(true) {
  char buffer[32];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, v);
  text.assign(buffer, end);
}

void set_log_level(LogLevel level) { least_level = level; }
void set_log_format(LogFormat format) { chosen_format = format; }

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  bool json = chosen_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  logger().log(spdlog::level::info, "{}", json ? json_line(level, message, fields) : text_line(level, message, fields));
}

}  // namespace slipway
