/* load: a load generator that speaks Pomelo's protocol, for `pomelua bench` and `make bench`.
 *
 *   fan    the senders (one per room, or --senders) keep N requests in flight each;
 *          every member of the room must get every push exactly once
 *   echo   every client keeps N requests in flight; every one must be answered
 *   idle   connect, enter, stay
 *
 * With --rate, requests start at random times, so many a second in all, whether or not
 * earlier ones were answered, and latency counts from the time a request was due.
 * With --latest, pushes may be replaced by later ones, and --slow makes some clients slow readers:
 * deliveries and latencies are those of the others.
 * Deliveries are counted at the receivers; its own CPU time is shown, so that one
 * sees that it was not the limit. Exit status 1: a client did not get in, or a delivery or an
 * answer is missing, doubled, or says code 500, or a connection was lost. */
#include "tools/load/slow.h"

#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/resource.h>

#define SILENCE 5     /* seconds without a push, after the last answer */
#define SLOWEST 20    /* seconds in which slow clients must have read what was on its way */
#define SURPLUS 0.3   /* seconds in which a delivery too many shows */
#define WAIT 0.05     /* seconds, at most, of a turn */
#define BATCH 300     /* connects under way at once */
#define FILES 1048576 /* open files, as many as the system allows */

static const char other_game[] =
  "load: this server does not know these requests, which are those of examples/chat: name "
  "your game's with --enter, --route and --push\n";

/* What is known when a part of the run begins. */
typedef struct {
  double at, cpu;
  uint64_t bytes;
  load_usage server;
} mark;

static mark mark_now(const load *l) {
  return (mark){load_now(), load_usage_own(), l->bytes_in, load_usage_of(l->o->pids)};
}

static load_result result(const load *l, const char *what, mark from, uint64_t done,
                          uint64_t want) {
  mark to = mark_now(l);
  return (load_result){
    .what = what,
    .done = done,
    .want = want,
    .seconds = to.at - from.at,
    .cpu = to.cpu - from.cpu,
    .bytes = to.bytes - from.bytes,
    .before = from.server,
    .after = to.server,
  };
}

static void report(load *l, load_result *r) {
  r->errors = l->errors;
  r->kicks = l->kicks;
  r->beats = l->beats_sent;
  r->dead = l->dead;
  load_report(l->o, r, &l->samples);
}

/* Whether every client got in. */
static int connect_all(load *l, mark from) {
  const load_options *o = l->o;
  int next = 0;
  while (l->ready + l->dead < o->clients && !l->errors &&
         load_now() - from.at < (double)o->seconds) {
    while (next < o->clients && next - l->ready - l->dead < BATCH) load_connect(l, next++);
    load_turn(l, 0.01);
    load_report_count(o, "connected", l->ready, (double)o->clients, load_now() - from.at);
  }
  load_result r = result(l, "connect", from, (uint64_t)l->ready, (uint64_t)o->clients);
  report(l, &r);
  fflush(stdout); /* a program that waits for this line reads on */
  if (r.done == r.want) return 1;
  if (l->errors) fputs(other_game, stderr);
  fprintf(stderr, "load: only %d of %ld clients got in, %d connections were lost\n", l->ready,
          o->clients, l->dead);
  return 0;
}

static void fire_all(load *l, int senders) {
  for (int i = 0; i < senders; i++)
    if (l->clients[i].state == CLIENT_READY) load_fire(&l->clients[i]);
}

/* A sender that may send, taken at random; NULL: all wait for answers. */
static client *any_sender(load *l, int senders) {
  int at = (int)(random() % senders);
  for (int k = 0; k < senders; k++) {
    client *c = &l->clients[(at + k) % senders];
    if (c->in_flight < l->o->in_flight) return c;
  }
  return NULL;
}

/* Sends the requests that are due by now, `all` at most (0: as many as are due). What must wait
 * counts as latency. */
static void fire_due(load *l, int senders, uint64_t all, double *next) {
  for (double t = load_now(); *next <= t && !l->dead && (!all || l->asked < all);) {
    client *c = any_sender(l, senders);
    if (!c) return;
    l->due = *next;
    load_ask(c);
    *next += 2 * (double)random() / RAND_MAX / (double)l->o->rate;
  }
}

static int senders_of(const load_options *o) {
  long n = o->mode == LOAD_FAN ? o->rooms : o->clients;
  if (o->senders) n = o->senders;
  return (int)(n < o->clients ? n : o->clients);
}

/* Divides the requests among the senders. How many there are in all; 0: no end but the time. */
static uint64_t share_out(load *l, int senders) {
  const load_options *o = l->o;
  uint64_t all = 0;
  if (o->rate) return o->duration ? 0 : (uint64_t)o->count;
  for (int i = 0; i < senders; i++) {
    l->clients[i].left = o->duration ? UINT32_MAX : (uint32_t)(o->count / senders);
    all += l->clients[i].left;
  }
  return all;
}

static void progress(const load *l, int fan, uint64_t got, uint64_t goal, double seconds) {
  const char *what = fan ? "delivered" : "answered";
  if (l->o->duration) load_report_time(l->o, what, (double)got, seconds);
  else load_report_count(l->o, what, (double)got, (double)goal, seconds);
}

/* Sends all requests, and waits until everything has come, or nothing more will. */
static void exchange(load *l, int senders, const uint64_t *got, const uint64_t *goal) {
  const load_options *o = l->o;
  uint64_t all = share_out(l, senders), had = 0;
  double t0 = load_now(), next = t0, moved = t0;
  for (int more = 1;;) {
    double t = load_now();
    if (more && (o->duration ? t - t0 >= (double)o->duration : l->asked >= all)) {
      more = 0;
      l->asked_all = 1;
      for (int i = 0; i < senders; i++) l->clients[i].left = 0;
    }
    if (l->dead || t - t0 > (double)(o->seconds + o->duration)) return;
    if (l->errors && l->errors >= l->answers) return; /* nothing else comes: another game */
    if (*got != had) had = *got, moved = t;
    if (!more && l->answers >= l->asked && (*got >= *goal || t - moved > SILENCE)) break;
    if (more && o->rate) fire_due(l, senders, all, &next);
    else fire_all(l, senders);
    double wait = more && o->rate ? next - load_now() : WAIT;
    load_turn(l, wait > WAIT ? WAIT : wait);
    progress(l, o->mode == LOAD_FAN, *got, *goal, t - t0);
  }
  for (double end = load_now() + SLOWEST; load_slow_waiting(l) && load_now() < end;)
    load_turn(l, WAIT);
}

/* Clients that did not get every push of their room exactly once. */
static int wrong_clients(const load *l) {
  int wrong = 0;
  if (l->o->latest) return load_slow_stale(l);
  for (int i = 0; i < l->o->clients; i++)
    wrong += l->clients[i].got != l->room_sent[l->clients[i].room];
  return wrong;
}

static int run(load *l) {
  const load_options *o = l->o;
  int fan = o->mode == LOAD_FAN;
  const uint64_t *goal = fan ? &l->want : &l->asked, *got = fan ? &l->deliveries : &l->answers;
  mark from = mark_now(l);
  exchange(l, senders_of(o), got, goal);
  load_result r = result(l, load_mode_name(o->mode), from, 0, 0);
  for (double end = load_now() + SURPLUS; load_now() < end;) load_turn(l, 0.02);
  int wrong = fan ? wrong_clients(l) : 0;
  r.done = *got;
  r.want = *goal;
  r.slow_got = l->slow_got;
  r.on_way = load_slow_on_way(l);
  report(l, &r);
  if (l->errors && l->errors >= l->answers) fputs(other_game, stderr);
  else if (fan && !*got && l->answers)
    fprintf(stderr, "load: %s is answered, but no push %s came: name the game's with --push\n",
            o->route, o->push);
  if (wrong)
    fprintf(stderr, "load: %d clients did not get %s\n", wrong,
            o->latest ? "the newest push" : "every push exactly once");
  return wrong || l->errors || l->kicks || l->dead || l->answers != l->asked ||
         (*got != *goal && !o->latest);
}

static int sit(load *l, mark from) {
  for (double end = load_now() + (double)l->o->stay; load_now() < end;) load_turn(l, 0.1);
  load_result r = result(l, "idle", from, (uint64_t)l->ready, (uint64_t)l->o->clients);
  r.seconds = (double)l->o->stay;
  report(l, &r);
  return r.done != r.want || l->errors || l->dead;
}

static void raise_file_limit(void) {
  struct rlimit rl = {FILES, FILES};
  if (setrlimit(RLIMIT_NOFILE, &rl) == 0 || getrlimit(RLIMIT_NOFILE, &rl) != 0) return;
  rl.rlim_cur = rl.rlim_max;
  setrlimit(RLIMIT_NOFILE, &rl);
}

int main(int argc, char **argv) {
  load_options o;
  char wrong[200] = "";
  if (load_options_read(&o, argc, argv, wrong, sizeof wrong) != 0) {
    fprintf(stderr, "pomelua: bench: %s (see: pomelua bench --help)\n", wrong);
    return 2;
  }
  raise_file_limit();
  static load *l; /* it lives as long as the process: nothing of it is freed */
  l = load_new(&o);
  mark from = mark_now(l);
  if (!connect_all(l, from)) return 1;
  int rc = o.mode == LOAD_IDLE ? sit(l, from) : run(l);
  load_leave(l);
  return rc;
}
