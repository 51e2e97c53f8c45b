/* The driver, and through it store/redis_link.c and store/redis_unit.c. */
#include "store/redis.h"

#include "base/err.h"
#include "test/redis_server.h"

#define CALLS 64

typedef struct {
  int times, rc;
  char message[400], value[400];
} told;

typedef struct {
  pml_loop *loop;
  server v;
  pml_store *s;
  pml_store_call c[CALLS];
  told t[CALLS];
  int closed, close_in_done;
} world;

/* The values of an answer as a text: "[2 'a' 1". */
static void show(pml_store_call *c, char *out, size_t room) {
  size_t k = 0;
  *out = 0;
  for (size_t i = 0; i < c->values.n && k + 100 < room; i++) {
    const pml_datum *v = &c->values.v[i];
    pml_slice s = {NULL, 0};
    if (v->kind == PML_DATUM_TEXT || v->kind == PML_DATUM_ERROR) s = pml_data_slice(&c->values, v);
    if (s.n > 60) s.n = 60;
    if (k) out[k++] = ' ';
    if (v->kind == PML_DATUM_NULL) k += (size_t)snprintf(out + k, 99, "null");
    if (v->kind == PML_DATUM_INT) k += (size_t)snprintf(out + k, 99, "%lld", (long long)v->i);
    if (v->kind == PML_DATUM_TEXT) k += (size_t)snprintf(out + k, 99, "'%.*s'", (int)s.n, s.p);
    if (v->kind == PML_DATUM_ERROR) k += (size_t)snprintf(out + k, 99, "!%.*s", (int)s.n, s.p);
    if (v->kind == PML_DATUM_ARRAY) k += (size_t)snprintf(out + k, 99, "[%u", v->n);
  }
}

static void on_closed(void *ud) { ((world *)ud)->closed = 1; }

static void on_done(pml_store_call *c, void *ud) {
  world *w = ud;
  told *t = &w->t[c - w->c];
  pml_slice m = pml_buf_slice(c->message);
  t->times++;
  t->rc = c->rc;
  snprintf(t->message, sizeof t->message, "%.*s", (int)m.n, m.n ? (const char *)m.p : "");
  show(c, t->value, sizeof t->value);
  if (!w->close_in_done) return;
  w->close_in_done = 0;
  pml_store_close(w->s, on_closed, w);
  w->s = NULL;
}

static void open_store(world *w, const pml_redis_options *o, const pml_store_limits *limits) {
  char err[256] = "";
  pml_redis_options mine = o ? *o : PML_REDIS_OPTIONS;
  mine.host = "127.0.0.1";
  mine.port = (uint16_t)w->v.port;
  if (!mine.database) mine.database = 3;
  w->s = pml_redis_open(w->loop, &mine, limits, err, sizeof err);
  CHECK_STR(err, "");
  CHECK(w->s != NULL);
}

static world *world_new(const pml_redis_options *o, const pml_store_limits *limits) {
  world *w = pml_alloc0(sizeof *w);
  w->loop = pml_loop_new();
  server_listen(&w->v, w->loop, 0);
  open_store(w, o, limits);
  return w;
}

static void world_end(world *w) {
  if (w->s) pml_store_close(w->s, on_closed, w);
  UNTIL(w->loop, w->closed);
  server_end(&w->v);
  pml_loop_free(w->loop);
  for (int i = 0; i < CALLS; i++) {
    CHECK(w->t[i].times <= 1);
    pml_store_call_drop(&w->c[i]);
  }
  pml_free(w);
}

static void words(pml_data *d, const char *text) {
  char copy[256], *save = NULL;
  snprintf(copy, sizeof copy, "%s", text);
  for (char *p = strtok_r(copy, " ", &save); p; p = strtok_r(NULL, " ", &save))
    pml_data_text(d, PML_DATUM_TEXT, pml_slice_str(p));
}

static void submit(world *w, int i) {
  w->c[i].done = on_done;
  w->c[i].ud = w;
  pml_store_submit(w->s, &w->c[i]);
  CHECK_EQ(w->t[i].times, 0);
}

static void call(world *w, int i, const char *text, uint32_t ms) {
  w->c[i].op = PML_STORE_COMMAND;
  w->c[i].ms = ms;
  words(&w->c[i].params, text);
  submit(w, i);
}

/* text: "2 INCR a|3 SET b c". */
static void list(world *w, int i, const char *text, int multi) {
  char copy[256], *save = NULL;
  snprintf(copy, sizeof copy, "%s", text);
  w->c[i].op = PML_STORE_COMMAND;
  w->c[i].text = multi ? pml_buf_from("MULTI", 5) : pml_buf_from("LIST", 4);
  for (char *p = strtok_r(copy, "|", &save); p; p = strtok_r(NULL, "|", &save)) {
    pml_data_int(&w->c[i].params, p[0] - '0');
    words(&w->c[i].params, p + 2);
  }
  submit(w, i);
}

/* What has come on a connection is the text. */
#define CAME(w, i, text) \
  UNTIL((w)->loop, (w)->v.client[i].n >= strlen(text)); \
  CHECK_BYTES((w)->v.client[i].in, (w)->v.client[i].n, text)

#define GET_A "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"

TEST(redis_a_call_is_sent_and_answered) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0);
  CAME(w, 0, GET_A);
  server_say(&w->v.client[0], "$5\r\nhello\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, 0);
  CHECK_STR(w->t[0].value, "'hello'");
  pml_store_stats st;
  pml_store_stats_get(w->s, &st);
  CHECK_EQ(st.open, 1);
  CHECK_EQ(st.busy, 0);
  world_end(w);
}

TEST(redis_numbers_are_words) {
  world *w = world_new(NULL, NULL);
  pml_store_call *c = &w->c[0];
  c->op = PML_STORE_COMMAND;
  words(&c->params, "ZADD k");
  pml_data_real(&c->params, 0.1);
  pml_data_int(&c->params, -9007199254740992);
  submit(w, 0);
  CAME(w, 0,
       "*4\r\n$4\r\nZADD\r\n$1\r\nk\r\n$19\r\n0.10000000000000001\r\n$17\r\n-9007199254740992\r\n");
  world_end(w);
}

TEST(redis_calls_share_a_connection_in_order) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0);
  call(w, 1, "GET b", 0);
  call(w, 2, "GET c", 0);
  CAME(w, 0, GET_A "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n");
  server_say(&w->v.client[0], ":1\r\n-ERR no\r\n$");
  UNTIL(w->loop, w->t[1].times);
  CHECK_STR(w->t[0].value, "1");
  CHECK_EQ(w->t[1].rc, PML_EIO);
  CHECK_STR(w->t[1].message, "ERR no");
  CHECK_EQ(w->t[2].times, 0);
  server_say(&w->v.client[0], "-1\r\n");
  UNTIL(w->loop, w->t[2].times);
  CHECK_STR(w->t[2].value, "null");
  CHECK_EQ(w->v.clients, 1);
  world_end(w);
}

TEST(redis_a_late_reply_is_dropped_and_the_connection_stays) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 500);
  CAME(w, 0, GET_A);
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, PML_ETIMEOUT);
  call(w, 1, "GET b", 0);
  server_say(&w->v.client[0], "$4\r\nlate\r\n$4\r\ngood\r\n");
  UNTIL(w->loop, w->t[1].times);
  CHECK_STR(w->t[1].value, "'good'");
  CHECK_EQ(w->v.clients, 1);
  world_end(w);
}

TEST(redis_a_call_that_waited_for_its_turn_was_not_done) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.connections = 1;
  world *w = world_new(&o, NULL);
  w->c[0].op = PML_STORE_COMMAND;
  w->c[0].text = pml_buf_from("LIST", 4);
  for (int i = 0; i < 1024; i++) { /* as many replies as a connection may owe */
    pml_data_int(&w->c[0].params, 1);
    pml_data_text(&w->c[0].params, PML_DATUM_TEXT, pml_slice_str("PING"));
  }
  submit(w, 0);
  UNTIL(w->loop, w->v.clients && w->v.client[0].n);
  call(w, 1, "GET a", 10);
  UNTIL(w->loop, w->t[1].times);
  CHECK_EQ(w->t[1].rc, PML_EFULL);
  CHECK_EQ(w->t[0].times, 0);
  world_end(w);
}

TEST(redis_a_list_of_commands_is_answered_as_a_whole) {
  world *w = world_new(NULL, NULL);
  list(w, 0, "2 INCR a|3 SET b c|2 GET d", 0);
  CAME(w, 0,
       "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\nc\r\n"
       "*2\r\n$3\r\nGET\r\n$1\r\nd\r\n");
  server_say(&w->v.client[0], ":1\r\n-ERR no\r\n");
  server_say(&w->v.client[0], "*2\r\n$1\r\nx\r\n$-1\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, 0);
  CHECK_STR(w->t[0].value, "[3 1 !ERR no [2 'x' null");
  world_end(w);
}

TEST(redis_a_transaction_is_answered_by_its_exec) {
  world *w = world_new(NULL, NULL);
  list(w, 0, "2 INCR a|2 GET b", 1);
  CAME(w, 0,
       "*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"
       "*1\r\n$4\r\nEXEC\r\n");
  server_say(&w->v.client[0], "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:7\r\n-WRONGTYPE x\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_STR(w->t[0].value, "[2 7 !WRONGTYPE x");
  list(w, 1, "2 INCR a|1 NONE", 1);
  server_say(&w->v.client[0], "+OK\r\n+QUEUED\r\n-ERR unknown command\r\n-EXECABORT no\r\n");
  UNTIL(w->loop, w->t[1].times);
  CHECK_EQ(w->t[1].rc, PML_EIO);
  CHECK_STR(w->t[1].message, "command 2: ERR unknown command");
  list(w, 2, "2 INCR a", 1);
  server_say(&w->v.client[0], "+OK\r\n+QUEUED\r\n-EXECABORT no\r\n");
  UNTIL(w->loop, w->t[2].times);
  CHECK_STR(w->t[2].message, "EXECABORT no");
  world_end(w);
}

TEST(redis_what_would_break_other_calls_is_refused) {
  static const char *const cases[][2] = {
    {"SUBSCRIBE x", "SUBSCRIBE would take the connection away from all other calls: use "
                    "redis:subscribe"},
    {"blpop k 0", "BLPOP would hold up all calls behind it: ask without waiting, or use "
                  "redis:subscribe"},
    {"SELECT 1", "SELECT would change the database of all other calls: name it in the URL"},
    {"Multi", "MULTI would take in calls of others: use redis:multi"},
    {"client reply off", "CLIENT REPLY is about a connection, which all calls share"},
    {"XREAD COUNT 2 block 0 STREAMS s $",
     "XREAD with BLOCK would hold up all calls behind it: ask without it"},
  };
  world *w = world_new(NULL, NULL);
  for (int i = 0; i < 6; i++) {
    call(w, i, cases[i][0], 0);
    UNTIL(w->loop, w->t[i].times);
    CHECK_EQ(w->t[i].rc, PML_EINVAL);
    CHECK_STR(w->t[i].message, cases[i][1]);
  }
  list(w, 6, "2 GET a|1 MONITOR", 0);
  call(w, 7, "CLIENT LIST", 0);
  call(w, 8, "XREAD STREAMS BLOCK 0", 0);
  call(w, 9, "", 0);
  UNTIL(w->loop, w->t[6].times && w->t[9].times);
  CHECK_STR(w->t[6].message, "command 2: MONITOR has no end: run redis-cli monitor");
  CHECK_EQ(w->t[9].rc, PML_EINVAL);
  CAME(w, 0,
       "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n*4\r\n$5\r\nXREAD\r\n$7\r\nSTREAMS\r\n$5\r\nBLOCK\r\n"
       "$1\r\n0\r\n");
  w->c[10].op = PML_STORE_BEGIN;
  submit(w, 10);
  w->c[11].op = PML_STORE_COMMAND;
  pml_data_null(&w->c[11].params);
  submit(w, 11);
  UNTIL(w->loop, w->t[10].times && w->t[11].times);
  CHECK_EQ(w->t[10].rc, PML_EINVAL);
  CHECK_STR(w->t[11].message, "word 1 of the command must be a string or a number");
  world_end(w);
}

TEST(redis_broken_lists_are_refused) {
  world *w = world_new(NULL, NULL);
  for (int i = 0; i < 4; i++) {
    w->c[i].op = PML_STORE_COMMAND;
    w->c[i].text = pml_buf_from("LIST", 4);
  }
  pml_data_int(&w->c[1].params, 2); /* names more words than there are */
  words(&w->c[1].params, "GET");
  pml_data_int(&w->c[2].params, 0);
  words(&w->c[3].params, "GET a");
  for (int i = 0; i < 4; i++) {
    submit(w, i);
    UNTIL(w->loop, w->t[i].times);
    CHECK_EQ(w->t[i].rc, PML_EINVAL);
  }
  CHECK_EQ(w->v.clients, 0);
  world_end(w);
}

static void lose(world *w, int reset) {
  call(w, 0, "GET a", 0);
  CAME(w, 0, GET_A);
  if (reset) server_reset(&w->v.client[0]);
  else server_hang_up(&w->v.client[0]);
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, PML_ECLOSED);
  CHECK(strstr(w->t[0].message, "whether the command was done is not known"));
}

TEST(redis_a_lost_connection_ends_its_calls_and_comes_back) {
  world *w = world_new(NULL, NULL);
  lose(w, 0);
  CHECK(strstr(w->t[0].message, "ended the connection"));
  call(w, 1, "GET a", 0); /* in the pause: this connection had given no answer */
  CAME(w, 1, GET_A);
  server_say(&w->v.client[1], ":5\r\n");
  UNTIL(w->loop, w->t[1].times);
  CHECK_STR(w->t[1].value, "5");
  world_end(w);
  w = world_new(NULL, NULL);
  lose(w, 1);
  CHECK(strstr(w->t[0].message, "reset"));
  world_end(w);
}

TEST(redis_that_is_down_fails_calls_at_once_and_is_found_again) {
  world *w = world_new(NULL, NULL);
  int port = w->v.port;
  server_end(&w->v);
  call(w, 0, "GET a", 0);
  call(w, 1, "GET b", 0);
  UNTIL(w->loop, w->t[0].times && w->t[1].times);
  CHECK_EQ(w->t[0].rc, PML_ECLOSED);
  CHECK(strstr(w->t[1].message, "cannot connect to redis at 127.0.0.1:"));
  CHECK(strstr(w->t[1].message, "connection refused"));
  w->v = (server){0};
  server_listen(&w->v, w->loop, port);
  call(w, 2, "GET a", 0);
  CAME(w, 0, GET_A);
  server_say(&w->v.client[0], ":5\r\n");
  UNTIL(w->loop, w->t[2].times);
  CHECK_STR(w->t[2].value, "5");
  world_end(w);
}

TEST(redis_pauses_grow_and_calls_do_not_wait_for_long_ones) {
  world *w = world_new(NULL, NULL);
  server_end(&w->v);
  /* Each failed attempt doubles the pause: soon it is longer than a call waits for. */
  int i = 0;
  uint64_t begun = uv_hrtime();
  for (; i < CALLS; i++) {
    call(w, i, "GET a", 0);
    int now = 0;
    uint64_t at = uv_hrtime();
    UNTIL(w->loop, w->t[i].times);
    CHECK_EQ(w->t[i].rc, PML_ECLOSED);
    now = uv_hrtime() - at < 50000000;
    if (now && i > 1) break;
  }
  CHECK(i >= 3 && i < 8);
  CHECK(uv_hrtime() - begun > 200000000);
  w->v = (server){0};
  server_listen(&w->v, w->loop, 0); /* for the end */
  world_end(w);
}

TEST(redis_a_wrong_password_is_told_without_it) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.password = "hunter22";
  world *w = world_new(&o, NULL);
  w->v.login = "-WRONGPASS invalid username-password pair\r\n";
  call(w, 0, "GET a", 0);
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, PML_ECLOSED);
  CHECK(strstr(w->t[0].message, "refused the user or the password: WRONGPASS"));
  w->v.login = "-ERR unknown command 'AUTH', with args beginning with: 'hunter22'\r\n";
  call(w, 1, "GET a", 0);
  UNTIL(w->loop, w->t[1].times);
  CHECK(strstr(w->t[1].message, "password: ERR"));
  CHECK(!strstr(w->t[1].message, "hunter22"));
  world_end(w);
}

TEST(redis_login_sends_user_password_and_database) {
  world *w = world_new(NULL, NULL);
  pml_redis_options o = PML_REDIS_OPTIONS;
  pml_store_close(w->s, NULL, NULL);
  o.user = "u";
  o.password = "p";
  o.database = 9;
  w->v.login = "";
  open_store(w, &o, NULL);
  call(w, 0, "GET a", 0);
  UNTIL(w->loop, w->v.clients == 1);
  w->v.client[0].greeted = 1; /* only looks */
  CAME(w, 0, "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$1\r\np\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n");
  server_say(&w->v.client[0], "+OK\r\n+OK\r\n");
  UNTIL(w->loop, strstr(w->v.client[0].in, "GET"));
  server_say(&w->v.client[0], "+x\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_STR(w->t[0].value, "'x'");
  world_end(w);
}

TEST(redis_a_server_that_does_not_answer_the_login_is_given_up) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.connect_ms = 30;
  world *w = world_new(&o, NULL);
  w->v.login = "";
  call(w, 0, "GET a", 0);
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, PML_ECLOSED);
  CHECK(strstr(w->t[0].message, "did not answer in 30 ms"));
  world_end(w);
}

TEST(redis_a_silent_connection_is_closed) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.silent_ms = 40;
  world *w = world_new(&o, NULL);
  call(w, 0, "GET a", 10);
  call(w, 1, "GET a", 4000);
  UNTIL(w->loop, w->t[1].times);
  CHECK_EQ(w->t[0].rc, PML_ETIMEOUT);
  CHECK_EQ(w->t[1].rc, PML_ECLOSED);
  CHECK(strstr(w->t[1].message, "has not answered for 40 ms"));
  UNTIL(w->loop, w->v.client[0].ended);
  world_end(w);
}

TEST(redis_an_idle_connection_is_closed) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.idle_ms = 20;
  world *w = world_new(&o, NULL);
  call(w, 0, "GET a", 0);
  CAME(w, 0, GET_A);
  server_say(&w->v.client[0], ":5\r\n");
  UNTIL(w->loop, w->t[0].times && w->v.client[0].ended);
  call(w, 1, "GET a", 0);
  CAME(w, 1, GET_A);
  world_end(w);
}

TEST(redis_a_reply_to_nothing_closes_the_connection) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0);
  CAME(w, 0, GET_A);
  server_say(&w->v.client[0], ":5\r\n:6\r\n");
  UNTIL(w->loop, w->v.client[0].ended);
  CHECK_STR(w->t[0].value, "5");
  world_end(w);
}

TEST(redis_nonsense_closes_the_connection) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0);
  CAME(w, 0, GET_A);
  server_say(&w->v.client[0], "HTTP/1.1 400 Bad Request\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_EQ(w->t[0].rc, PML_ECLOSED);
  CHECK(strstr(w->t[0].message, "Protocol error"));
  world_end(w);
}

TEST(redis_more_connections_come_when_one_is_crowded) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.connections = 2;
  world *w = world_new(&o, NULL);
  for (int i = 0; i < 40; i++) call(w, i, "GET a", 0);
  UNTIL(w->loop, w->v.clients == 2);
  UNTIL(w->loop, w->v.client[1].greeted);
  pml_store_stats st;
  do {
    uv_run(pml_loop_uv(w->loop), UV_RUN_NOWAIT);
    pml_store_stats_get(w->s, &st);
  } while (st.open < 2);
  call(w, 40, "GET b", 0);
  CAME(w, 1, "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
  for (int i = 41; i < CALLS; i++) call(w, i, "GET a", 0);
  CHECK_EQ(w->v.clients, 2);
  world_end(w);
}

TEST(redis_answers_above_the_limits_are_refused) {
  pml_store_limits limits = PML_STORE_LIMITS;
  limits.max_rows = 3;
  limits.max_bytes = 1000;
  world *w = world_new(NULL, &limits);
  call(w, 0, "GET a", 0);
  call(w, 1, "GET a", 0);
  CAME(w, 0, GET_A GET_A);
  server_say(&w->v.client[0], "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n+good\r\n");
  UNTIL(w->loop, w->t[1].times);
  CHECK_EQ(w->t[0].rc, PML_ETOOBIG);
  CHECK_STR(w->t[0].message, "the answer has more than 3 elements");
  CHECK_STR(w->t[1].value, "'good'");
  /* One value that is far too large ends the connection: it would have to be kept to be skipped. */
  call(w, 2, "GET a", 0);
  char big[1001];
  memset(big, 'x', 1000);
  big[1000] = 0;
  server_say(&w->v.client[0], "$100000000\r\n");
  for (int i = 0; i < 1000 && !w->t[2].times; i++) {
    server_say(&w->v.client[0], big);
    uv_run(pml_loop_uv(w->loop), UV_RUN_NOWAIT);
  }
  UNTIL(w->loop, w->t[2].times);
  CHECK_EQ(w->t[2].rc, PML_ECLOSED);
  CHECK(strstr(w->t[2].message, "a value of more than 1000 bytes"));
  world_end(w);
}

TEST(redis_large_commands_leave_in_pieces_and_are_bounded) {
  pml_redis_options o = PML_REDIS_OPTIONS;
  o.max_queued = 9 << 20;
  world *w = world_new(&o, NULL);
  size_t n = 8 << 20;
  char *big = memset(pml_alloc(n), 'x', n);
  for (int i = 0; i < 2; i++) {
    w->c[i].op = PML_STORE_COMMAND;
    words(&w->c[i].params, "SET a");
    pml_data_text(&w->c[i].params, PML_DATUM_TEXT, pml_slice_of(big, n));
    submit(w, i);
  }
  UNTIL(w->loop, w->t[1].times);
  CHECK_EQ(w->t[1].rc, PML_EFULL);
  UNTIL(w->loop, w->v.clients && w->v.client[0].n > n);
  server_say(&w->v.client[0], "+OK\r\n");
  UNTIL(w->loop, w->t[0].times);
  CHECK_STR(w->t[0].value, "'OK'");
  call(w, 2, "GET a", 0);
  UNTIL(w->loop, strstr(w->v.client[0].in + n, "GET"));
  pml_free(big);
  world_end(w);
}

TEST(redis_what_is_cancelled_before_it_was_sent_is_never_sent) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET x", 0);
  call(w, 1, "GET a", 0);
  pml_store_cancel(&w->c[0]);
  CAME(w, 0, GET_A);
  pml_store_cancel(&w->c[1]);
  server_say(&w->v.client[0], ":1\r\n");
  call(w, 2, "GET a", 0);
  server_say(&w->v.client[0], ":2\r\n");
  UNTIL(w->loop, w->t[2].times);
  CHECK_STR(w->t[2].value, "2");
  CHECK_EQ(w->t[0].times + w->t[1].times, 0);
  world_end(w);
}

TEST(redis_closes_with_calls_under_way_and_from_inside_of_an_answer) {
  world *w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0);
  call(w, 1, "GET a", 0);
  CAME(w, 0, GET_A GET_A);
  w->close_in_done = 1;
  server_say(&w->v.client[0], ":1\r\n:2\r\n");
  UNTIL(w->loop, w->t[0].times && w->t[1].times);
  CHECK_STR(w->t[0].value, "1");
  CHECK_EQ(w->t[1].rc, PML_ECLOSED);
  world_end(w);
  w = world_new(NULL, NULL);
  for (int i = 0; i < 3; i++) call(w, i, "GET a", 0);
  CAME(w, 0, GET_A GET_A GET_A);
  w->close_in_done = 1;
  server_hang_up(&w->v.client[0]);
  UNTIL(w->loop, w->t[2].times);
  world_end(w);
  w = world_new(NULL, NULL);
  call(w, 0, "GET a", 0); /* while it connects */
  world_end(w);
}

TEST(redis_open_refuses_with_a_sentence) {
  char err[256] = "";
  pml_redis_options o = PML_REDIS_OPTIONS;
  pml_loop *l = pml_loop_new(), *v = pml_loop_new_virtual();
  CHECK(!pml_redis_open(l, &o, NULL, err, sizeof err));
  CHECK_STR(err, "there is no host");
  o.host = "h";
  CHECK(!pml_redis_open(v, &o, NULL, err, sizeof err));
  CHECK(strstr(err, "virtual"));
  pml_loop_free(l);
  pml_loop_free(v);
}
