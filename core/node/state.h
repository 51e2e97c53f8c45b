/* state: a node as the files of this folder see it: what all of them use, and its parts. The fields
 * of a part are read and written by the file of the part only. No other folder includes this. */
#ifndef PML_NODE_STATE_H
#define PML_NODE_STATE_H

#include "bus/rpc.h"
#include "net/listener.h"
#include "net/tls_context.h"
#include "node/admission.h"
#include "node/banned.h"
#include "node/calls_in.h"
#include "node/cluster.h"
#include "node/cluster_members.h"
#include "node/credits.h"
#include "node/deliver.h"
#include "node/door.h"
#include "node/drain.h"
#include "node/fair.h"
#include "node/filtered.h"
#include "node/forms.h"
#include "node/forward.h"
#include "node/frontend.h"
#include "node/gather.h"
#include "node/log_limit.h"
#include "node/membership.h"
#include "node/moves.h"
#include "node/node.h"
#include "node/passwords.h"
#include "node/peers.h"
#include "node/push.h"
#include "node/quiet.h"
#include "node/rate.h"
#include "node/requests.h"
#include "node/resume.h"
#include "node/route.h"
#include "node/script_timers.h"
#include "node/transcode.h"

struct pml_node {
  /* Set by node.c; every file may use them. */
  pml_loop *loop;
  char *id, *type;
  int is_frontend;
  pml_slot_floor *floor;            /* of every table of ids; NULL: none */
  pml_client_memory *client_memory; /* of the process; NULL: none */
  int (*socket)(void *ud, const char *id, const char *host, int port); /* as of the options */
  void *socket_ud;
  pml_log log;
  pml_config config;
  pml_script script;
  uint32_t generation; /* of the scripts: requests and calls that come in get it */
  pml_directory directory;
  pml_sessions *sessions;
  pml_channels *channels;
  pml_rpc *rpc;             /* NULL: there is no bus */
  pml_transport *transport; /* the same */
  pml_conns *conns;         /* clients; NULL before pml_node_listen and after pml_node_shut */
  pml_listener *listener;   /* NULL also once new clients are refused */
  int port;                 /* on which it listened */
  pml_tls *tls;             /* the certificates of new clients; NULL: there is no TLS */
  int tls_required;         /* clients without it are refused */
  uint64_t blocked;         /* calls of scripts that waited in C; bind counts them */

  pml_log_limit log_limit;
  pml_admission admission;
  pml_frontend frontend;
  pml_banned banned;
  pml_door door;
  pml_rate rate;
  pml_forms forms;
  pml_transcode transcode;
  pml_routes routes;
  pml_filtered filtered;
  pml_forwards forwards;
  pml_requests requests;
  pml_resume resume;
  pml_calls_in calls_in;
  pml_credits credits;
  pml_fair fair;
  pml_push push;
  pml_gathers gathers;
  pml_deliver deliver;
  pml_cluster cluster;
  pml_cluster_members cluster_members;
  pml_peers peers;
  pml_moves moves;
  pml_drain drain;
  pml_quiet quiet;
  pml_membership membership;
  pml_script_timers script_timers;
  pml_passwords passwords;
};

#endif
