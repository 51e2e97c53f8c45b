/* The bus in these tests is a double that remembers what it was asked: host/uplink is compiled
 * once more, with other names, so that its time and its news are the tests' own. */
#define pml_bus_open double_open
#define pml_bus_close double_close
#define pml_bus_claim double_claim
#define pml_bus_serve double_serve
#define pml_bus_leaving double_leaving
#define pml_bus_leave double_leave
#define pml__uplink_open twin_open
#define pml__uplink_close twin_close
#define pml__uplink_claim twin_claim
#define pml__uplink_serve twin_serve
#define pml__uplink_leaving twin_leaving
#define pml__uplink_leave twin_leave
#define pml__uplink_bus twin_bus
#include "host/uplink.c"

#include "base/err.h"
#include "test/test.h"

static char asked[2048], logged[4096], heard[1024];
static pml_bus_events of_bus;
static const char *refuses;
static int here; /* stands for the bus */

static void add(char *to, size_t size, const char *what, const char *text) {
  size_t n = strlen(to);
  snprintf(to + n, size - n, "%s %s;", what, text);
}

int double_open(pml_loop *l, pml_hub *hub, const pml_bus_options *o, const pml_bus_events *ev,
                pml_bus **out, char *err, size_t nerr) {
  (void)l;
  (void)hub;
  CHECK(o->host && o->host[0] && o->log);
  if (refuses) {
    snprintf(err, nerr, "%s", refuses);
    return PML_EINVAL;
  }
  of_bus = *ev;
  *out = (pml_bus *)(void *)&here;
  return 0;
}

void double_close(pml_bus *b, uint32_t ms) {
  CHECK(b == (pml_bus *)(void *)&here && ms > 0);
  add(asked, sizeof asked, "close", "");
}
void double_claim(pml_bus *b, const char *id) {
  (void)b;
  add(asked, sizeof asked, "claim", id);
}
void double_serve(pml_bus *b, const char *id, uint64_t incarnation, const char *info) {
  (void)b;
  CHECK_EQ(incarnation, 7);
  add(asked, sizeof asked, id, info);
}
void double_leaving(pml_bus *b, const char *id) {
  (void)b;
  add(asked, sizeof asked, "leaving", id);
}
void double_leave(pml_bus *b, const char *id) {
  (void)b;
  add(asked, sizeof asked, "leave", id);
}

static void told_link(int up, void *ud) {
  (void)ud;
  CHECK(up == 0 || up == 1);
}
static void told_free(const char *id, uint64_t above, void *ud) {
  (void)ud;
  CHECK_EQ(above, 41);
  add(heard, sizeof heard, "free", id);
}
static void told_taken(const char *id, const char *text, void *ud) {
  (void)ud;
  add(heard, sizeof heard, id, text);
}
static void told_superseded(const char *id, const pml_bus_server *by, void *ud) {
  (void)ud;
  CHECK(by->pid == 4711 || !by->host[0]);
  add(heard, sizeof heard, "superseded", id);
}
static void told_line(pml_level level, const char *text, void *ud) {
  static const char *const names[] = {"debug", "info", "warn", "error"};
  (void)ud;
  add(logged, sizeof logged, names[level], text);
}

static pml_loop *loop;
static pml_log log_of_test;

static pml__uplink *open_twin(void) {
  const pml__uplink_events ev = {.on_link = told_link,
                                 .on_free = told_free,
                                 .on_taken = told_taken,
                                 .on_superseded = told_superseded};
  const pml_bus_options o = {.cluster = "chat-x"};
  pml__uplink *c;
  char err[64];
  loop = pml_loop_new_virtual();
  pml_log_init(&log_of_test, "", PML_INFO, 0);
  log_of_test.on_line = told_line;
  CHECK_EQ(twin_open(loop, NULL, &o, &log_of_test, &ev, &c, err, sizeof err), 0);
  return c;
}

static void close_twin(pml__uplink *c) {
  asked[0] = '\0';
  twin_close(c);
  CHECK_STR(asked, "close ;");
  pml_loop_free(loop);
}

TEST(uplink_claims_when_the_bus_is_known_to_be_there_or_not) {
  pml__uplink *c = open_twin();
  twin_claim(c, "a");
  twin_claim(c, "b");
  CHECK_STR(asked, "");
  of_bus.on_link(1, "nats://x:1", of_bus.ud);
  CHECK_STR(asked, "claim a;claim b;");
  twin_claim(c, "c");
  CHECK_STR(asked, "claim a;claim b;claim c;");
  close_twin(c);
  c = open_twin();
  twin_claim(c, "a");
  asked[0] = '\0';
  of_bus.on_link(0, "refused", of_bus.ud);
  CHECK_STR(asked, "claim a;");
  close_twin(c);
}

TEST(uplink_claims_without_the_bus_when_the_first_try_takes_too_long) {
  pml__uplink *c = open_twin();
  twin_claim(c, "a");
  pml_loop_advance(loop, FIRST_MS - 1);
  CHECK_STR(asked, "");
  pml_loop_advance(loop, 1);
  CHECK_STR(asked, "claim a;");
  close_twin(c);
}

TEST(uplink_that_ends_early_claims_nothing) {
  pml__uplink *c = open_twin();
  twin_claim(c, "a");
  close_twin(c);
}

TEST(uplink_says_once_a_minute_that_the_bus_is_not_there) {
  pml__uplink *c = open_twin();
  of_bus.on_link(0, "refused", of_bus.ud);
  of_bus.on_link(0, "still refused", of_bus.ud);
  pml_loop_advance(loop, 59999);
  CHECK(strstr(logged, "warn the bus is not there: refused; servers of") == logged);
  CHECK(strchr(logged, ';') && !strstr(logged, "has not been"));
  logged[0] = '\0';
  pml_loop_advance(loop, 1);
  CHECK_STR(logged, "warn the bus has not been there for 1 minute: still refused;");
  logged[0] = '\0';
  pml_loop_advance(loop, 120000);
  CHECK_STR(logged, "warn the bus has not been there for 2 minutes: still refused;"
                    "warn the bus has not been there for 3 minutes: still refused;");
  logged[0] = '\0';
  of_bus.on_link(1, "nats://x:1", of_bus.ud);
  of_bus.on_link(1, "nats://x:1", of_bus.ud);
  pml_loop_advance(loop, 200000);
  CHECK_STR(logged, "info the bus is back after 180.0 s: nats://x:1;");
  close_twin(c);
}

TEST(uplink_says_that_the_bus_is_there) {
  pml__uplink *c = open_twin();
  of_bus.on_link(1, "nats://x:1", of_bus.ud);
  CHECK_STR(logged, "info the bus is there: nats://x:1; cluster chat-x;");
  close_twin(c);
}

TEST(uplink_names_who_has_an_id) {
  pml__uplink *c = open_twin();
  const pml_bus_server holder = {.id = "a", .host = "box", .pid = 4711};
  of_bus.on_claimed("a", NULL, 41, of_bus.ud);
  of_bus.on_claimed("a", &holder, 41, of_bus.ud);
  of_bus.on_superseded("b", &holder, of_bus.ud);
  CHECK_STR(heard, "free a;a the id is taken: process 4711 on box runs the server a of the cluster "
                   "chat-x; stop that one first, or give this one another id;superseded b;");
  CHECK(strstr(logged, "error b: process 4711 on box has taken its id over"));
  const pml_bus_server unknown = {.id = "b", .host = "", .process = ""}; /* others only say so */
  of_bus.on_superseded("b", &unknown, of_bus.ud);
  CHECK(strstr(logged, "error b: another process has taken its id over while this one was not "
                       "heard; this one ends"));
  close_twin(c);
}

TEST(uplink_announces_servers) {
  pml__uplink *c = open_twin();
  twin_serve(c, "a", 7, "{}");
  twin_leaving(c, "a");
  twin_leave(c, "a");
  CHECK_STR(asked, "a {};leaving a;leave a;");
  CHECK(twin_bus(c) == (pml_bus *)(void *)&here);
  close_twin(c);
}

TEST(uplink_that_cannot_be_opened_says_why) {
  const pml__uplink_events ev = {0};
  const pml_bus_options o = {.cluster = "chat-x"};
  pml__uplink *c = NULL;
  char err[64];
  refuses = "there is no libnats";
  CHECK_EQ(twin_open(NULL, NULL, &o, &log_of_test, &ev, &c, err, sizeof err), PML_EINVAL);
  CHECK_STR(err, "there is no libnats");
}

TEST(uplink_is_nothing_in_a_program_without_a_bus) {
  twin_claim(NULL, "a");
  twin_serve(NULL, "a", 7, "{}");
  twin_leaving(NULL, "a");
  twin_leave(NULL, "a");
  twin_close(NULL);
  CHECK(twin_bus(NULL) == NULL);
  CHECK_STR(asked, "");
}
