#include "io/http/client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <array>
#include <exception>
#include <memory>

#include "io/http/format.h"
#include "io/http/guard.h"

namespace slipway::http {
namespace {

constexpr std::size_t kHeaderBytesMax = 256u << 10;
constexpr std::array kLibraryNames = {"libcurl.so.4", "libcurl-gnutls.so.4"};

/// The functions of libcurl that we call.
struct Libcurl {
  decltype(&curl_global_init) global_init;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
};

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Result<Libcurl> load() {
  void* library = nullptr;
  for (const char* name : kLibraryNames) {
    if (library == nullptr) library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  }
  if (library == nullptr) {
    return unavailable(std::string("requests to other servers need libcurl (package libcurl4): ") +
                       dlerror());
  }
  Libcurl curl{};
  const bool complete = find(library, "curl_global_init", curl.global_init) &&
                        find(library, "curl_easy_init", curl.easy_init) &&
                        find(library, "curl_easy_cleanup", curl.easy_cleanup) &&
                        find(library, "curl_easy_setopt", curl.easy_setopt) &&
                        find(library, "curl_easy_perform", curl.easy_perform) &&
                        find(library, "curl_easy_getinfo", curl.easy_getinfo) &&
                        find(library, "curl_easy_strerror", curl.easy_strerror) &&
                        find(library, "curl_slist_append", curl.slist_append) &&
                        find(library, "curl_slist_free_all", curl.slist_free_all);
  if (!complete) return unavailable("libcurl lacks a function that Slipway needs");
  if (curl.global_init(CURL_GLOBAL_ALL) != CURLE_OK) return unavailable("libcurl cannot start");
  return curl;
}

/// Opened on the first call: a program that asks no other server starts without it.
Result<const Libcurl*> libcurl() {
  static const Result<Libcurl> loaded = load();
  if (!loaded.ok()) return loaded.error();
  return &*loaded;
}

/// What libcurl's callbacks fill. They are called through C, which no exception may cross.
struct Receiver {
  Response response;
  std::uint64_t body_bytes_max;
  std::size_t header_bytes = 0;
  const char* refused = nullptr;

  bool take_body(std::string_view bytes) {
    if (bytes.size() > body_bytes_max - response.body.size()) {
      refused = "the answer is longer than it may be";
      return false;
    }
    response.body.append(bytes);
    return true;
  }

  bool take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kHeaderBytesMax) {
      refused = "the answer's headers are longer than they may be";
      return false;
    }
    // Those of an interim answer ("100 Continue") come first.
    if (line.substr(0, 5) == "HTTP/") response.headers.clear();
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) {
      value.remove_prefix(1);
    }
    response.headers.add(std::string(line.substr(0, colon)), std::string(value));
    return true;
  }
};

template <bool (Receiver::*take)(std::string_view)>
std::size_t receive(char* data, std::size_t size, std::size_t count, void* receiver) {
  try {
    const bool taken = (static_cast<Receiver*>(receiver)->*take)({data, size * count});
    return taken ? size * count : 0;
  } catch (const std::exception&) {
    return 0;
  }
}

/// Called by libcurl about once a second, and whenever something comes: not 0 gives up.
int is_stopped(void* request, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const ClientRequest*>(request)->stop->stop_requested() ? 1 : 0;
}

/// "host:80" of "http://user@host:80/path".
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const std::size_t user = url.rfind('@');
  return user == std::string_view::npos ? url : url.substr(user + 1);
}

class Fetch {
 public:
  Fetch(const Libcurl& curl, const ClientRequest& request)
      : curl_(curl),
        request_(request),
        easy_(curl.easy_init(), curl.easy_cleanup),
        fields_(nullptr, curl.slist_free_all) {
    receiver_.body_bytes_max = request.response_bytes_max;
  }

  Result<Response> run() {
    if (easy_ == nullptr) return unavailable("libcurl cannot start");
    TRY(add_fields());
    set_target();
    set_method();
    set_receiver();
    set_stop();
    if (!settings_taken_) return unavailable("this libcurl lacks a setting that Slipway needs");
    const CURLcode code = curl_.easy_perform(easy_.get());
    if (code != CURLE_OK) return failure(code);
    long status = 0;
    curl_.easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    receiver_.response.status = static_cast<int>(status);
    return std::move(receiver_.response);
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    settings_taken_ &= curl_.easy_setopt(easy_.get(), option, value) == CURLE_OK;
  }

  void set_target() {
    set(CURLOPT_ERRORBUFFER, why_.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
    set(CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    set(CURLOPT_HTTPHEADER, fields_.get());
    // A proxy of the environment has no way to this machine and its network.
    if (is_allowed_host(authority_of(request_.url), {})) set(CURLOPT_NOPROXY, "*");
  }

  void set_method() {
    const bool has_body = !request_.body.empty() || request_.method == Method::kPost ||
                          request_.method == Method::kPut || request_.method == Method::kPatch;
    if (has_body) {
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.data());
    }
    if (request_.method == Method::kHead)
      set(CURLOPT_NOBODY, 1L);
    else
      set(CURLOPT_CUSTOMREQUEST, to_string(request_.method));
  }

  void set_stop() {
    if (!request_.stop) return;
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &is_stopped);
    set(CURLOPT_XFERINFODATA, const_cast<void*>(static_cast<const void*>(&request_)));
  }

  void set_receiver() {
    set(CURLOPT_WRITEFUNCTION, &receive<&Receiver::take_body>);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver_));
    set(CURLOPT_HEADERFUNCTION, &receive<&Receiver::take_header>);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&receiver_));
  }

  Result<> add_fields() {
    if (!is_sendable(request_.headers)) {
      return invalid("a header of the request to " + request_.url + " cannot be sent");
    }
    for (const auto& [name, value] : request_.headers.all()) {
      TRY(add_field(value.empty() ? name + ";" : name + ": " + value));
    }
    // libcurl would add these by itself.
    if (!request_.headers.has("Content-Type")) TRY(add_field("Content-Type:"));
    return add_field("Expect:");
  }

  Result<> add_field(const std::string& line) {
    curl_slist* longer = curl_.slist_append(fields_.get(), line.c_str());
    if (longer == nullptr) return unavailable("out of memory");
    static_cast<void>(fields_.release());
    fields_.reset(longer);
    return {};
  }

  Error failure(CURLcode code) const {
    const std::string what = std::string(to_string(request_.method)) + " " + request_.url;
    if (code == CURLE_ABORTED_BY_CALLBACK)
      return unavailable(what + ": given up, this server ends");
    if (receiver_.refused != nullptr) return unavailable(what + ": " + receiver_.refused);
    const std::string why = why_[0] != '\0' ? why_.data() : curl_.easy_strerror(code);
    const bool wrong = code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
    return wrong ? invalid(what + ": " + why) : unavailable(what + ": " + why);
  }

  const Libcurl& curl_;
  const ClientRequest& request_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> fields_;
  std::array<char, CURL_ERROR_SIZE> why_{};
  Receiver receiver_{};
  bool settings_taken_ = true;
};

}  // namespace

Result<Response> fetch(const ClientRequest& request) {
  const Libcurl* curl = TRY(libcurl());
  return Fetch(*curl, request).run();
}

}  // namespace slipway::http
