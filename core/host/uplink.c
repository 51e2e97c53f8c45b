#include "host/uplink.h"

#include "base/container.h"
#include "base/list.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_MS 5000   /* for the first try to reach a broker, before servers start without */
#define REMIND_MS 60000 /* between two lines while the bus is not there */
#define GOODBYE_MS 500  /* for what is on its way when the program ends */

/* An id that is claimed as soon as it is known whether the bus is there. */
typedef struct {
  pml_list node;
  char id[];
} waiting;

struct pml__uplink {
  pml_bus *bus; /* owned */
  pml_loop *loop;
  const pml_log *log;
  pml__uplink_events ev;
  pml_list waiting;
  pml_timer first, remind;
  uint64_t since; /* when the bus was lost */
  int tried;      /* it is known whether the bus is there */
  int up;
  char *cluster, *why; /* owned; why it is not there */
};

/* --- whether the bus is there ---------------------------------------------------------- */

static void claim_all(pml__uplink *c) {
  c->tried = 1;
  pml_timer_stop(c->loop, &c->first);
  for (pml_list *n; (n = pml_list_pop(&c->waiting));) {
    waiting *w = PML_CONTAINER(n, waiting, node);
    pml_bus_claim(c->bus, w->id);
    pml_free(w);
  }
}

/* The first try takes too long: the servers of this program start meanwhile. */
static void on_first(pml_timer *t) { claim_all(PML_CONTAINER(t, pml__uplink, first)); }

static void on_remind(pml_timer *t) {
  pml__uplink *c = PML_CONTAINER(t, pml__uplink, remind);
  uint64_t minutes = (pml_loop_now(c->loop) - c->since + REMIND_MS / 2) / REMIND_MS;
  pml_log_write(c->log, PML_WARN, "the bus has not been there for %llu minute%s: %s",
                (unsigned long long)minutes, minutes == 1 ? "" : "s", c->why);
  pml_timer_start(c->loop, &c->remind, REMIND_MS);
}

static void link_lost(pml__uplink *c, const char *text) {
  int first = !c->why;
  pml_free(c->why);
  c->why = pml_strdup(text);
  if (!first) return; /* it was said, and the next minute says the present reason */
  c->since = pml_loop_now(c->loop);
  pml_log_write(c->log, PML_WARN,
                "the bus is not there: %s; servers of other processes cannot be reached, and the "
                "broker is tried again until it is there",
                text);
  pml_timer_start(c->loop, &c->remind, REMIND_MS);
}

static void link_made(pml__uplink *c, const char *text) {
  if (c->why) {
    pml_log_write(c->log, PML_INFO, "the bus is back after %.1f s: %s",
                  (double)(pml_loop_now(c->loop) - c->since) / 1000, text);
  } else {
    pml_log_write(c->log, PML_INFO, "the bus is there: %s; cluster %s", text, c->cluster);
  }
  pml_free(c->why);
  c->why = NULL;
  pml_timer_stop(c->loop, &c->remind);
}

static void on_link(int up, const char *text, void *ud) {
  pml__uplink *c = ud;
  if (!up) link_lost(c, text);
  else if (!c->up) link_made(c, text);
  c->up = up;
  c->ev.on_link(up, c->ev.ud);
  if (!c->tried) claim_all(c);
}

/* --- other servers --------------------------------------------------------------------- */

static void on_server(const pml_bus_server *s, pml_bus_state state, void *ud) {
  pml__uplink *c = ud;
  c->ev.on_server(s, state, c->ev.ud);
}

static void on_claimed(const char *id, const pml_bus_server *holder, uint64_t above, void *ud) {
  pml__uplink *c = ud;
  char text[640];
  if (!holder) {
    c->ev.on_free(id, above, c->ev.ud);
    return;
  }
  snprintf(text, sizeof text,
           "the id is taken: process %u on %.200s runs the server %.200s of the cluster %.100s; "
           "stop that one first, or give this one another id",
           holder->pid, holder->host, id, c->cluster);
  c->ev.on_taken(id, text, c->ev.ud);
}

static void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  pml__uplink *c = ud;
  char who[256] = "another process"; /* which one only others know */
  if (by->host[0]) snprintf(who, sizeof who, "process %u on %.200s", by->pid, by->host);
  pml_log_write(c->log, PML_ERROR,
                "%s: %s has taken its id over while this one was not heard; this one ends", id,
                who);
  c->ev.on_superseded(id, by, c->ev.ud);
}

static void on_refused(const char *text, void *ud) {
  pml__uplink *c = ud;
  c->ev.on_refused(text, c->ev.ud);
}

static void on_question(pml_id question, const char *process, pml_slice text, void *ud) {
  pml__uplink *c = ud;
  c->ev.on_question(question, process, text, c->ev.ud);
}

/* --- from the program ------------------------------------------------------------------ */

int pml__uplink_open(pml_loop *l, pml_hub *hub, const pml_bus_options *o, const pml_log *log,
                     const pml__uplink_events *ev, pml__uplink **out, char *err, size_t nerr) {
  const pml_bus_events of_bus = {.on_link = on_link,
                                 .on_server = on_server,
                                 .on_claimed = on_claimed,
                                 .on_superseded = on_superseded,
                                 .on_refused = on_refused,
                                 .on_question = on_question};
  pml_bus_options options = *o;
  pml_bus_events events = of_bus;
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  if (!options.host) options.host = host;
  options.log = log;
  pml__uplink *c = pml_alloc0(sizeof *c);
  events.ud = c;
  c->loop = l;
  c->log = log;
  c->ev = *ev;
  c->cluster = pml_strdup(o->cluster);
  pml_list_init(&c->waiting);
  pml_timer_init(&c->first, on_first);
  pml_timer_init(&c->remind, on_remind);
  int rc = pml_bus_open(l, hub, &options, &events, &c->bus, err, nerr);
  if (rc != 0) {
    pml_free(c->cluster);
    pml_free(c);
    return rc;
  }
  pml_timer_start(l, &c->first, FIRST_MS);
  *out = c;
  return 0;
}

void pml__uplink_close(pml__uplink *c) {
  if (!c) return;
  pml_bus_close(c->bus, GOODBYE_MS);
  pml_timer_stop(c->loop, &c->first);
  pml_timer_stop(c->loop, &c->remind);
  for (pml_list *n; (n = pml_list_pop(&c->waiting));) pml_free(PML_CONTAINER(n, waiting, node));
  pml_free(c->cluster);
  pml_free(c->why);
  pml_free(c);
}

void pml__uplink_claim(pml__uplink *c, const char *id) {
  if (!c) return;
  if (c->tried) {
    pml_bus_claim(c->bus, id);
    return;
  }
  size_t n = strlen(id) + 1;
  waiting *w = pml_alloc(sizeof *w + n);
  memcpy(w->id, id, n);
  pml_list_append(&c->waiting, &w->node);
}

void pml__uplink_serve(pml__uplink *c, const char *id, uint64_t incarnation, const char *info) {
  if (c) pml_bus_serve(c->bus, id, incarnation, info);
}

void pml__uplink_leaving(pml__uplink *c, const char *id) {
  if (c) pml_bus_leaving(c->bus, id);
}

void pml__uplink_leave(pml__uplink *c, const char *id) {
  if (c) pml_bus_leave(c->bus, id);
}

pml_bus *pml__uplink_bus(pml__uplink *c) { return c ? c->bus : NULL; }
