#pragma once

#include <nats/nats.h>

#include "base/result.h"

namespace slipway::nats {

/// The functions of the NATS client library that we call.
struct Library {
  decltype(&nats_Open) open;
  decltype(&natsStatus_GetText) status_text;
  decltype(&natsOptions_Create) options_create;
  decltype(&natsOptions_Destroy) options_destroy;
  decltype(&natsOptions_SetURL) set_url;
  decltype(&natsOptions_SetName) set_name;
  decltype(&natsOptions_SetTimeout) set_timeout;
  decltype(&natsOptions_SetAllowReconnect) set_allow_reconnect;
  decltype(&natsOptions_SetPingInterval) set_ping_interval;
  decltype(&natsOptions_SetMaxPingsOut) set_max_pings_out;
  decltype(&natsOptions_SetIgnoreDiscoveredServers) set_ignore_discovered;
  decltype(&natsOptions_SetErrorHandler) set_error_handler;
  decltype(&natsOptions_SetSecure) set_secure;
  decltype(&natsOptions_LoadCATrustedCertificates) load_ca;
  decltype(&natsOptions_LoadCertificatesChain) load_certificate;
  decltype(&natsOptions_SetExpectedHostname) set_expected_hostname;
  decltype(&natsOptions_SetUserCredentialsFromFiles) set_credentials;
  decltype(&natsConnection_Connect) connect;
  decltype(&natsConnection_Destroy) connection_destroy;
  decltype(&natsConnection_GetMaxPayload) max_payload;
  decltype(&natsConnection_FlushTimeout) flush;
  decltype(&natsConnection_JetStream) jetstream;
  decltype(&jsCtx_Destroy) jetstream_destroy;
  decltype(&jsOptions_Init) js_options_init;
  decltype(&js_StreamNames) stream_names;
  decltype(&jsStreamNamesList_Destroy) stream_names_destroy;
  decltype(&js_GetStreamInfo) stream_info;
  decltype(&jsStreamInfo_Destroy) stream_info_destroy;
  decltype(&jsConsumerConfig_Init) consumer_config_init;
  decltype(&js_GetConsumerInfo) consumer_info;
  decltype(&jsConsumerInfo_Destroy) consumer_info_destroy;
  decltype(&js_AddConsumer) add_consumer;
  decltype(&js_DeleteConsumer) delete_consumer;
  decltype(&natsInbox_Create) inbox_create;
  decltype(&natsInbox_Destroy) inbox_destroy;
  decltype(&natsConnection_SubscribeSync) subscribe;
  decltype(&natsSubscription_SetPendingLimits) set_pending_limits;
  decltype(&natsSubscription_NextMsg) next_message;
  decltype(&natsSubscription_Destroy) subscription_destroy;
  decltype(&natsConnection_PublishString) publish;
  decltype(&natsConnection_PublishRequestString) publish_request;
  decltype(&natsMsg_Destroy) message_destroy;
  decltype(&natsMsg_GetReply) reply;
  decltype(&natsMsg_GetSubject) subject;
  decltype(&natsMsg_GetData) data;
  decltype(&natsMsg_GetDataLength) data_length;
  decltype(&natsMsgHeader_Keys) header_keys;
  decltype(&natsMsgHeader_Get) header_get;
};

/// Opened on the first call: a program that listens to no broker starts without it. kUnavailable
/// says how to get it. Any thread.
Result<const Library*> library();

}  // namespace slipway::nats
