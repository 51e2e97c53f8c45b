/* script: the port through which a node calls its scripts. script/script_lua is one implementation,
 * core/test/fake_script another. All functions are called on the loop's thread; all views and
 * slices are borrowed until the call returns. A node calls none of them from inside a function that
 * a script has called, except filter. */
#ifndef PML_NODE_SCRIPT_H
#define PML_NODE_SCRIPT_H

#include "base/slot.h"
#include "model/session.h"
#include "wire/envelope.h"
#include "wire/message.h"

/* How a session ended, as `closed` listeners get it. */
typedef enum { PML_CLOSE_NIL, PML_CLOSE_TEXT, PML_CLOSE_CODE, PML_CLOSE_FLAG } pml_close_kind;
typedef struct {
  pml_close_kind kind;
  pml_slice text; /* TEXT: from the script that asked for it, or the server's own reason */
  int code;       /* CODE: WebSocket close code. FLAG: whether the TCP socket had an error */
} pml_close_reason;

typedef struct pml_script {
  /* A client's message for this server's own type. request 0: a notify. */
  void (*on_message)(void *ud, pml_id request, const pml_session *s, const pml_message_view *m);
  /* The same, forwarded by a frontend. */
  void (*on_forwarded)(void *ud, pml_id request, const pml_envelope *env, pml_slice body);
  /* A remote call. call 0: no answer wanted. args: JSON array. */
  void (*on_call)(void *ud, pml_id call, const pml_envelope *env, pml_slice args);
  /* The end of a call made by pml_node_call. status 0: text is a JSON array;
   * 1: the other's error; negative: PML_E…. */
  void (*on_answered)(void *ud, pml_id call, int status, pml_slice text);
  /* The end of an acknowledged push. message NULL: good; fails: uids without a session. */
  void (*on_pushed)(void *ud, pml_id push, const char *message, pml_slice fails);
  void (*on_handshake)(void *ud, pml_id session, pml_slice body);
  /* Which server gets this message? Answered by pml_route_choose. */
  void (*on_route)(void *ud, pml_id pending, pml_slice type, const pml_session *s,
                   const pml_message_view *m);
  /* A session that scripts watch ended; it is out of the tables, readable until return. */
  void (*on_closed)(void *ud, const pml_session *s, const pml_close_reason *why);
  void (*on_timer)(void *ud, pml_id timer);
  /* broadcastFilter: non-zero keeps the session among the receivers. */
  int (*filter)(void *ud, const pml_session *s, pml_slice message, pml_slice param);
  void *ud;
} pml_script;

#endif
