#include "host/others.h"

#include "host/steps.h"

static void on_link(int up, void *ud) {
  pml_program *p = ud;
  if (p->web) pml_web_set_bus(p->web, up);
}

static void on_free(const char *id, uint64_t above, void *ud) {
  pml_program *p = ud;
  pml__server *s = pml__servers_find(&p->servers, id);
  if (!s) { /* it ended meanwhile: the id is another's to have */
    pml__uplink_leave(p->uplink, id);
    return;
  }
  pml_hub_raise(p->host.hub, above);
  pml__steps_claimed(p, s);
}

static void on_taken(const char *id, const char *text, void *ud) {
  pml_program *p = ud;
  pml__server *s = pml__servers_find(&p->servers, id);
  if (s && !pml__server_saw(s, PML__MSG_CLAIMED)) pml__steps_failed(p, s, text);
}

static void on_server(const pml_bus_server *s, pml_bus_state state, void *ud) {
  pml_program *p = ud;
  if (p->o->control.on_remote) p->o->control.on_remote(p, s, state, p->o->ud);
}

/* It ends like a server that the operator stops, but what it waits for from others ends at once:
 * they know another life of its id. */
static void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  pml_program *p = ud;
  pml_hub_exile(p->host.hub, id);
  if (p->o->control.on_superseded) p->o->control.on_superseded(p, id, by, p->o->ud);
  else pml__steps_stop_server(p, id, 0);
}

static void on_refused(const char *text, void *ud) {
  pml_program *p = ud;
  if (p->stopping) return;
  if (!p->up) {
    pml__steps_fail(p, "", text);
    return;
  }
  pml_log_write(&p->log, PML_ERROR, "%s", text);
  p->status = 1;
  pml__steps_stop(p);
}

static void on_question(pml_id question, const char *process, pml_slice text, void *ud) {
  pml_program *p = ud;
  if (p->o->control.on_question) p->o->control.on_question(p, question, process, text, p->o->ud);
  else pml_bus_answer(pml__uplink_bus(p->uplink), question, pml_slice_str(""), 1);
}

int pml__others_open(pml_program *p) {
  const pml__uplink_events ev = {
    .on_link = on_link,
    .on_free = on_free,
    .on_taken = on_taken,
    .on_server = on_server,
    .on_superseded = on_superseded,
    .on_refused = on_refused,
    .on_question = on_question,
    .ud = p,
  };
  char err[640];
  if (p->o->bus && p->web) pml_web_set_bus(p->web, 0);
  if (!p->o->bus || pml__uplink_open(p->loop, p->host.hub, p->o->bus, &p->log, &ev, &p->uplink, err,
                                     sizeof err) == 0)
    return 0;
  pml__steps_fail(p, "", err);
  return -1;
}
