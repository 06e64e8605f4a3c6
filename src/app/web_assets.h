#pragma once

#include <string_view>
#include <vector>

#include "io/http/router.h"

// The page: the files of web/dist inside the binary (cmake/web.cmake), or a notice when it was
// built without them.
namespace slipway::app {

struct WebFile {
  std::string_view path;  // "/" for the page itself, "/assets/index-1a2b3c.js"
  std::string_view gzip;  // its bytes, compressed when the binary was built
};
std::vector<WebFile> web_files();

/// Adds GET / and GET /assets/{file}. Inline and public: they hold no data, what they ask for is
/// checked by its own route. With ETag, gzip for whoever accepts it, and a policy that keeps the
/// page from talking to any other origin.
void mount_web(http::Router& router);

}  // namespace slipway::app
