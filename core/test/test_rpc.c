#include "base/container.h"
#include "bus/rpc.h"

#include "base/err.h"
#include "base/mem.h"
#include "bus/transport_local.h"
#include "bus/transport_record.h"
#include "loop/loop.h"
#include "test/test.h"

#include <pthread.h>

/* A rpc on virtual time over a transport that keeps what is sent. */
typedef struct {
  pml_loop *l;
  pml_rpc *r;
  pml_transport *t;
  int requests, peers, ended, status, again;
  char text[32];
  pml_envelope last; /* its slices are stale */
  char from[32], route[32];
} desk;

static void on_request(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud) {
  desk *d = ud;
  (void)extra;
  d->requests++;
  d->last = *env;
  snprintf(d->from, sizeof d->from, "%.*s", (int)env->from.n, (const char *)env->from.p);
  snprintf(d->route, sizeof d->route, "%.*s", (int)env->route.n, (const char *)env->route.p);
  if (env->call)
    CHECK_EQ(pml_rpc_answer(d->r, d->from, env->from_incarnation, env->call, 0, body), 0);
}

static void on_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  desk *d = ud;
  (void)id;
  CHECK(incarnation > 0);
  d->peers += up ? 1 : -1;
}

static void desk_open(desk *d, size_t limit) {
  memset(d, 0, sizeof *d);
  d->l = pml_loop_new_virtual();
  d->r = pml_rpc_new(d->l, "me", limit, NULL, &(pml_rpc_events){on_request, on_peer, d, NULL});
  pml_transport_events ev = pml_rpc_transport_events(d->r);
  d->t = pml_transport_record_new(&ev);
  pml_rpc_use(d->r, d->t);
  pml_transport_record_peer(d->t, "chat", 1);
  pml_transport_record_peer(d->t, "other", 1);
}

static void desk_close(desk *d) {
  pml_transport_close(d->t);
  pml_rpc_use(d->r, NULL);
  pml_rpc_free(d->r);
  pml_loop_free(d->l);
}

static int call_chat(desk *d, uint32_t ms, pml_id *id);

static void on_answer(int status, pml_buf *body, void *ud) {
  desk *d = ud;
  d->ended++;
  d->status = status;
  snprintf(d->text, sizeof d->text, "%.*s", (int)pml_buf_slice(body).n,
           body ? (const char *)body->data : "");
  if (d->again) {
    d->again--;
    CHECK_EQ(call_chat(d, 100, NULL), 0);
  }
}

static int call_chat(desk *d, uint32_t ms, pml_id *id) {
  pml_envelope env = {.kind = PML_ENV_CALL, .route = pml_slice_str("room.add")};
  return pml_rpc_call(d->r, "chat", &env, NULL, NULL, ms, on_answer, d, id);
}

static void answer_from(desk *d, const char *from, pml_id id, int status, const char *text) {
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = id, .status = (uint8_t)status};
  env.from = pml_slice_str("liar");
  env.from_incarnation = pml_rpc_incarnation(d->r, from);
  env.to_incarnation = d->t->incarnation;
  pml_buf *head = pml_envelope_write(&env), *body = pml_buf_from(text, strlen(text));
  pml_transport_record_deliver(d->t, from, head, body, NULL);
  pml_buf_unref(head);
  pml_buf_unref(body);
}

/* The oldest record sent, read. The view borrows *head. */
static pml_envelope sent(desk *d, pml_buf **head) {
  pml_buf *body, *extra;
  char *to;
  pml_envelope env;
  CHECK_EQ(pml_transport_record_take(d->t, &to, head, &body, &extra), 1);
  CHECK_EQ(pml_envelope_read(pml_buf_slice(*head), &env), 0);
  pml_free(to);
  pml_buf_unref(body);
  pml_buf_unref(extra);
  return env;
}

TEST(rpc_call_ends_with_its_answer_and_nothing_after_it) {
  desk d;
  pml_id id = 0;
  pml_buf *head;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 1000, &id), 0);
  CHECK(id != 0);
  CHECK_EQ(pml_rpc_waiting(d.r), 1);
  pml_envelope env = sent(&d, &head);
  CHECK_EQ(env.kind, PML_ENV_CALL);
  CHECK_EQ(env.call, id);
  CHECK_EQ(env.ms, 1000);
  CHECK_EQ(env.from.n, 0); /* the transport names the sender */
  CHECK_BYTES(env.route.p, env.route.n, "room.add");
  pml_buf_unref(head);
  answer_from(&d, "chat", id, 0, "[7]");
  CHECK_EQ(d.ended, 1);
  CHECK_EQ(d.status, 0);
  CHECK_BYTES(d.text, strlen(d.text), "[7]");
  CHECK_EQ(pml_rpc_waiting(d.r), 0);
  answer_from(&d, "chat", id, 0, "[8]"); /* twice */
  pml_loop_advance(d.l, 5000);
  CHECK_EQ(d.ended, 1);
  CHECK_EQ(pml_rpc_counters(d.r)->late, 1);
  CHECK_EQ(pml_rpc_counters(d.r)->answers, 1);
  CHECK_EQ(pml_rpc_counters(d.r)->timeouts, 0);
  desk_close(&d);
}

TEST(rpc_call_may_end_with_the_other_servers_error) {
  desk d;
  pml_id id;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 1000, &id), 0);
  answer_from(&d, "chat", id, 3, "no such room");
  CHECK_EQ(d.status, 1);
  CHECK_BYTES(d.text, strlen(d.text), "no such room");
  desk_close(&d);
}

TEST(rpc_call_ends_at_its_deadline_and_drops_the_late_answer) {
  desk d;
  pml_id id;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 50, &id), 0);
  pml_loop_advance(d.l, 49);
  CHECK_EQ(d.ended, 0);
  pml_loop_advance(d.l, 1);
  CHECK_EQ(d.ended, 1);
  CHECK_EQ(d.status, PML_ETIMEOUT);
  answer_from(&d, "chat", id, 0, "[]");
  answer_from(&d, "chat", 0, 0, "[]");
  answer_from(&d, "chat", ~0ull, 0, "[]");
  CHECK_EQ(d.ended, 1);
  CHECK_EQ(pml_rpc_counters(d.r)->late, 3);
  CHECK_EQ(pml_rpc_counters(d.r)->timeouts, 1);
  desk_close(&d);
}

TEST(rpc_answer_of_a_server_that_was_not_asked_is_dropped) {
  desk d;
  pml_id id;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 50, &id), 0);
  answer_from(&d, "other", id, 0, "[]");
  CHECK_EQ(d.ended, 0);
  answer_from(&d, "chat", id, 0, "[]");
  CHECK_EQ(d.ended, 1);
  desk_close(&d);
}

TEST(rpc_lost_server_fails_its_calls_at_once_and_no_others) {
  desk d;
  desk_open(&d, 100);
  pml_envelope env = {.kind = PML_ENV_CALL};
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  CHECK_EQ(pml_rpc_call(d.r, "other", &env, NULL, NULL, 1000, on_answer, &d, NULL), 0);
  CHECK(pml_rpc_alive(d.r, "chat"));
  pml_transport_record_peer(d.t, "chat", 0);
  CHECK(!pml_rpc_alive(d.r, "chat"));
  CHECK_EQ(d.peers, 1);
  CHECK_EQ(d.ended, 2);
  CHECK_EQ(d.status, PML_ENOENT);
  CHECK_EQ(pml_rpc_counters(d.r)->lost, 2);
  CHECK_EQ(pml_rpc_waiting(d.r), 1);
  CHECK_EQ(call_chat(&d, 1000, NULL), PML_ENOENT);
  pml_transport_record_peer(d.t, "chat", 1);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  CHECK_EQ(d.ended, 2);
  desk_close(&d);
  CHECK_EQ(d.ended, 4);
  CHECK_EQ(d.status, PML_ECLOSED);
}

TEST(rpc_server_that_is_away_fails_its_calls_and_stays) {
  desk d;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  pml_transport_events ev = pml_rpc_transport_events(d.r);
  uint64_t life = pml_rpc_incarnation(d.r, "chat");
  ev.on_away("chat", life + 1, ev.ud); /* not this life */
  ev.on_away("nobody", life, ev.ud);
  CHECK_EQ(d.ended, 0);
  ev.on_away("chat", life, ev.ud);
  CHECK_EQ(d.ended, 2);
  CHECK_EQ(d.status, PML_ENOENT);
  CHECK_EQ(pml_rpc_counters(d.r)->lost, 2);
  CHECK_EQ(pml_rpc_incarnation(d.r, "chat"), life);
  CHECK_EQ(pml_rpc_waiting_for(d.r, "chat"), 0);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  desk_close(&d);
}

/* An answer with incarnations of its own choice. */
static void answer_of(desk *d, pml_id id, uint64_t from, uint64_t to) {
  pml_envelope env = {.kind = PML_ENV_ANSWER, .call = id};
  env.from_incarnation = from;
  env.to_incarnation = to;
  pml_buf *head = pml_envelope_write(&env);
  pml_transport_record_deliver(d->t, "chat", head, NULL, NULL);
  pml_buf_unref(head);
}

TEST(rpc_takes_a_restarted_server_for_another) {
  desk d;
  pml_id id;
  pml_buf *head;
  desk_open(&d, 100);
  uint64_t me = pml_rpc_incarnation(d.r, "me"), first = pml_rpc_incarnation(d.r, "chat");
  CHECK(me && first && me == d.t->incarnation);
  CHECK_EQ(pml_rpc_incarnation(d.r, "nobody"), 0);
  CHECK_EQ(call_chat(&d, 1000, &id), 0);
  pml_envelope env = sent(&d, &head);
  CHECK_EQ(env.from_incarnation, me);
  CHECK_EQ(env.to_incarnation, first);
  pml_buf_unref(head);
  pml_transport_record_peer(d.t, "chat", 0);
  CHECK_EQ(d.ended, 1);
  answer_of(&d, id, first, me); /* it is not there */
  pml_transport_record_peer(d.t, "chat", 1);
  uint64_t second = pml_rpc_incarnation(d.r, "chat");
  CHECK(second > first);
  CHECK_EQ(call_chat(&d, 1000, &id), 0);
  env = sent(&d, &head);
  CHECK_EQ(env.to_incarnation, second);
  pml_buf_unref(head);
  answer_of(&d, id, first, me);      /* from its predecessor */
  answer_of(&d, id, second, me - 1); /* for ours */
  answer_of(&d, id, 0, me);
  CHECK_EQ(d.ended, 1);
  CHECK_EQ(pml_rpc_counters(d.r)->strayed, 4);
  answer_of(&d, id, second, me);
  CHECK_EQ(d.ended, 2);
  CHECK_EQ(pml_rpc_answer(d.r, "chat", first, 7, 0, NULL), PML_ENOENT);
  CHECK_EQ(pml_rpc_answer(d.r, "nobody", first, 7, 0, NULL), PML_ENOENT);
  CHECK_EQ(pml_rpc_counters(d.r)->strayed, 6);
  CHECK_EQ(pml_rpc_answer(d.r, "chat", second, 7, 0, NULL), 0);
  desk_close(&d);
}

TEST(rpc_ids_do_not_come_again_above_a_floor) {
  pml_slot_floor floor = {0};
  pml_id last = 0;
  for (int life = 0; life < 4; life++) {
    desk d = {.l = pml_loop_new_virtual()};
    d.r = pml_rpc_new(d.l, "me", 100, &floor, &(pml_rpc_events){on_request, on_peer, &d, NULL});
    pml_transport_events ev = pml_rpc_transport_events(d.r);
    d.t = pml_transport_record_new(&ev);
    pml_rpc_use(d.r, d.t);
    pml_transport_record_peer(d.t, "chat", 1);
    for (int i = 0; i < 3; i++) {
      pml_id id;
      CHECK_EQ(call_chat(&d, 1000, &id), 0);
      CHECK(id > last);
      answer_from(&d, "chat", id, 0, "[]");
      last = id;
    }
    desk_close(&d);
  }
}

TEST(rpc_callbacks_may_call_anew) {
  desk d;
  pml_id id;
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 100, &id), 0);
  d.again = 3;
  answer_from(&d, "chat", id, 0, "[]");
  CHECK_EQ(pml_rpc_waiting(d.r), 1);
  pml_loop_advance(d.l, 1000);
  CHECK_EQ(d.ended, 4);
  CHECK_EQ(pml_rpc_waiting(d.r), 0);
  desk_close(&d);
}

TEST(rpc_refuses_at_its_limit_and_never_calls_back_then) {
  desk d;
  desk_open(&d, 3);
  for (int i = 0; i < 3; i++) CHECK_EQ(call_chat(&d, 100, NULL), 0);
  CHECK_EQ(call_chat(&d, 100, NULL), PML_EFULL);
  pml_loop_advance(d.l, 100);
  CHECK_EQ(d.ended, 3);
  CHECK_EQ(call_chat(&d, 100, NULL), 0);
  desk_close(&d);

  desk_open(&d, 100);
  int rc, n = 0;
  while ((rc = call_chat(&d, 100, NULL)) == 0) n++;
  CHECK_EQ(rc, PML_EFULL); /* out of slots */
  CHECK_EQ(pml_rpc_waiting(d.r), n);
  CHECK_EQ(pml_rpc_counters(d.r)->calls, n);
  CHECK_EQ(pml_rpc_counters(d.r)->refused, 1);
  CHECK_EQ(d.ended, 0);
  desk_close(&d);
}

TEST(rpc_call_that_cannot_be_sent_leaves_nothing_behind) {
  desk d;
  desk_open(&d, 100);
  pml_envelope env = {.kind = PML_ENV_CALL};
  pml_buf *big = pml_buf_new(PML_RECORD_MAX);
  pml_rpc *r = d.r;
  CHECK_EQ(pml_rpc_call(r, "chat", &env, big, NULL, 9, on_answer, &d, NULL), PML_ETOOBIG);
  CHECK_EQ(pml_rpc_call(r, "nobody", &env, NULL, NULL, 9, on_answer, &d, NULL), PML_ENOENT);
  CHECK_EQ(pml_rpc_cast(r, "nobody", &env, NULL, NULL), PML_ENOENT);
  pml_rpc_use(r, NULL);
  CHECK_EQ(pml_rpc_call(r, "chat", &env, NULL, NULL, 9, on_answer, &d, NULL), PML_ECLOSED);
  CHECK_EQ(pml_rpc_cast(r, "chat", &env, NULL, NULL), PML_ECLOSED);
  CHECK_EQ(pml_rpc_waiting(r), 0);
  CHECK_EQ(pml_rpc_counters(r)->refused, 5);
  pml_buf_unref(big);
  desk_close(&d);
  CHECK_EQ(d.ended, 0);
}

TEST(rpc_requests_come_with_the_true_sender_and_are_answered) {
  desk d;
  pml_buf *head;
  desk_open(&d, 100);
  pml_envelope env = {.kind = PML_ENV_CALL, .call = 77, .ms = 5, .route = pml_slice_str("a.b")};
  env.from = pml_slice_str("liar");
  env.from_incarnation = pml_rpc_incarnation(d.r, "chat");
  env.to_incarnation = d.t->incarnation;
  head = pml_envelope_write(&env);
  pml_transport_record_deliver(d.t, "chat", head, NULL, NULL);
  pml_buf_unref(head);
  CHECK_EQ(d.requests, 1);
  CHECK_BYTES(d.from, strlen(d.from), "chat");
  CHECK_BYTES(d.route, strlen(d.route), "a.b");
  env = sent(&d, &head);
  CHECK_EQ(env.kind, PML_ENV_ANSWER);
  CHECK_EQ(env.call, 77);
  CHECK_EQ(env.status, 0);
  CHECK_EQ(env.from.n, 0);
  pml_buf_unref(head);

  env = (pml_envelope){.kind = PML_ENV_PUSH, .call = 5, .ms = 5};
  CHECK_EQ(pml_rpc_cast(d.r, "other", &env, NULL, NULL), 0);
  env = sent(&d, &head);
  CHECK_EQ(env.kind, PML_ENV_PUSH);
  CHECK_EQ(env.call, 0);
  CHECK_EQ(env.ms, 0);
  pml_buf_unref(head);
  desk_close(&d);
}

TEST(rpc_counts_records_it_cannot_read) {
  desk d;
  desk_open(&d, 100);
  pml_buf *b = pml_buf_from("\x01\x02", 2);
  pml_transport_record_deliver(d.t, "chat", b, NULL, NULL);
  pml_transport_record_deliver(d.t, "chat", NULL, NULL, NULL);
  CHECK_EQ(pml_rpc_counters(d.r)->bad, 2);
  CHECK_EQ(d.requests, 0);
  pml_buf_unref(b);
  desk_close(&d);
}

TEST(rpc_knows_itself_while_it_has_a_transport) {
  desk d;
  desk_open(&d, 100);
  CHECK(pml_rpc_alive(d.r, "me"));
  CHECK(!pml_rpc_alive(d.r, "nobody"));
  pml_rpc_use(d.r, NULL);
  CHECK(!pml_rpc_alive(d.r, "me"));
  desk_close(&d);
}

/* Servers as threads: two clients keep calls going to a clerk, to each other and to
 * themselves; the clerk answers some, ignores some, and leaves in the middle. */

enum { CLIENTS = 2, CALLS = 20000, WINDOW = 12, CLERK_ANSWERS = 4000, IGNORES = 500 };

typedef struct office office;
typedef struct {
  office *o;
  pml_loop *l;
  pml_rpc *r;
  pml_transport *t;
  pthread_t th;
  const char *id;
  int is_client, up, started, open, handled, finished;
  uint64_t ok, timeouts, lost;
  pml_task task;
} server;

struct office {
  pml_hub *hub;
  server s[CLIENTS + 1];
};

static const char *const ids[CLIENTS + 1] = {"c0", "c1", "clerk"};

static void server_check_end(server *s) {
  if (s->finished == CLIENTS) pml_loop_stop(s->l);
}

static void server_request(const pml_envelope *env, pml_buf *body, pml_buf *extra, void *ud) {
  server *s = ud;
  (void)extra;
  if (!env->call) { /* a client says that it has done with calling */
    s->finished++;
    server_check_end(s);
    return;
  }
  s->handled++;
  if (!s->is_client) {
    if (s->handled == CLERK_ANSWERS) pml_loop_stop(s->l);
    if (s->handled % IGNORES == 0) return; /* never answers this one */
  }
  char from[8];
  snprintf(from, sizeof from, "%.*s", (int)env->from.n, (const char *)env->from.p);
  pml_rpc_answer(s->r, from, env->from_incarnation, env->call, 0, body);
}

static void server_pump(pml_task *t);

static void server_answer(int status, pml_buf *body, void *ud) {
  server *s = ud;
  s->open--;
  if (status == 0) {
    CHECK_BYTES(body->data, body->len, s->id); /* comes back as it was sent */
    s->ok++;
  } else if (status == PML_ETIMEOUT) {
    s->timeouts++;
  } else {
    CHECK_EQ(status, PML_ENOENT);
    s->lost++;
  }
  pml_loop_defer(s->l, &s->task);
}

static void server_pump(pml_task *t) {
  server *s = PML_CONTAINER(t, server, task);
  pml_buf *body = pml_buf_from(s->id, strlen(s->id));
  for (; s->open < WINDOW && s->started < CALLS; s->started++) {
    pml_envelope env = {.kind = PML_ENV_CALL, .route = pml_slice_str("a.b")};
    const char *to = ids[s->started % (CLIENTS + 1)];
    /* Answers that never come are waited for shortly, the others as long as it takes. */
    uint32_t ms = strcmp(to, "clerk") == 0 ? 50 : 60000;
    int rc = pml_rpc_call(s->r, to, &env, body, NULL, ms, server_answer, s, NULL);
    if (rc == 0) {
      s->open++;
    } else {
      CHECK_EQ(rc, PML_ENOENT);
    }
  }
  pml_buf_unref(body);
  if (s->started == CALLS && s->open == 0) {
    s->started++; /* once */
    for (int i = 0; i < CLIENTS; i++) {
      pml_envelope env = {.kind = PML_ENV_PUSH};
      CHECK_EQ(pml_rpc_cast(s->r, ids[i], &env, NULL, NULL), 0);
    }
  }
}

static void server_peer(const char *id, uint64_t incarnation, int up, void *ud) {
  server *s = ud;
  (void)id;
  (void)incarnation;
  if (up && ++s->up == CLIENTS && s->is_client) pml_loop_defer(s->l, &s->task);
}

static void *server_run(void *arg) {
  server *s = arg;
  s->l = pml_loop_new();
  s->r =
    pml_rpc_new(s->l, s->id, 1000, NULL, &(pml_rpc_events){server_request, server_peer, s, NULL});
  pml_task_init(&s->task, server_pump);
  pml_transport_events ev = pml_rpc_transport_events(s->r);
  CHECK_EQ(pml_transport_local_join(s->o->hub, s->l, s->id, &ev, &s->t), 0);
  pml_rpc_use(s->r, s->t);
  pml_loop_run(s->l);
  CHECK_EQ(pml_rpc_waiting(s->r), 0);
  pml_task_cancel(&s->task);
  pml_transport_close(s->t);
  pml_rpc_use(s->r, NULL);
  pml_rpc_free(s->r);
  pml_loop_free(s->l);
  return NULL;
}

static void note_call(void *call, void *ud) {
  CHECK(call != NULL);
  ++*(int *)ud;
}
static void other_answer(int status, pml_buf *body, void *ud) {
  (void)body;
  *(int *)ud = status;
}

TEST(rpc_expires_the_calls_of_one_owner) {
  desk d;
  int noted = 0, other = 7;
  pml_envelope env = {.kind = PML_ENV_CALL, .route = pml_slice_str("room.add")};
  desk_open(&d, 100);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  CHECK_EQ(pml_rpc_call(d.r, "other", &env, NULL, NULL, 1000, other_answer, &other, NULL), 0);
  CHECK_EQ(call_chat(&d, 1000, NULL), 0);
  pml_rpc_expire(d.r, on_answer, note_call, &noted);
  CHECK_EQ(noted, 2);
  CHECK_EQ(d.ended, 2);
  CHECK_EQ(d.status, PML_ETIMEOUT);
  CHECK_EQ(other, 7);
  CHECK_EQ(pml_rpc_waiting(d.r), 1);
  desk_close(&d);
  CHECK_EQ(other, PML_ECLOSED);
}

TEST(rpc_between_threads_ends_every_call_exactly_once) {
  static office o;
  o.hub = pml_hub_new();
  for (int i = 0; i <= CLIENTS; i++) {
    o.s[i] = (server){.o = &o, .id = ids[i], .is_client = i < CLIENTS};
    CHECK_EQ(pthread_create(&o.s[i].th, NULL, server_run, &o.s[i]), 0);
  }
  for (int i = 0; i <= CLIENTS; i++) pthread_join(o.s[i].th, NULL);
  pml_hub_unref(o.hub);
  for (int i = 0; i < CLIENTS; i++) {
    CHECK_EQ(o.s[i].open, 0);
    CHECK(o.s[i].ok >= 2 * (CALLS / 3));
  }
  /* What the clerk never answered ended at its deadline, or when the clerk left. */
  uint64_t unanswered = 0;
  for (int i = 0; i < CLIENTS; i++) unanswered += o.s[i].timeouts + o.s[i].lost;
  CHECK(unanswered >= CLERK_ANSWERS / IGNORES);
}
