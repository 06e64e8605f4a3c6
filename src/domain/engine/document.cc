#include "domain/engine/document.h"

namespace slipway::engine {

bool looks_like_ubjson(std::string_view bytes) {
  // An object of JSON goes on with a quote, a brace or blanks; one of UBJSON with the type of its
  // first key's length.
  if (bytes.size() < 2 || bytes[0] != '{') return false;
  const std::string_view length_types = "iUIlL$#N";
  return length_types.find(bytes[1]) != std::string_view::npos;
}

}  // namespace slipway::engine
