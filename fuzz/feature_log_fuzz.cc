#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "domain/features/column.h"
#include "domain/features/online_log.h"
#include "domain/features/row.h"

// Any bytes as a log, as records in a frame, as a row and as a key. What is a row or key is so to
// the byte.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway;
  using namespace slipway::features;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)log::parse(bytes, "log").ok();
  log::Visitor visitor;
  visitor.define = [](const log::DefineRecord&) -> Result<> { return {}; };
  visitor.put = [](const log::PutRecord&, std::uint64_t) -> Result<> { return {}; };
  visitor.entry = [](const log::EntryRecord&) -> Result<> { return {}; };
  visitor.end = [](const log::EndRecord&) -> Result<> { return {}; };
  (void)log::visit({1, bytes}, "log", visitor).ok();
  const std::vector<Type> types = {Type::kString, Type::kInt64, Type::kString, Type::kFloat64};
  if (is_row(types, bytes)) (void)decode_row(types, bytes);
  if (std::optional<std::vector<Value>> key = unpack_key(bytes)) {
    if (pack_key(*key).size() != bytes.size()) std::abort();
  }
  return 0;
}
