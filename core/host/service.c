#include "host/service.h"

#include "base/clock.h"
#include "base/container.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 5000 /* at most, between two looks */
#define LOOKS 4u     /* so often within a server's limit */
#define LEAVE_MS \
  10000u /* what a stop asks for at each look, beside the time until the next ones \
          */

static void tell(pml__service *s, int wait, const char *lines) {
  pml__notify_send(&s->to, s->log, wait, lines);
}

/* --- the line about it ----------------------------------------------------------------- */

static void tell_status(pml__service *s) {
  char text[sizeof s->status], line[sizeof s->status + 8];
  size_t up = 0;
  uint64_t clients = 0;
  if (s->to.fd < 0 || s->failed) return; /* the reason stays */
  for (size_t i = 0; i < s->servers->count; i++) {
    const pml__server *m = s->servers->list[i];
    up += m->running != 0;
    clients += m->pulse.clients;
  }
  snprintf(text, sizeof text, "%s%zu server%s, %llu client%s",
           s->stopping ? "stopping: "
           : s->ready  ? ""
                       : "starting: ",
           up, up == 1 ? "" : "s", (unsigned long long)clients, clients == 1 ? "" : "s");
  if (strcmp(text, s->status) == 0) return;
  snprintf(s->status, sizeof s->status, "%s", text);
  snprintf(line, sizeof line, "STATUS=%s", text);
  tell(s, 0, line);
}

/* --- whether the servers turn ------------------------------------------------------------ */

static void stands(pml__service *s, pml__server *m) {
  static const char fed[] = "the watchdog is not fed until it goes on";
  static const char none[] = "there is no watchdog that starts the program again";
  m->pulse.stuck = 1;
  pml_log_write(s->log, PML_ERROR,
                "server %s has stood still for %llu s, over serverConfig.stuck of %u s: %s",
                pml__server_id(m), (unsigned long long)(m->pulse.waited / 1000), m->stuck_s,
                s->to.watchdog_ms ? fed : none);
}

/* ms: since the last look. Returns whether the server stands still for longer than it may. */
static int look(pml__service *s, pml__server *m, uint64_t ms) {
  if (!m->running || !pml__server_saw(m, PML__MSG_LISTENING)) return 0;
  if (!m->pulse.asked) {
    m->pulse.asked = 1;
    m->pulse.waited = 0;
    pml__server_post(m, PML__MSG_PULSE);
    return 0;
  }
  m->pulse.waited += ms;
  if (!m->stuck_s || m->pulse.waited < 1000u * (uint64_t)m->stuck_s) return 0;
  if (!m->pulse.stuck) stands(s, m);
  return 1;
}

void pml__service_pulse(pml__service *s, pml__server *m, uint64_t clients) {
  if (m->pulse.stuck)
    pml_log_write(s->log, PML_WARN, "server %s goes on, after %llu s", pml__server_id(m),
                  (unsigned long long)(m->pulse.waited / 1000));
  m->pulse.asked = m->pulse.stuck = 0;
  m->pulse.clients = clients;
}

/* --- again and again --------------------------------------------------------------------- */

/* Milliseconds to the next look; 0: there is nothing to look for. */
static uint32_t next_look(const pml__service *s) {
  uint64_t ms = s->to.fd >= 0 ? LOOK_MS : 0;
  if (s->to.watchdog_ms && s->to.watchdog_ms / 2 < ms) ms = s->to.watchdog_ms / 2;
  for (size_t i = 0; i < s->servers->count; i++) {
    uint64_t one = 1000u * (uint64_t)s->servers->list[i]->stuck_s / LOOKS;
    if (one && (!ms || one < ms)) ms = one;
  }
  return ms > LOOK_MS ? LOOK_MS : (uint32_t)ms;
}

static void feed(pml__service *s, uint64_t now) {
  uint64_t half = s->to.watchdog_ms / 2;
  if (!half || !s->ready || now + s->every / 2 < s->fed + half) return;
  s->fed = now;
  tell(s, 0, "WATCHDOG=1");
}

static void again(pml__service *s) {
  s->every = next_look(s);
  if (s->every) pml_timer_start(s->loop, &s->tick, s->every);
}

/* The stop has its own deadline (host/ladder): as long as it goes on it may. */
static void ask_for_time(pml__service *s) {
  char line[64];
  uint64_t ms = 2ull * s->every + LEAVE_MS;
  snprintf(line, sizeof line, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)(1000 * ms));
  tell(s, 0, line);
}

static void on_tick(pml_timer *t) {
  pml__service *s = PML_CONTAINER(t, pml__service, tick);
  uint64_t now = pml_loop_now(s->loop), ms = now - s->last;
  int stuck = 0;
  s->last = now;
  if (ms > 2ull * s->every) ms = 0; /* the process itself stood still, and its servers with it */
  for (size_t i = 0; i < s->servers->count && !s->stopping; i++)
    stuck |= look(s, s->servers->list[i], ms);
  if (!stuck) feed(s, now);
  if (s->stopping) ask_for_time(s);
  tell_status(s);
  again(s);
}

/* --- life ---------------------------------------------------------------------------------- */

void pml__service_open(pml__service *s, pml_loop *l, const pml_log *log, const pml__servers *all,
                       int quiet) {
  *s = (pml__service){.loop = l, .log = log, .servers = all, .to.fd = -1};
  pml_timer_init(&s->tick, on_tick);
  s->last = s->fed = pml_loop_now(l);
  if (quiet) return;
  pml__notify_open(&s->to, log);
  again(s);
}

void pml__service_close(pml__service *s) {
  pml_timer_stop(s->loop, &s->tick);
  pml__notify_close(&s->to);
}

void pml__service_loaded(pml__service *s) {
  uint32_t ms = next_look(s);
  if (!ms || (s->every && s->every <= ms)) return;
  if (!s->every) s->last = pml_loop_now(s->loop);
  s->every = ms;
  pml_timer_start(s->loop, &s->tick, ms);
}

void pml__service_ready(pml__service *s) {
  s->ready = 1;
  tell(s, 1, "READY=1");
  s->fed = pml_loop_now(s->loop);
  tell_status(s);
}

void pml__service_reload(pml__service *s, int begins) {
  char lines[80];
  if (!s->ready || s->stopping) return;
  if (begins && s->reloads++) return;
  if (!begins && (!s->reloads || --s->reloads)) return;
  snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%llu",
           (unsigned long long)pml_clock_us());
  tell(s, 1, begins ? lines : "READY=1");
}

void pml__service_stopping(pml__service *s, const char *why) {
  char lines[320];
  if (s->stopping) return;
  s->stopping = 1;
  s->failed = why != NULL;
  if (why) snprintf(lines, sizeof lines, "STOPPING=1\nSTATUS=%.*s", (int)strcspn(why, "\n"), why);
  else snprintf(lines, sizeof lines, "STOPPING=1\nSTATUS=stopping");
  tell(s, 1, lines);
  if (s->to.fd >= 0) ask_for_time(s);
}
