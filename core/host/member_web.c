#include "host/member_web.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "host/msg.h"

/* Requests in one turn of the loop: clients of the game are read between. */
#define CALLS_PER_TURN 64

static void on_call(pml_mail *mail, void *ud) {
  pml_member *m = ud;
  pml_web_call *call = PML_CONTAINER(mail, pml_web_call, mail);
  pml_web_answer none = {.status = 500};
  if (m->stage.web) m->stage.web(m->stage.ud, call);
  else pml_member_answer_web(m, call->id, &none);
  pml_free(call);
}

static void drop(pml_mail *mail, void *ud) {
  (void)ud;
  pml_free(PML_CONTAINER(mail, pml_web_call, mail));
}

int pml_member_serve_web(pml_member *m, pml_http_routes *routes) {
  if (!m->host->calls) return PML_ENOENT;
  if (!m->web) m->web = pml_mailbox_new(m->loop, CALLS_PER_TURN, PML__MSG_LIMIT, on_call, m);
  return m->web ? pml_web_calls_serve(m->host->calls, m->web, routes) : PML_EIO;
}

int pml_member_answer_web(pml_member *m, pml_id id, pml_web_answer *a) {
  if (m->host->calls) return pml_web_calls_answer(m->host->calls, id, a);
  pml_web_answer_clear(a);
  return PML_ECLOSED;
}

int pml_member_waits_web(pml_member *m, pml_id id) {
  return m->host->calls && pml_web_calls_waits(m->host->calls, id);
}

void pml__member_web_refuse(pml_member *m) {
  if (m->web) pml_web_calls_refuse(m->host->calls, m->web);
}

size_t pml__member_web_open(pml_member *m) {
  return m->web ? pml_web_calls_open(m->host->calls, m->web) : 0;
}

size_t pml__member_web_expire(pml_member *m) {
  return m->web ? pml_web_calls_expire(m->host->calls, m->web) : 0;
}

void pml__member_web_end(pml_member *m) {
  if (!m->web) return;
  pml_web_calls_leave(m->host->calls, m->web);
  pml_mailbox_close(m->web, drop, NULL);
  pml_mailbox_unref(m->web);
  m->web = NULL;
}
