#include "host/program_bus.h"

#include "base/container.h"
#include "base/err.h"
#include "base/mem.h"
#include "host/program_private.h"

/* A question to others that is not answered yet. */
typedef struct {
  pml_list node;
  pml_program *p;
  pml_id id;
} call;

/* The program's function may ask anew, but not end the bus. */
static void on_answer(const char *process, const char *text, size_t late, void *ud) {
  call *c = ud;
  pml_program *p = c->p;
  pml_id id = c->id;
  if (!text) {
    pml_list_remove(&c->node);
    pml_free(c);
  }
  if (p->o->control.on_answered) p->o->control.on_answered(p, id, process, text, late, p->o->ud);
}

int pml_program_ask_bus(pml_program *p, const char *process, pml_id id, pml_slice text,
                        uint32_t ms) {
  pml_bus *b = pml__uplink_bus(p->uplink);
  if (!b) return PML_ENOENT;
  call *c = pml_alloc(sizeof *c);
  *c = (call){.p = p, .id = id};
  int rc = pml_bus_ask(b, process, text, ms, on_answer, c);
  if (rc) pml_free(c);
  else pml_list_append(&p->calls, &c->node);
  return rc;
}

void pml_program_answer_bus(pml_program *p, pml_id question, pml_slice text, int last) {
  pml_bus *b = pml__uplink_bus(p->uplink);
  if (b) pml_bus_answer(b, question, text, last);
}

void pml__program_calls_clear(pml_program *p) {
  for (pml_list *i; (i = pml_list_pop(&p->calls));) pml_free(PML_CONTAINER(i, call, node));
}
