#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/project/bindings.h"
#include "domain/project/project_file.h"

// Any bytes: parsing ends with a file whose requirements are all bound, or with an error that says
// where.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Result<project::ProjectFile> file = project::parse_project(text);
  if (!file.ok()) {
    if (!file.error().message.starts_with(project::kProjectFile)) std::abort();
    return 0;
  }
  for (const project::Binding& binding : project::bindings(*file)) {
    if (binding.enforcers.empty()) std::abort();
  }
  return 0;
}
