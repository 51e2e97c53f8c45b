/* state: what the files of this folder know of a node. Included by no other folder. */
#ifndef PML_NODE_STATE_H
#define PML_NODE_STATE_H

#include "base/pool.h"
#include "bus/rpc.h"
#include "net/listener.h"
#include "net/peer.h"
#include "node/node.h"

typedef struct {
  uint64_t begun;    /* messages and calls that other servers sent, and that a stop waits for */
  uint64_t stopping; /* messages that came when the server was stopping */
  uint64_t requests, notifies, forwards, forward_fails, bad_routes, over_in_flight, over_memory,
    blocked, ignored;
  uint64_t answers, late_answers, handler_timeouts, calls_in, pushes, push_records, deliveries,
    push_fails;
} pml_node_counters;

struct pml_node {
  pml_loop *loop;
  char *id, *type;
  int frontend;
  int shutting;
  int stopping;      /* 1: no new messages of own clients, 2: nor of others' */
  int parting;       /* its connections end */
  int refusing;      /* new requests: the scripts hold too much memory */
  uint64_t probe_at; /* when one request may see whether that is still so */
  pml_log log;
  pml_config config;
  pml_script script;
  pml_directory directory;
  pml_slot_floor *floor; /* of every table of ids; NULL: none */
  pml_sessions *sessions;
  size_t leaving; /* kicked ones whose connections have not ended yet */
  pml_channels *channels;
  struct pml_resolver *resolver; /* node/push */
  char **gone; /* node/node: servers that were there and are not, the last GONE_MAX of them */
  size_t ngone;
  pml_rpc *rpc;
  pml_transport *transport;
  pml_conns *conns;       /* clients; NULL before pml_node_listen and after pml_node_shut */
  pml_listener *listener; /* NULL also once new clients are refused */
  int port;               /* that it listened on */
  pml_peer_host host;
  pml_slots *requests;                 /* node/requests */
  pml_pool request_pool, forward_pool; /* of node/requests, node/frontend */
  size_t forwards_open;                /* node/frontend: requests at other servers */
  pml_slots *pending;                  /* node/frontend: messages that wait for on_route */
  pml_slots *remote_calls;             /* node/calls_in */
  uint32_t generation;                 /* of the scripts: requests and calls that come in get it */
  pml_slots *pushes;                   /* node/push: waiting for acknowledgements */
  pml_slots *timers;                   /* script timers */
  char **routed; /* node/frontend: server types whose messages ask the scripts */
  size_t nrouted;
  struct {
    pml_timer timer;
    pml_task task;
    void (*done)(void *ud); /* NULL: nobody waits */
    void *ud;
  } drain;                 /* node/node: waiting for the last session's end */
  struct pml_flush *flush; /* node/quiet: the one that is waited for */
  char **going;            /* node/quiet: servers that stop, in their turn */
  size_t ngoing;
  pml_timer left_out; /* node/node: the log tells what it left out */
  uint32_t push_mark; /* node/push: number of the last push that left somebody out */
  pml_node_counters counts;
};

/* Frees every object of a slot table with fn, one after the other. */
void pml__node_empty(pml_slots *t, void (*fn)(void *obj, pml_node *n), pml_node *n);

/* Whether a new request is refused now. One a second is let through: after its call the
 * memory is looked at again. */
int pml__node_refuses(pml_node *n);

/* A server that was to leave is gone, or has come anew. */
void pml__node_stays(pml_node *n, const char *id);

/* A session has ended: perhaps the last one that pml_node_drain waits for. */
void pml__node_session_ended(pml_node *n);

#endif
