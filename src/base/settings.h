#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// One list of settings gives flag, environment variable, file key, default and help.
namespace slipway {

/// One row of a settings table. `name` is the file key ("listen_serving"); the flag is --listen-serving and the
/// variable SLIPWAY_LISTEN_SERVING.
struct Setting {
  std::string name;
  std::string value_name;  // "ADDR:PORT"; empty for a switch
  std::string fallback;    // the default, as text
  std::string help;
  bool reloadable = false;  // may change while the server runs

  std::string flag() const;      // "--listen-serving"
  std::string variable() const;  // "SLIPWAY_LISTEN_SERVING"
};

/// The values of a table's settings, taken in this order: flag, environment, file, default.
class Settings {
 public:
  using Environment = std::function<std::optional<std::string>(const std::string& variable)>;

  /// kInvalid names the setting that is unknown in `flags` or `file`, with the nearest valid name.
  static Result<Settings> gather(const std::vector<Setting>& table,
                                 const std::map<std::string, std::string>& flags,
                                 const Environment& environment,
                                 const std::map<std::string, std::string>& file);

  /// Precondition: `name` is in the table.
  const std::string& text(std::string_view name) const;
  bool on(std::string_view name) const;
  /// kInvalid says where the value came from.
  Result<std::int64_t> integer(std::string_view name) const;

 private:
  struct Value {
    std::string text, origin;
  };
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace slipway
