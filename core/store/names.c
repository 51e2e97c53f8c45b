#include "store/names.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define KEEP_MS 30000        /* an address */
#define KEEP_FAILURE_MS 1000 /* that there is none */
#define NAMES_MAX 64
#define LOOKUPS_MAX 8
#define HOST_MAX 253 /* RFC 1035, without the last point */

typedef struct {
  char host[HOST_MAX + 1];
  uint64_t until; /* what is known is good before then; 0: nothing is known */
  uint64_t used;  /* when it was asked for last */
  int failed;     /* of libuv; 0: the addresses are there */
  uint32_t n;
  struct sockaddr_storage at[PML_NAMES_ADDRESSES];
  pml_list asks; /* who waits for the look-up that runs */
  struct lookup *lookup;
} entry;

/* Outlives the names when they close while it runs. */
typedef struct lookup {
  uv_getaddrinfo_t req;
  pml_names *names; /* NULL: closed */
  entry *entry;
} lookup;

struct pml_names {
  pml_loop *loop;
  pml_names_lookup look;
  pml_list answers; /* asks that have their answer, which comes at the end of the turn */
  entry *entries[NAMES_MAX];
  uint32_t count, running;
};

/* ---- asks ---- */

static void leave(pml_names_ask *a) {
  pml_timer_stop(a->names->loop, &a->timer);
  pml_task_cancel(&a->task);
  pml_list_remove(&a->node);
  a->names = NULL;
}

static void on_task(pml_task *t) {
  pml_names_ask *a = PML_CONTAINER(t, pml_names_ask, task);
  leave(a);
  a->done(a);
}

/* The answer is there: told at the end of the turn. */
static void settle(pml_names_ask *a, int rc) {
  a->rc = rc;
  pml_timer_stop(a->names->loop, &a->timer);
  pml_list_remove(&a->node);
  pml_list_append(&a->names->answers, &a->node);
  pml_loop_defer(a->names->loop, &a->task);
}

static void on_deadline(pml_timer *t) {
  pml_names_ask *a = PML_CONTAINER(t, pml_names_ask, timer);
  a->rc = PML_ETIMEOUT;
  leave(a);
  a->done(a);
}

/* What is known of a name, with the port of the ask. */
static void tell(pml_names_ask *a, const entry *e) {
  if (e->failed) {
    snprintf(a->why, sizeof a->why, "the name %s has no address: %s", e->host,
             uv_strerror(e->failed));
    settle(a, PML_ENOENT);
    return;
  }
  memcpy(a->at, e->at, e->n * sizeof *e->at);
  a->n = e->n;
  /* Both families have their port at the same place. */
  for (uint32_t i = 0; i < a->n; i++) ((struct sockaddr_in *)&a->at[i])->sin_port = htons(a->port);
  settle(a, 0);
}

/* ---- look-ups ---- */

static void keep(entry *e, const struct addrinfo *list) {
  e->n = 0;
  for (; list && e->n < PML_NAMES_ADDRESSES; list = list->ai_next) {
    if (list->ai_family != AF_INET && list->ai_family != AF_INET6) continue;
    if (list->ai_addrlen > sizeof e->at[0]) continue;
    memset(&e->at[e->n], 0, sizeof e->at[0]);
    memcpy(&e->at[e->n++], list->ai_addr, list->ai_addrlen);
  }
}

static void known(pml_names *n, entry *e, int status) {
  pml_list asks;
  e->failed = status ? status : e->n ? 0 : UV_EAI_NODATA;
  e->until = pml_loop_now(n->loop) + (e->failed ? KEEP_FAILURE_MS : KEEP_MS);
  pml_list_move(&asks, &e->asks);
  while (!pml_list_empty(&asks)) tell(PML_CONTAINER(asks.next, pml_names_ask, node), e);
}

static void on_addresses(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
  lookup *l = req->data;
  pml_names *n = l->names;
  if (n) {
    entry *e = l->entry;
    e->lookup = NULL;
    n->running--;
    if (!status) keep(e, list);
    known(n, e, status);
  }
  uv_freeaddrinfo(list);
  pml_free(l);
}

static void look_up(pml_names *n, entry *e) {
  /* One of each address and not one for every kind of socket; of families that this machine has. */
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  lookup *l = pml_alloc0(sizeof *l);
  l->names = n;
  l->entry = e;
  l->req.data = l;
  int rc = n->look(pml_loop_uv(n->loop), &l->req, on_addresses, e->host, NULL, &hints);
  if (rc) {
    pml_free(l);
    known(n, e, rc);
    return;
  }
  e->lookup = l;
  n->running++;
}

/* ---- names ---- */

/* A place for one more name: a new one, or that of the name that was asked for longest ago. */
static entry *place(pml_names *n) {
  entry *old = NULL;
  if (n->count < NAMES_MAX) {
    old = n->entries[n->count++] = pml_alloc0(sizeof *old);
    pml_list_init(&old->asks);
    return old;
  }
  for (uint32_t i = 0; i < n->count; i++) {
    entry *e = n->entries[i];
    if (!e->lookup && (!old || e->used < old->used)) old = e;
  }
  return old; /* there is one: fewer look-ups run than there are places */
}

static entry *find(pml_names *n, const char *host) {
  for (uint32_t i = 0; i < n->count; i++)
    if (!strcmp(n->entries[i]->host, host)) return n->entries[i];
  return NULL;
}

static entry *find_or_add(pml_names *n, const char *host) {
  entry *e = find(n, host);
  if (e || n->running >= LOOKUPS_MAX) return e;
  e = place(n);
  snprintf(e->host, sizeof e->host, "%s", host);
  e->until = 0;
  return e;
}

static int numeric(pml_names_ask *a, const char *host, uint16_t port) {
  if (uv_ip4_addr(host, port, (struct sockaddr_in *)&a->at[0]) &&
      uv_ip6_addr(host, port, (struct sockaddr_in6 *)&a->at[0]))
    return 0;
  a->n = 1;
  return 1;
}

static void full(pml_names_ask *a) {
  snprintf(a->why, sizeof a->why, "%d host names are being looked up already", LOOKUPS_MAX);
  settle(a, PML_EFULL);
}

void pml_names_ask_for(pml_names *n, pml_names_ask *a, const char *host, uint16_t port,
                       uint32_t ms) {
  a->names = n;
  a->port = port;
  a->n = 0;
  memset(a->at, 0, sizeof a->at);
  pml_timer_init(&a->timer, on_deadline);
  pml_task_init(&a->task, on_task);
  pml_list_init(&a->node);
  if (strlen(host) > HOST_MAX) {
    snprintf(a->why, sizeof a->why, "a host name has at most %d letters", HOST_MAX);
    settle(a, PML_ENOENT);
    return;
  }
  if (numeric(a, host, port)) {
    settle(a, 0);
    return;
  }
  snprintf(a->why, sizeof a->why, "the name %s was not found in %u ms", host, ms);
  entry *e = find_or_add(n, host);
  if (!e) {
    full(a);
    return;
  }
  uint64_t now = pml_loop_now(n->loop);
  e->used = now;
  if (!e->lookup && now < e->until) {
    tell(a, e);
  } else if (!e->lookup && n->running >= LOOKUPS_MAX) {
    full(a);
  } else {
    pml_list_append(&e->asks, &a->node);
    pml_timer_start(n->loop, &a->timer, ms);
    if (!e->lookup) look_up(n, e);
  }
}

void pml_names_cancel(pml_names_ask *a) {
  if (a->names) leave(a);
}

/* ---- life ---- */

pml_names *pml_names_new(pml_loop *l, pml_names_lookup look) {
  pml_names *n = pml_alloc0(sizeof *n);
  n->loop = l;
  n->look = look ? look : uv_getaddrinfo;
  pml_list_init(&n->answers);
  return n;
}

static void leave_all(pml_list *asks) {
  while (!pml_list_empty(asks)) leave(PML_CONTAINER(asks->next, pml_names_ask, node));
}

void pml_names_close(pml_names *n) {
  leave_all(&n->answers);
  for (uint32_t i = 0; i < n->count; i++) {
    entry *e = n->entries[i];
    leave_all(&e->asks);
    if (e->lookup) {
      e->lookup->names = NULL;
      uv_cancel((uv_req_t *)&e->lookup->req); /* one that no thread works on yet */
    }
    pml_free(e);
  }
  pml_free(n);
}
