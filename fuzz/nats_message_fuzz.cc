// What anybody may publish: bodies and headers of messages, the reply subject, the status of a
// request.
#include <cstdlib>

#include "base/text.h"
#include "dialects/hooks/nats.h"
#include "io/nats/delivery.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  slipway::nats::Message message;
  message.at = {"S", 1, 1};
  // Lines "name: value" until an empty one; the rest is the body.
  std::string_view rest = input;
  while (!rest.empty() && rest.front() != '\n') {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const std::size_t colon = std::min(line.find(": "), line.size());
    if (colon < line.size())
      message.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (!rest.empty()) rest.remove_prefix(1);
  message.body = std::string(rest);
  message.bytes = message.body.size();
  const auto occasion = slipway::hooks::read_message(message, "trigger");
  if (occasion.ok() && (!occasion->data.is_object() || occasion->key.empty() ||
                        !slipway::is_valid_utf8(occasion->key)))
    std::abort();
  if (const auto delivery = slipway::nats::parse_delivery(input);
      delivery && (delivery->sequence == 0 || delivery->stream.empty()))
    std::abort();
  slipway::nats::parse_status(input.substr(0, 3), input);
  return 0;
}
