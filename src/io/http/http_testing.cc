#include "io/http/http_testing.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>

namespace slipway::http::testing {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;

void must(bool condition, const char* what) {
  if (condition) return;
  ADD_FAILURE() << what << ": errno " << errno;
  std::abort();
}

}  // namespace

Socket::Socket(int port, int receive_buffer_bytes) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
  must(static_cast<bool>(fd_), "socket");
  const timeval patience{10, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (receive_buffer_bytes > 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
               sizeof receive_buffer_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  must(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
}

bool Socket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void Socket::end_sending() {
  shutdown(fd_.get(), SHUT_WR);
}

void Socket::reset() {
  const struct linger at_once { 1, 0 };
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

bool Socket::fill() {
  if (at_ > 0) buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  const ssize_t n = recv(fd_.get(), buffer_.data() + before, kReadBytes, 0);
  buffer_.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
  return n > 0;
}

std::optional<std::string> Socket::line() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n", at_)) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  std::string text = buffer_.substr(at_, end - at_);
  at_ = end + 2;
  return text;
}

bool Socket::take(std::size_t bytes, std::string& to) {
  while (bytes > 0) {
    if (at_ == buffer_.size() && !fill()) return false;
    const std::size_t n = std::min(bytes, buffer_.size() - at_);
    to.append(buffer_, at_, n);
    at_ += n;
    bytes -= n;
  }
  return true;
}

void Socket::receive_chunks(Answer& answer) {
  while (true) {
    const auto size_line = line();
    if (!size_line) return;
    const std::size_t size = std::strtoull(size_line->c_str(), nullptr, 16);
    if (!take(size, answer.body)) return;
    const auto end = line();
    if (!end || !end->empty()) return;
    if (size == 0) {
      answer.whole = true;
      return;
    }
  }
}

Answer Socket::receive(bool to_head) {
  Answer answer;
  const auto status = line();
  if (!status || status->size() < 12) return answer;
  answer.status = std::atoi(status->c_str() + 9);
  while (true) {
    const auto field = line();
    if (!field) return answer;
    if (field->empty()) break;
    const std::size_t colon = field->find(": ");
    if (colon == std::string::npos) return answer;
    answer.headers.add(field->substr(0, colon), field->substr(colon + 2));
  }
  const bool no_body =
      to_head || answer.status < 200 || answer.status == 204 || answer.status == 304;
  if (no_body) {
    answer.whole = true;
  } else if (answer.headers.get("Transfer-Encoding") == "chunked") {
    receive_chunks(answer);
  } else if (answer.headers.has("Content-Length")) {
    const std::string length(answer.headers.get("Content-Length"));
    answer.whole = take(std::strtoull(length.c_str(), nullptr, 10), answer.body);
  } else {
    answer.body = receive_all();
    answer.whole = true;
  }
  return answer;
}

Answer Socket::ask(std::string_view request) {
  send(request);
  return receive();
}

std::string Socket::receive_some() {
  if (at_ == buffer_.size() && !fill()) return {};
  std::string some = buffer_.substr(at_);
  at_ = buffer_.size();
  return some;
}

std::string Socket::receive_all() {
  std::string all;
  for (std::string some = receive_some(); !some.empty(); some = receive_some()) all += some;
  return all;
}

bool Socket::ended() {
  if (at_ != buffer_.size()) return false;
  char byte = 0;
  const ssize_t n = recv(fd_.get(), &byte, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

std::string get(std::string_view target, std::string_view more_headers) {
  std::string text = "GET ";
  text.append(target).append(" HTTP/1.1\r\nHost: localhost\r\n").append(more_headers);
  return text + "\r\n";
}

std::string post(std::string_view target, std::string_view body, std::string_view more_headers) {
  std::string text = "POST ";
  text.append(target).append(" HTTP/1.1\r\nHost: localhost\r\nContent-Length: ");
  text.append(std::to_string(body.size())).append("\r\n").append(more_headers);
  return text.append("\r\n").append(body);
}

TestServer::TestServer(const Mount& mount, ServerOptions options,
                       std::shared_ptr<Doorkeeper> doorkeeper) {
  mount(router_);
  options.port = 0;
  Result<std::unique_ptr<Server>> opened =
      Server::open(std::move(options), router_, metrics, std::move(doorkeeper));
  must(opened.ok(), "the test server cannot listen");
  server_ = std::move(*opened);
  server_->start();
}

TestServer::~TestServer() {
  server_.reset();
}

std::string TestServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
}

double TestServer::metric(const std::string& name_and_labels) const {
  const std::string text = "\n" + metrics.expose();
  const std::size_t at = text.find("\n" + name_and_labels + " ");
  if (at == std::string::npos) return -1;
  return std::strtod(text.c_str() + at + name_and_labels.size() + 2, nullptr);
}

std::uint64_t resident_bytes() {
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace slipway::http::testing
