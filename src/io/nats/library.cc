#include "io/nats/library.h"

#include <dlfcn.h>

#include <string>

namespace slipway::nats {
namespace {

/// Only the version whose header this was built with: its structs grow with each.
std::string library_name() {
  return "libnats.so." + std::to_string(NATS_VERSION_MAJOR) + "." +
         std::to_string(NATS_VERSION_MINOR);
}

class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}
  template <class Function>
  void operator()(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    if (function == nullptr && lacking_ == nullptr) lacking_ = name;
  }
  const char* lacking() const { return lacking_; }

 private:
  void* library_;
  const char* lacking_ = nullptr;
};

void find_connection(Finder& find, Library& nats) {
  find("nats_Open", nats.open);
  find("natsStatus_GetText", nats.status_text);
  find("natsOptions_Create", nats.options_create);
  find("natsOptions_Destroy", nats.options_destroy);
  find("natsOptions_SetURL", nats.set_url);
  find("natsOptions_SetName", nats.set_name);
  find("natsOptions_SetTimeout", nats.set_timeout);
  find("natsOptions_SetAllowReconnect", nats.set_allow_reconnect);
  find("natsOptions_SetPingInterval", nats.set_ping_interval);
  find("natsOptions_SetMaxPingsOut", nats.set_max_pings_out);
  find("natsOptions_SetIgnoreDiscoveredServers", nats.set_ignore_discovered);
  find("natsOptions_SetErrorHandler", nats.set_error_handler);
  find("natsOptions_SetSecure", nats.set_secure);
  find("natsOptions_LoadCATrustedCertificates", nats.load_ca);
  find("natsOptions_LoadCertificatesChain", nats.load_certificate);
  find("natsOptions_SetExpectedHostname", nats.set_expected_hostname);
  find("natsOptions_SetUserCredentialsFromFiles", nats.set_credentials);
  find("natsConnection_Connect", nats.connect);
  find("natsConnection_Destroy", nats.connection_destroy);
  find("natsConnection_GetMaxPayload", nats.max_payload);
  find("natsConnection_FlushTimeout", nats.flush);
}

void find_jetstream(Finder& find, Library& nats) {
  find("natsConnection_JetStream", nats.jetstream);
  find("jsCtx_Destroy", nats.jetstream_destroy);
  find("jsOptions_Init", nats.js_options_init);
  find("js_StreamNames", nats.stream_names);
  find("jsStreamNamesList_Destroy", nats.stream_names_destroy);
  find("js_GetStreamInfo", nats.stream_info);
  find("jsStreamInfo_Destroy", nats.stream_info_destroy);
  find("jsConsumerConfig_Init", nats.consumer_config_init);
  find("js_GetConsumerInfo", nats.consumer_info);
  find("jsConsumerInfo_Destroy", nats.consumer_info_destroy);
  find("js_AddConsumer", nats.add_consumer);
  find("js_DeleteConsumer", nats.delete_consumer);
}

void find_messages(Finder& find, Library& nats) {
  find("natsInbox_Create", nats.inbox_create);
  find("natsInbox_Destroy", nats.inbox_destroy);
  find("natsConnection_SubscribeSync", nats.subscribe);
  find("natsSubscription_SetPendingLimits", nats.set_pending_limits);
  find("natsSubscription_NextMsg", nats.next_message);
  find("natsSubscription_Destroy", nats.subscription_destroy);
  find("natsConnection_PublishString", nats.publish);
  find("natsConnection_PublishRequestString", nats.publish_request);
  find("natsMsg_Destroy", nats.message_destroy);
  find("natsMsg_GetReply", nats.reply);
  find("natsMsg_GetSubject", nats.subject);
  find("natsMsg_GetData", nats.data);
  find("natsMsg_GetDataLength", nats.data_length);
  find("natsMsgHeader_Keys", nats.header_keys);
  find("natsMsgHeader_Get", nats.header_get);
}

Result<Library> load() {
  void* opened = dlopen(library_name().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    return unavailable(
        std::string("listening to NATS needs its client library (package libnats3.4): ") +
        dlerror());
  }
  Library nats{};
  Finder find(opened);
  find_connection(find, nats);
  find_jetstream(find, nats);
  find_messages(find, nats);
  if (find.lacking() != nullptr)
    return unavailable(std::string("the NATS client library lacks ") + find.lacking());
  constexpr std::int64_t kDefaultSpins = -1;
  if (nats.open(kDefaultSpins) != NATS_OK)
    return unavailable("the NATS client library cannot start");
  return nats;
}

}  // namespace

Result<const Library*> library() {
  static const Result<Library> loaded = load();
  if (!loaded.ok()) return loaded.error();
  return &*loaded;
}

}  // namespace slipway::nats
