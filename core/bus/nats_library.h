/* nats_library: libnats, loaded when a bus is opened and not before: a program without a bus needs
 * no libnats. Its functions are called through one table, of which every bus has its own. */
#ifndef PML_BUS_NATS_LIBRARY_H
#define PML_BUS_NATS_LIBRARY_H

#include <nats/nats.h>
#include <stddef.h>

#define PML__NATS_FUNCTIONS(F) \
  F(nats_Open) \
  F(nats_SetMessageDeliveryPoolSize) \
  F(natsStatus_GetText) \
  F(nats_GetLastError) \
  F(natsOptions_Create) \
  F(natsOptions_Destroy) \
  F(natsOptions_SetServers) \
  F(natsOptions_SetUserInfo) \
  F(natsOptions_SetUserCredentialsFromFiles) \
  F(natsOptions_SetSecure) \
  F(natsOptions_LoadCATrustedCertificates) \
  F(natsOptions_SetNoRandomize) \
  F(natsOptions_SetTimeout) \
  F(natsOptions_SetName) \
  F(natsOptions_SetPingInterval) \
  F(natsOptions_SetMaxPingsOut) \
  F(natsOptions_SetMaxReconnect) \
  F(natsOptions_SetReconnectWait) \
  F(natsOptions_SetReconnectJitter) \
  F(natsOptions_SetReconnectBufSize) \
  F(natsOptions_SetWriteDeadline) \
  F(natsOptions_SetSendAsap) \
  F(natsOptions_SetIOBufSize) \
  F(natsOptions_UseGlobalMessageDelivery) \
  F(natsOptions_SetDisconnectedCB) \
  F(natsOptions_SetReconnectedCB) \
  F(natsOptions_SetClosedCB) \
  F(natsOptions_SetErrorHandler) \
  F(natsConnection_Connect) \
  F(natsConnection_Subscribe) \
  F(natsConnection_Publish) \
  F(natsConnection_PublishRequest) \
  F(natsConnection_Request) \
  F(natsConnection_FlushTimeout) \
  F(natsConnection_GetMaxPayload) \
  F(natsConnection_GetConnectedUrl) \
  F(natsConnection_GetLastError) \
  F(natsConnection_Close) \
  F(natsConnection_Destroy) \
  F(natsSubscription_SetPendingLimits) \
  F(natsSubscription_SetOnCompleteCB) \
  F(natsSubscription_Destroy) \
  F(natsMsg_GetSubject) \
  F(natsMsg_GetReply) \
  F(natsMsg_GetData) \
  F(natsMsg_GetDataLength) \
  F(natsMsg_IsNoResponders) \
  F(natsMsg_Destroy)

typedef struct {
#define PML__NATS_FIELD(name) __typeof__(&name) name;
  PML__NATS_FUNCTIONS(PML__NATS_FIELD)
#undef PML__NATS_FIELD
} pml__nats;

/* Loads the library, which stays in the process, and fills *out. 0, or PML_ENOENT with one sentence
 * in err. Any thread. */
int pml__nats_load(pml__nats *out, char *err, size_t nerr);

#endif
