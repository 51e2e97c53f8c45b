/* redis_floor: the least that a program pays for commands over hiredis: CONNECTIONS of them, each
 * with one GET on its way at a time. The benchmark compares a server with it.
 *
 * Use: redis-floor PORT CONNECTIONS COUNT KEY. Prints one line of JSON: us of processor time a
 * command, and quantiles of its time in us. */
#include "tools/yardstick.h"

#include <dlfcn.h>
#include <hiredis/hiredis.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define NAME "libhiredis.so." TEXT(HIREDIS_SONAME)

#define FUNCTIONS(F) \
  F(redisConnect) \
  F(redisAppendCommandArgv) \
  F(redisBufferWrite) \
  F(redisBufferRead) \
  F(redisGetReplyFromReader) \
  F(freeReplyObject) \
  F(redisFree)

typedef struct {
#define FIELD(name) __typeof__(&name) name;
  FUNCTIONS(FIELD)
} functions;

typedef struct {
  functions f;
  redisContext *c[YARD_CONNECTIONS];
  yard y;
  const char *key;
  long sum; /* of what was read */
} run;

static void fail(const char *what) {
  fprintf(stderr, "redis-floor: %s\n", what);
  exit(1);
}

static void load(functions *f) {
  void *lib = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
  if (!lib) fail(dlerror());
#define LOAD(name) \
  *(void **)&f->name = dlsym(lib, #name); \
  if (!f->name) fail("no " #name);
  FUNCTIONS(LOAD)
}

static void send_one(void *ud, int i) {
  run *r = ud;
  const char *words[2] = {"GET", r->key};
  const size_t lengths[2] = {3, strlen(r->key)};
  int whole = 0;
  if (yard_next(&r->y, i) < 0) return;
  if (r->f.redisAppendCommandArgv(r->c[i], 2, words, lengths) != REDIS_OK) fail("no memory");
  while (!whole)
    if (r->f.redisBufferWrite(r->c[i], &whole) != REDIS_OK) fail(r->c[i]->errstr);
}

static void take(void *ud, int i) {
  run *r = ud;
  void *reply = NULL;
  if (r->f.redisBufferRead(r->c[i]) != REDIS_OK) fail(r->c[i]->errstr);
  if (r->f.redisGetReplyFromReader(r->c[i], &reply) != REDIS_OK) fail(r->c[i]->errstr);
  if (!reply) return;
  r->sum += (long)((redisReply *)reply)->len;
  r->f.freeReplyObject(reply);
  yard_answered(&r->y, i);
  send_one(r, i);
}

int main(int argc, char **argv) {
  run r = {0};
  struct pollfd fds[YARD_CONNECTIONS];
  if (argc != 5) fail("redis-floor PORT CONNECTIONS COUNT KEY");
  int n = atoi(argv[2]);
  r.y.count = atol(argv[3]);
  r.key = argv[4];
  if (n < 1 || n > YARD_CONNECTIONS || r.y.count < n)
    fail("1 to 64 connections, and more commands than these");
  r.y.took = calloc((size_t)r.y.count, sizeof *r.y.took);
  load(&r.f);
  for (int i = 0; i < n; i++) {
    r.c[i] = r.f.redisConnect("127.0.0.1", atoi(argv[1]));
    if (!r.c[i] || r.c[i]->err) fail(r.c[i] ? r.c[i]->errstr : "no memory");
    fds[i] = (struct pollfd){.fd = r.c[i]->fd, .events = POLLIN};
  }
  if (yard_run(&r.y, fds, n, send_one, take, &r, &r.sum) != 0) fail("no answer in 5 s");
  for (int i = 0; i < n; i++) r.f.redisFree(r.c[i]);
  free(r.y.took);
  return 0;
}
