#include "node/admission.h"

#include "node/state.h"

#define PROBE_MS 1000 /* between two requests that find out about the memory */

const pml_counter pml__admission_counters[] = {
  PML_NODE_COUNTER("requests", admission.requests),
  PML_NODE_COUNTER("notifies", admission.notifies),
  PML_NODE_COUNTER("overInFlight", admission.over_in_flight),
  PML_NODE_COUNTER("overMemory", admission.over_memory),
  PML_NODE_COUNTER("refusedStopping", admission.refused_stopping),
  {NULL, 0},
};

void pml__admission_stop(pml_node *n, pml_admission_source from) {
  if (n->admission.stopping < (int)from) n->admission.stopping = (int)from;
}

int pml__admission_stopped(pml_node *n, pml_admission_source from) {
  if (n->admission.stopping < (int)from) return 0;
  n->admission.refused_stopping++;
  return 1;
}

int pml__admission_full(pml_node *n, const pml_session *s, pml_slice route) {
  if (s->in_flight < n->config.max_in_flight) return 0;
  n->admission.over_in_flight++;
  pml_log_some(&n->log, PML_INFO, "messages above maxInFlight",
               "%.*s: refused: serverConfig.maxInFlight (%u) messages of its session are in flight",
               (int)route.n, (const char *)route.p, (unsigned)n->config.max_in_flight);
  return 1;
}

void pml_node_count_over_in_flight(pml_node *n) { n->admission.over_in_flight++; }

void pml_node_refuse(pml_node *n, int on) {
  if (on && !n->admission.refusing) n->admission.probe_at = pml_loop_now(n->loop) + PROBE_MS;
  n->admission.refusing = on;
}

int pml_node_refusing(const pml_node *n) { return n->admission.refusing; }

int pml__admission_low_memory(pml_node *n) {
  if (!n->admission.refusing) return 0;
  uint64_t now = pml_loop_now(n->loop);
  if (now >= n->admission.probe_at) {
    n->admission.probe_at = now + PROBE_MS;
    return 0;
  }
  n->admission.over_memory++;
  return 1;
}

void pml__admission_count(pml_node *n, int is_request) {
  if (is_request) n->admission.requests++;
  else n->admission.notifies++;
}

void pml__admission_begin(pml_node *n) { n->admission.begun++; }

uint64_t pml_node_begun(const pml_node *n) { return n->admission.begun; }
