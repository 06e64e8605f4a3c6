#include "io/http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/text.h"
#include "io/http/format.h"
#include "io/http/guard.h"

namespace slipway::http {
namespace {

constexpr std::size_t kHeaderBytesMax = 256u << 10;
constexpr std::size_t kStreamBufferBytes = 256u << 10;
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
  decltype(&curl_easy_pause) easy_pause;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_multi_init) multi_init;
  decltype(&curl_multi_cleanup) multi_cleanup;
  decltype(&curl_multi_add_handle) multi_add_handle;
  decltype(&curl_multi_remove_handle) multi_remove_handle;
  decltype(&curl_multi_perform) multi_perform;
  decltype(&curl_multi_poll) multi_poll;
  decltype(&curl_multi_info_read) multi_info_read;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;
};

bool is_http(std::string_view url) {
  const std::string start = to_lower(url.substr(0, 8));
  return start.starts_with("http://") || start.starts_with("https://");
}

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
                        find(library, "curl_easy_pause", curl.easy_pause) &&
                        find(library, "curl_easy_reset", curl.easy_reset) &&
                        find(library, "curl_multi_init", curl.multi_init) &&
                        find(library, "curl_multi_cleanup", curl.multi_cleanup) &&
                        find(library, "curl_multi_add_handle", curl.multi_add_handle) &&
                        find(library, "curl_multi_remove_handle", curl.multi_remove_handle) &&
                        find(library, "curl_multi_perform", curl.multi_perform) &&
                        find(library, "curl_multi_poll", curl.multi_poll) &&
                        find(library, "curl_multi_info_read", curl.multi_info_read) &&
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
  /// Of a body that is read piece by piece: what waits, at most; then the sender has to.
  std::optional<std::size_t> ahead_bytes = {};
  std::size_t header_bytes = 0;
  const char* refused = nullptr;
  bool head_ended = false;
  bool paused = false;
  std::string not_public = {};  // an address that was not connected to

  std::size_t take_body(std::string_view bytes) {
    if (ahead_bytes && response.body.size() >= *ahead_bytes) {
      paused = true;
      return CURL_WRITEFUNC_PAUSE;
    }
    if (bytes.size() > body_bytes_max - response.body.size()) {
      refused = "the answer is longer than it may be";
      return 0;
    }
    response.body.append(bytes);
    return bytes.size();
  }

  std::size_t take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > kHeaderBytesMax) {
      refused = "the answer's headers are longer than they may be";
      return 0;
    }
    return keep_header(line) ? line.size() : 0;
  }

  bool keep_header(std::string_view line) {
    if (head_ended) return true;  // a trailer
    // Those of an interim answer ("100 Continue") come first.
    if (line.substr(0, 5) == "HTTP/") {
      response.headers.clear();
      is_interim = line.find(" 1") == 8;
    }
    if (line == "\r\n" || line == "\n") head_ended = !is_interim;
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

 private:
  bool is_interim = false;
};

template <std::size_t (Receiver::*take)(std::string_view)>
std::size_t receive(char* data, std::size_t size, std::size_t count, void* receiver) {
  try {
    return (static_cast<Receiver*>(receiver)->*take)({data, size * count});
  } catch (const std::exception&) {
    return 0;
  }
}

/// Called by libcurl about once a second, and whenever something comes: not 0 gives up.
int is_stopped(void* request, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const ClientRequest*>(request)->stop->stop_requested() ? 1 : 0;
}

/// The bytes of an IPv4 or IPv6 address; none of any other family.
std::vector<std::uint8_t> address_bytes(const sockaddr& address) {
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  const void* from = address.sa_family == AF_INET ? static_cast<const void*>(&v4.sin_addr)
                                                  : static_cast<const void*>(&v6.sin6_addr);
  const std::size_t size = address.sa_family == AF_INET    ? 4
                           : address.sa_family == AF_INET6 ? 16
                                                           : 0;
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  return {bytes, bytes + size};
}

std::string address_text(const sockaddr& address) {
  const std::vector<std::uint8_t> bytes = address_bytes(address);
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (bytes.empty() ||
      inet_ntop(address.sa_family, bytes.data(), text.data(), text.size()) == nullptr) {
    return "an address of an unknown kind";
  }
  return text.data();
}

/// Called by libcurl for each address that it is about to connect to.
curl_socket_t open_public_socket(void* receiver, curlsocktype, curl_sockaddr* target) {
  try {
    if (!is_public_address(address_bytes(target->addr))) {
      static_cast<Receiver*>(receiver)->not_public = address_text(target->addr);
      return CURL_SOCKET_BAD;
    }
  } catch (const std::exception&) {
    return CURL_SOCKET_BAD;
  }
  return socket(target->family, target->socktype | SOCK_CLOEXEC, target->protocol);
}

/// "host:80" of "http://user@host:80/path".
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const std::size_t user = url.rfind('@');
  return user == std::string_view::npos ? url : url.substr(user + 1);
}

/// What libcurl's callback sends of a body that is read piece by piece.
struct Sender {
  BodyReader* body;
  std::uint64_t left;
  std::optional<Error> failed = {};

  std::size_t give(std::span<char> buffer) {
    if (left == 0) return 0;
    const Result<std::size_t> got =
        body->read(buffer.first(std::min<std::uint64_t>(buffer.size(), left)));
    if (got.ok() && *got > 0) {
      left -= *got;
      return *got;
    }
    failed = got.ok() ? unavailable("what was to be sent ended early, " + std::to_string(left) +
                                    " bytes were missing")
                      : got.error();
    return CURL_READFUNC_ABORT;
  }
};

std::size_t send_more(char* buffer, std::size_t size, std::size_t count, void* sender) {
  try {
    return static_cast<Sender*>(sender)->give({buffer, size * count});
  } catch (const std::exception&) {
    return CURL_READFUNC_ABORT;
  }
}

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

/// One request on its way, over a handle that somebody else drives. Neither moves while it is.
class Transfer {
 public:
  Transfer(const Libcurl& curl, CURL* easy, const ClientRequest& request)
      : curl_(curl), request_(request), easy_(easy), fields_(nullptr, curl.slist_free_all) {
    receiver_.body_bytes_max = request.response_bytes_max;
  }
  Transfer(const Transfer&) = delete;

  /// The body is to be read piece by piece.
  void stream(std::size_t ahead_bytes) {
    receiver_.ahead_bytes = ahead_bytes;
    receiver_.body_bytes_max = UINT64_MAX;
  }

  Result<> prepare() {
    if (easy_ == nullptr) return unavailable("libcurl cannot start");
    TRY(add_fields());
    set_target();
    set_method();
    set_receiver();
    set_stop();
    if (!settings_taken_) return unavailable("this libcurl lacks a setting that Slipway needs");
    return {};
  }

  Result<> ended(CURLcode code) const {
    if (code != CURLE_OK) return failure(code);
    return {};
  }

  Receiver& receiver() { return receiver_; }
  Response& response() {
    long status = 0;
    curl_.easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
    receiver_.response.status = static_cast<int>(status);
    return receiver_.response;
  }

 private:
  template <class Value>
  void set(CURLoption option, Value value) {
    settings_taken_ &= curl_.easy_setopt(easy_, option, value) == CURLE_OK;
  }

  void set_target() {
    set(CURLOPT_ERRORBUFFER, why_.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set_patience();
    set(CURLOPT_USERAGENT, "slipway/" SLIPWAY_VERSION);
    set(CURLOPT_HTTPHEADER, fields_.get());
    // A proxy of the environment has no way to this machine and its network.
    if (request_.public_only || is_allowed_host(authority_of(request_.url), {})) {
      set(CURLOPT_NOPROXY, "*");
    }
    if (request_.public_only) {
      set(CURLOPT_OPENSOCKETFUNCTION, &open_public_socket);
      set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&receiver_));
    }
  }

  void set_patience() {
    if (!receiver_.ahead_bytes && request_.body_stream == nullptr) {
      set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
      return;
    }
    const long seconds = static_cast<long>((request_.timeout.count() + 999) / 1000);
    set(CURLOPT_CONNECTTIMEOUT, seconds);
    set(CURLOPT_LOW_SPEED_TIME, seconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    if (request_.body_stream != nullptr) return;
    set(CURLOPT_BUFFERSIZE, static_cast<long>(kStreamBufferBytes));
  }

  void set_body_stream() {
    sender_ = {request_.body_stream, request_.body_stream_bytes};
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_stream_bytes));
    set(CURLOPT_READFUNCTION, &send_more);
    set(CURLOPT_READDATA, static_cast<void*>(&sender_));
    set(CURLOPT_CUSTOMREQUEST, to_string(request_.method));
  }

  void set_method() {
    if (request_.body_stream != nullptr) return set_body_stream();
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
    if (sender_.failed) return *sender_.failed;
    if (code == CURLE_ABORTED_BY_CALLBACK)
      return unavailable(what + ": given up, this server ends");
    if (receiver_.refused != nullptr) return unavailable(what + ": " + receiver_.refused);
    if (!receiver_.not_public.empty()) {
      return denied(what + ": " + receiver_.not_public + " is no address of the public internet");
    }
    const std::string why = why_[0] != '\0' ? why_.data() : curl_.easy_strerror(code);
    // An answer that is no HTTP/1 is said to be of an unsupported protocol as well.
    const bool wrong = code == CURLE_URL_MALFORMAT ||
                       (code == CURLE_UNSUPPORTED_PROTOCOL && !is_http(request_.url));
    if (wrong) return invalid(what + ": " + why);
    const Error failed = unavailable(what + ": " + why);
    return code == CURLE_OPERATION_TIMEDOUT ? with_tag(failed, "timeout") : failed;
  }

  const Libcurl& curl_;
  const ClientRequest& request_;
  CURL* easy_;
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> fields_;
  std::array<char, CURL_ERROR_SIZE> why_{};
  Receiver receiver_{};
  Sender sender_{nullptr, 0};
  bool settings_taken_ = true;
};

/// A connection, or a few, kept between requests. One request at a time.
class Line {
 public:
  explicit Line(const Libcurl& curl)
      : curl_(curl),
        multi_(curl.multi_init(), curl.multi_cleanup),
        easy_(curl.easy_init(), curl.easy_cleanup) {}
  ~Line() { end(); }
  Line(const Line&) = delete;

  CURL* easy() { return easy_.get(); }

  Result<> begin() {
    if (multi_ == nullptr || easy_ == nullptr) return unavailable("libcurl cannot start");
    if (curl_.multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) {
      return unavailable("libcurl cannot take a request");
    }
    under_way_ = true;
    result_.reset();
    return {};
  }

  /// Moves bytes; waits for some when there were none. Its result once the request is over.
  const std::optional<CURLcode>& drive() {
    int running = 0, left = 0;
    if (curl_.multi_perform(multi_.get(), &running) != CURLM_OK) result_ = CURLE_FAILED_INIT;
    while (CURLMsg* message = curl_.multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) result_ = message->data.result;
    }
    return result_;
  }
  void wait() {
    constexpr int kWaitMs = 1000;
    int ready = 0;
    curl_.multi_poll(multi_.get(), nullptr, 0, kWaitMs, &ready);
  }
  void go_on() { curl_.easy_pause(easy_.get(), CURLPAUSE_CONT); }
  const std::optional<CURLcode>& result() const { return result_; }

  /// The handle can take another request.
  void end() {
    if (under_way_) curl_.multi_remove_handle(multi_.get(), easy_.get());
    under_way_ = false;
    if (easy_ != nullptr) curl_.easy_reset(easy_.get());
  }

 private:
  const Libcurl& curl_;
  std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi_;
  Easy easy_;
  bool under_way_ = false;
  std::optional<CURLcode> result_;
};

/// Lines that nobody uses at the moment; each has its connections open.
struct Lines {
  static constexpr std::size_t kIdleMax = 32;
  std::vector<std::unique_ptr<Line>> idle;
};
using SharedLines = std::shared_ptr<Guarded<Lines>>;

void put_back(const SharedLines& lines, std::unique_ptr<Line> line) {
  line->end();
  lines->with([&](Lines& all) {
    if (all.idle.size() < Lines::kIdleMax) all.idle.push_back(std::move(line));
  });
}

class StreamedAnswer final : public Incoming {
 public:
  StreamedAnswer(const Libcurl& curl, SharedLines lines, std::unique_ptr<Line> line,
                 ClientRequest request)
      : lines_(std::move(lines)),
        line_(std::move(line)),
        request_(std::move(request)),
        transfer_(curl, line_->easy(), request_) {
    transfer_.stream(kStreamBufferBytes);
  }
  // The line goes before what its callbacks fill.
  ~StreamedAnswer() override {
    if (line_ == nullptr) return;
    const bool whole = line_->result() == CURLE_OK && waiting().empty();
    if (whole) {
      put_back(lines_, std::move(line_));
    } else {
      line_.reset();
    }
  }

  Result<> begin() {
    TRY(transfer_.prepare());
    TRY(line_->begin());
    while (!transfer_.receiver().head_ended) {
      if (line_->drive()) break;
      if (!transfer_.receiver().head_ended) line_->wait();
    }
    if (line_->result()) TRY(transfer_.ended(*line_->result()));
    head_.status = transfer_.response().status;
    head_.headers = transfer_.response().headers;
    return {};
  }

  const Response& head() const override { return head_; }

  Result<std::size_t> read(std::span<char> buffer) override {
    while (waiting().empty() && !line_->result()) {
      if (std::exchange(transfer_.receiver().paused, false)) line_->go_on();
      if (!line_->drive() && waiting().empty()) line_->wait();
    }
    if (!waiting().empty()) return take(buffer);
    TRY(transfer_.ended(*line_->result()));
    return std::size_t{0};
  }

 private:
  std::string_view waiting() {
    return std::string_view(transfer_.receiver().response.body).substr(taken_);
  }
  std::size_t take(std::span<char> buffer) {
    const std::size_t got = waiting().copy(buffer.data(), buffer.size());
    taken_ += got;
    if (!waiting().empty()) return got;
    transfer_.receiver().response.body.clear();
    taken_ = 0;
    return got;
  }

  SharedLines lines_;
  std::unique_ptr<Line> line_;
  const ClientRequest request_;
  Transfer transfer_;
  Response head_;
  std::size_t taken_ = 0;  // of the body that waits
};

class KeptClient final : public Client {
 public:
  Result<Response> fetch(const ClientRequest& request) override {
    const Libcurl* curl = TRY(libcurl());
    std::unique_ptr<Line> line = idle_or_new(*curl);
    Transfer transfer(*curl, line->easy(), request);
    TRY(transfer.prepare());
    TRY(line->begin());
    while (!line->drive()) line->wait();
    const CURLcode code = *line->result();
    if (code != CURLE_OK) {
      const Result<> failed = transfer.ended(code);
      line.reset();
      return failed.error();
    }
    Response response = std::move(transfer.response());
    put_back(lines_, std::move(line));
    return response;
  }

  Result<std::unique_ptr<Incoming>> open(const ClientRequest& request) override {
    const Libcurl* curl = TRY(libcurl());
    auto answer =
        std::make_unique<StreamedAnswer>(*curl, lines_, idle_or_new(*curl), request);
    TRY(answer->begin());
    return std::unique_ptr<Incoming>(std::move(answer));
  }

 private:
  std::unique_ptr<Line> idle_or_new(const Libcurl& curl) {
    std::unique_ptr<Line> line = lines_->with([](Lines& lines) {
      std::unique_ptr<Line> last;
      if (lines.idle.empty()) return last;
      last = std::move(lines.idle.back());
      lines.idle.pop_back();
      return last;
    });
    return line != nullptr ? std::move(line) : std::make_unique<Line>(curl);
  }

  SharedLines lines_ = std::make_shared<Guarded<Lines>>();
};

}  // namespace

Result<Response> fetch(const ClientRequest& request) {
  const Libcurl* curl = TRY(libcurl());
  const Easy easy(curl->easy_init(), curl->easy_cleanup);
  Transfer transfer(*curl, easy.get(), request);
  TRY(transfer.prepare());
  TRY(transfer.ended(curl->easy_perform(easy.get())));
  return std::move(transfer.response());
}

Result<std::string> non_public_address(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (failed != 0) return invalid(gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (!is_public_address(address_bytes(*one->ai_addr))) return address_text(*one->ai_addr);
  }
  return std::string();
}

std::unique_ptr<Client> make_client() {
  return std::make_unique<KeptClient>();
}

}  // namespace slipway::http
