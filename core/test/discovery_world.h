/* discovery_world: processes with discovery on a bus, in virtual time. The broker is a queue: it
 * can be away, stand still, or be parted into two groups; a process can stand still, end without a
 * word, or lose its link. What each process is told is kept, and checked: no UP twice, no DOWN
 * without UP, no record of a server that is not UP. */
#ifndef PML_TEST_DISCOVERY_WORLD_H
#define PML_TEST_DISCOVERY_WORLD_H

#include "base/err.h"
#include "base/mem.h"
#include "bus/discovery.h"
#include "test/test.h"
#include "wire/announce.h"

#define HEARTBEAT 1000u
#define TIMEOUT 5000u
#define PROCESSES 16
#define SERVERS 8
#define KNOWN 128
#define WAY_MS 1u /* how long a message is on its way */

enum { TO_ALL, TO_PROCESS, TO_ID, NO_PROCESS, NO_HOLDER, RECORD };

typedef struct mail {
  struct mail *next;
  int kind, from;
  uint64_t at; /* when it may be read */
  char name[80];
  size_t n;
  uint8_t bytes[];
} mail;

typedef struct {
  char id[64];
  uint64_t incarnation;
  int leaving, ends; /* ends: it has been superseded */
} server;

typedef struct {
  pml_discovery *d; /* NULL: it has ended */
  char name[PML_PROCESS_NAME];
  int up, frozen, group;
  int flips, flips_told; /* of the link */
  mail *first, **last;
  server own[SERVERS], known[KNOWN];
  char freed[SERVERS][64]; /* ids that it may serve now */
  char text[4096];         /* what it was told of servers and claims, one after the other */
  char processes[65536];   /* and of processes, by number */
  uint64_t received, bytes;
} process;

typedef struct {
  uint64_t now;
  int still; /* the broker */
  mail *kept, **kept_last;
  process p[PROCESSES];
  uint64_t messages, bytes, delivered, records;
  uint64_t life; /* not 0: what is free is served at once, with the next one */
} world;

static world w;

static inline int number_of(const char *name) {
  for (int i = 0; i < PROCESSES; i++)
    if (strcmp(w.p[i].name, name) == 0) return i;
  return -1;
}

static inline void note(char *to, size_t n, const char *text) {
  size_t len = strlen(to);
  CHECK(len + strlen(text) + 2 < n);
  snprintf(to + len, n - len, "%s%s", len ? ", " : "", text);
}

static inline server *find_in(server *list, int n, const char *id) {
  for (int i = 0; i < n; i++)
    if (strcmp(list[i].id, id) == 0) return &list[i];
  return NULL;
}

static inline void give(int to, int kind, int from, const char *name, pml_slice s) {
  process *p = &w.p[to];
  mail *m = pml_alloc0(sizeof *m + s.n);
  m->kind = kind;
  m->from = from;
  m->at = w.now + WAY_MS;
  snprintf(m->name, sizeof m->name, "%s", name);
  m->n = s.n;
  if (s.n) memcpy(m->bytes, s.p, s.n);
  *p->last = m;
  p->last = &m->next;
}

static inline int takes(const mail *m, int i) {
  const process *p = &w.p[i], *from = &w.p[m->from];
  if (!p->d || !p->up || p->group != from->group) return 0;
  if (m->kind == TO_ALL) return 1;
  if (m->kind == TO_ID) return find_in(w.p[i].own, SERVERS, m->name) != NULL;
  return strcmp(p->name, m->name) == 0;
}

static inline void broker_pass(const mail *m) {
  int taken = 0;
  for (int i = 0; i < PROCESSES; i++)
    if (takes(m, i)) {
      give(i, m->kind, m->from, m->name, pml_slice_of(m->bytes, m->n));
      w.delivered++;
      taken = 1;
    }
  if (taken || m->kind == TO_ALL || !w.p[m->from].up) return;
  give(m->from, m->kind == TO_ID ? NO_HOLDER : NO_PROCESS, m->from, m->name, pml_slice_of("", 0));
}

static inline void post(int from, int kind, const char *name, pml_slice s) {
  if (!w.p[from].up) return; /* lost */
  CHECK(s.n <= PML_ANNOUNCE_MAX);
  mail *m = pml_alloc0(sizeof *m + s.n);
  m->kind = kind;
  m->from = from;
  snprintf(m->name, sizeof m->name, "%s", name);
  m->n = s.n;
  memcpy(m->bytes, s.p, s.n);
  w.messages++;
  w.bytes += s.n;
  if (w.still) {
    *w.kept_last = m;
    w.kept_last = &m->next;
  } else {
    broker_pass(m);
    pml_free(m);
  }
}

static inline int self_of(void *ud) { return (int)((process *)ud - w.p); }

static inline void on_send_all(pml_slice s, void *ud) { post(self_of(ud), TO_ALL, "", s); }
static inline void on_send_to(const char *name, pml_slice s, void *ud) {
  post(self_of(ud), TO_PROCESS, name, s);
}
static inline void on_send_id(const char *id, pml_slice s, void *ud) {
  post(self_of(ud), TO_ID, id, s);
}

static inline void on_server(const pml_bus_server *s, pml_bus_state state, void *ud) {
  process *p = ud;
  char line[160];
  server *k = find_in(p->known, KNOWN, s->id);
  const char *what = state == PML_BUS_UP ? "up" : state == PML_BUS_DOWN ? "down" : "leaving";
  if (state == PML_BUS_UP && k) {
    CHECK(k->incarnation == s->incarnation); /* its info has changed */
    what = "info";
  } else if (state == PML_BUS_UP) {
    CHECK(!find_in(p->own, SERVERS, s->id));
    k = find_in(p->known, KNOWN, "");
    CHECK(k != NULL);
    snprintf(k->id, sizeof k->id, "%s", s->id);
    k->incarnation = s->incarnation;
  } else {
    CHECK(k && k->incarnation == s->incarnation);
    if (state == PML_BUS_DOWN) memset(k, 0, sizeof *k);
  }
  CHECK(strcmp(s->process, p->name) != 0);
  CHECK_STR(s->host, "host");
  snprintf(line, sizeof line, "%s %s %llu", what, s->id, (unsigned long long)s->incarnation);
  note(p->text, sizeof p->text, line);
}

static inline void on_process(const char *name, pml_process_state state, void *ud) {
  process *p = ud;
  char line[64];
  snprintf(line, sizeof line, "%s %d",
           state == PML_PROCESS_MET    ? "met"
           : state == PML_PROCESS_GONE ? "gone"
                                       : "unreachable",
           number_of(name));
  note(p->processes, sizeof p->processes, line);
}

static inline void on_claimed(const char *id, const pml_bus_server *h, uint64_t above, void *ud) {
  process *p = ud;
  char line[160];
  if (h)
    snprintf(line, sizeof line, "%s held by %d as %llu", h->id, number_of(h->process),
             (unsigned long long)h->incarnation);
  else snprintf(line, sizeof line, "%s free above %llu", id, (unsigned long long)above);
  CHECK(h || !find_in(p->known, KNOWN, id));
  note(p->text, sizeof p->text, line);
  for (int i = 0; !h && w.life && i < SERVERS; i++)
    if (!p->freed[i][0]) {
      snprintf(p->freed[i], sizeof p->freed[i], "%s", id);
      break;
    }
}

static inline void on_superseded(const char *id, const pml_bus_server *by, void *ud) {
  process *p = ud;
  char line[160];
  server *s = find_in(p->own, SERVERS, id);
  CHECK(s && !s->ends);
  s->ends = 1;
  snprintf(line, sizeof line, "%s superseded by %llu", id, (unsigned long long)by->incarnation);
  note(p->text, sizeof p->text, line);
}

static inline void on_refused(const char *text, void *ud) {
  process *p = ud;
  note(p->text, sizeof p->text, text);
}

/* Process i begins; its name sorts as `rank`. Anew: a process that was there has ended. */
static inline void begin_with(int i, unsigned rank, int tool, uint32_t beat, uint32_t timeout) {
  process *p = &w.p[i];
  static unsigned lives;
  const pml_discovery_events ev = {on_send_all, on_send_to,    on_send_id, on_server, on_process,
                                   on_claimed,  on_superseded, on_refused, p};
  pml_discovery_options o = {p->name, "host", 4711, beat, timeout, tool};
  CHECK(!p->d);
  memset(p, 0, sizeof *p);
  p->last = &p->first;
  snprintf(p->name, sizeof p->name, "%08x%024x", rank, ++lives);
  p->d = pml_discovery_new(&o, &ev);
}
static inline void begin_ranked(int i, unsigned rank, int tool) {
  begin_with(i, rank, tool, HEARTBEAT, TIMEOUT);
}
static inline void begin(int i) { begin_ranked(i, (unsigned)i, 0); }

/* A process that stands still hears of its link when it goes on. */
static inline void link_tell(process *p) {
  while (p->flips_told < p->flips) pml_discovery_link(p->d, p->flips_told++ % 2 == 0, w.now);
}
static inline void link_set(int i, int up) {
  process *p = &w.p[i];
  if (!p->d || p->up == up) return;
  p->up = up;
  p->flips++;
  if (!p->frozen) link_tell(p);
}
static inline void start(int i) {
  begin(i);
  link_set(i, 1);
}

static inline void mail_drop(process *p) {
  while (p->first) {
    mail *m = p->first;
    p->first = m->next;
    pml_free(m);
  }
  p->last = &p->first;
}

/* Ends without a word. */
static inline void end(int i) {
  process *p = &w.p[i];
  mail_drop(p);
  pml_discovery_free(p->d);
  p->d = NULL;
  p->up = 0;
}

static inline void serve(int i, const char *id, uint64_t incarnation) {
  process *p = &w.p[i];
  server *s = find_in(p->own, SERVERS, id);
  if (!s) s = find_in(p->own, SERVERS, "");
  CHECK(s != NULL);
  memset(s, 0, sizeof *s);
  snprintf(s->id, sizeof s->id, "%s", id);
  s->incarnation = incarnation;
  CHECK_EQ(pml_discovery_serve(p->d, id, incarnation, "{\"serverType\":\"chat\"}"), 0);
}

static inline void leave(int i, const char *id) {
  server *s = find_in(w.p[i].own, SERVERS, id);
  CHECK(s != NULL);
  char name[64];
  snprintf(name, sizeof name, "%s", id); /* it may be the server's own */
  memset(s, 0, sizeof *s);
  pml_discovery_leave(w.p[i].d, name);
}

/* A record of server `id` of process i to process `to`. */
static inline int send_record(int i, const char *id, int to) {
  int rc = pml_discovery_reach(w.p[i].d, w.p[to].name);
  if (rc == 0) post(i, RECORD, w.p[to].name, pml_slice_str(id));
  return rc;
}

static inline void read_mail(process *p, const mail *m) {
  p->received++;
  p->bytes += m->n;
  if (m->kind == RECORD) {
    char id[64];
    snprintf(id, sizeof id, "%.*s", (int)m->n, (const char *)m->bytes);
    w.records += find_in(p->known, KNOWN, id) != NULL;
  } else if (m->kind == NO_PROCESS) {
    pml_discovery_no_process(p->d, m->name, w.now);
  } else if (m->kind == NO_HOLDER) {
    pml_discovery_no_holder(p->d, m->name, w.now);
  } else {
    pml_discovery_message(p->d, pml_slice_of(m->bytes, m->n), w.now);
  }
}

/* Ends what was superseded, and begins what is free, as a program does. */
static inline void obey(process *p) {
  for (int i = 0; i < SERVERS; i++)
    if (p->freed[i][0]) {
      serve(self_of(p), p->freed[i], ++w.life);
      p->freed[i][0] = 0;
    }
  for (int i = 0; i < SERVERS; i++)
    if (p->own[i].ends && ++p->own[i].ends > 50) leave(self_of(p), p->own[i].id);
}

static inline void turn(process *p) {
  if (!p->d || p->frozen) return;
  link_tell(p);
  while (p->d && p->first && p->first->at <= w.now) {
    mail *m = p->first;
    p->first = m->next;
    if (!p->first) p->last = &p->first;
    read_mail(p, m);
    pml_free(m);
  }
  obey(p);
  if (pml_discovery_due(p->d) <= w.now) pml_discovery_tick(p->d, w.now);
}

static inline void pass(uint32_t ms) {
  for (uint32_t i = 0; i < ms; i++) {
    w.now++;
    for (int k = 0; k < PROCESSES; k++) turn(&w.p[k]);
  }
}

static inline void freeze(int i) { w.p[i].frozen = 1; }
static inline void wake(int i) { w.p[i].frozen = 0; }

/* The broker stands still: all links stay, nothing passes. */
static inline void broker_still(int still) {
  w.still = still;
  if (still) return;
  while (w.kept) {
    mail *m = w.kept;
    w.kept = m->next;
    broker_pass(m);
    pml_free(m);
  }
  w.kept_last = &w.kept;
}

static inline void links(int up) {
  for (int i = 0; i < PROCESSES; i++) link_set(i, up);
}

static inline void world_init(void) {
  memset(&w, 0, sizeof w);
  w.now = 1000000;
  w.kept_last = &w.kept;
}

static inline void world_fini(void) {
  for (int i = 0; i < PROCESSES; i++)
    if (w.p[i].d) end(i);
  while (w.kept) {
    mail *m = w.kept;
    w.kept = m->next;
    pml_free(m);
  }
}

/* What process i was told since the last time. */
static const char *told(int i) {
  static char out[sizeof w.p[0].text];
  memcpy(out, w.p[i].text, sizeof out);
  w.p[i].text[0] = 0;
  return out;
}
static const char *told_processes(int i) {
  static char out[sizeof w.p[0].processes];
  memcpy(out, w.p[i].processes, sizeof out);
  w.p[i].processes[0] = 0;
  return out;
}

/* "chat-1 100, chat-2 100": what process i has as UP, in the order of the ids. */
static inline int by_id(const void *a, const void *b) {
  return strcmp(((const server *)a)->id, ((const server *)b)->id);
}
static const char *directory(int i) {
  static char out[8192];
  server list[KNOWN];
  out[0] = 0;
  memcpy(list, w.p[i].known, sizeof list);
  qsort(list, KNOWN, sizeof *list, by_id);
  for (int k = 0; k < KNOWN; k++) {
    char line[128];
    if (!list[k].id[0]) continue;
    snprintf(line, sizeof line, "%.63s %llu", list[k].id, (unsigned long long)list[k].incarnation);
    note(out, sizeof out, line);
  }
  return out;
}

/* Two processes that know of each other: 0 with gate-1, 1 with chat-1. */
static inline void two(void) {
  world_init();
  start(0);
  serve(0, "gate-1", 100);
  pass(10);
  start(1);
  serve(1, "chat-1", 101);
  pass(10);
  CHECK_STR(told(0), "up chat-1 101");
  CHECK_STR(told(1), "up gate-1 100");
  CHECK_STR(told_processes(0), "met 1");
  CHECK_STR(told_processes(1), "met 0");
}

static inline void claim(int i, const char *id) { pml_discovery_claim(w.p[i].d, id, w.now); }

#endif
