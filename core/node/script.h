/* script: the port through which a node calls its scripts. script/script_lua is one implementation,
 * core/test/fake_script another. All functions are called on the loop's thread; all views and
 * slices are borrowed until the call returns. A node calls none of them from inside a function that
 * a script has called, except filter. */
#ifndef PML_NODE_SCRIPT_H
#define PML_NODE_SCRIPT_H

#include "base/slot.h"
#include "model/channel.h"
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

/* What happens to channels and their members. */
typedef enum {
  PML_MEMBER_MADE,   /* a channel is there */
  PML_MEMBER_JOINED, /* a member that was none */
  PML_MEMBER_AGAIN,  /* a member was added again */
  PML_MEMBER_TIED,   /* the same, or a new one: it belongs to a session */
  PML_MEMBER_LEFT,
  PML_MEMBER_PUSHED, /* the channel had a mark, and is pushed to; the mark is gone */
  PML_MEMBER_GONE,   /* the channel was destroyed, all its members have left before */
  PML_MEMBER_AFTER   /* no change: a script waited for what happened before it */
} pml_member_change;
typedef struct {
  pml_member_change change;
  pml_id id; /* of the channel, which may have gone since; AFTER: the script's number */
  pml_slice name;
  pml_uid uid; /* JOINED, AGAIN, TIED, LEFT */
  const char *sid;
  pml_left why;   /* LEFT */
  pml_id session; /* TIED: on the frontend sid */
  int restored;   /* it comes from a store */
} pml_member_event;

typedef struct pml_script {
  /* A client's message for this server's own type, or for any (node/filtered). request 0: a
   * notify. */
  void (*on_message)(void *ud, pml_id request, const pml_session *s, const pml_message_view *m);
  /* One of this server's own type, forwarded by a frontend. */
  void (*on_forwarded)(void *ud, pml_id request, const pml_envelope *env, pml_slice body);
  /* A message that the scripts have sent on (node/filtered) was answered, and its client has the
   * answer. status 0: text is the answer's body; 1: the other server's error; negative: PML_E…. */
  void (*on_returned)(void *ud, pml_id request, int status, pml_slice text);
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
  /* A session that may be resumed has lost its line (back 0), or its client has come back. */
  void (*on_line)(void *ud, const pml_session *s, int back);
  void (*on_timer)(void *ud, pml_id timer);
  /* At the end of the turn in which it happened; see pml_node_watch_channels. */
  void (*on_member)(void *ud, const pml_member_event *e);
  /* Another server is there (up), or gone. */
  void (*on_peer)(void *ud, const char *id, int up);
  /* broadcastFilter: non-zero keeps the session among the receivers. */
  int (*filter)(void *ud, const pml_session *s, pml_slice message, pml_slice param);
  void *ud;
} pml_script;

#endif
