#include "store/redis_reply.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>

/* What may lie unread beside the value that is being read. */
#define SLACK ((size_t)64 << 10)

struct pml__redis_reader {
  const pml__redis_library *lib;
  pml__redis_reply_limits limits;
  redisReader *reader;
  pml__redis_reply reply; /* the one that is being built */
  uint32_t elements;      /* of its arrays so far */
  size_t fed;             /* bytes since the last whole reply */
  char why[192];
};

/* hiredis passes on what the functions below return and never looks into it: the values are in
 * the list already. NULL would be an error. */
#define BUILT ((void *)1)

static void too_big(pml__redis_reader *r, int elements) {
  pml_data_drop(&r->reply.values);
  r->reply.rc = PML_ETOOBIG;
  r->reply.elements = elements;
}

/* Whether a value of n bytes more is kept. */
static int fits(pml__redis_reader *r, size_t n) {
  if (r->reply.rc == PML_ETOOBIG) return 0;
  if (pml_data_size(&r->reply.values) + sizeof(pml_datum) + n <= r->limits.max_bytes) return 1;
  too_big(r, 0);
  return 0;
}

static pml__redis_reader *of(const redisReadTask *t) { return t->privdata; }

static void *refuse(pml__redis_reader *r, const char *why) {
  snprintf(r->why, sizeof r->why, "%s", why);
  return NULL;
}

static void *on_string(const redisReadTask *t, char *p, size_t n) {
  pml__redis_reader *r = of(t);
  int error = t->type == REDIS_REPLY_ERROR;
  if (!error && t->type != REDIS_REPLY_STRING && t->type != REDIS_REPLY_STATUS)
    return refuse(r, "the server sent a reply that is not of RESP 2");
  if (!fits(r, n)) return BUILT;
  if (error && !t->parent) r->reply.rc = PML_EIO;
  pml_data_text(&r->reply.values, error ? PML_DATUM_ERROR : PML_DATUM_TEXT, pml_slice_of(p, n));
  return BUILT;
}

static void *on_integer(const redisReadTask *t, long long i) {
  pml__redis_reader *r = of(t);
  if (t->type != REDIS_REPLY_INTEGER)
    return refuse(r, "the server sent a reply that is not of RESP 2");
  if (fits(r, 0)) pml_data_int(&r->reply.values, i);
  return BUILT;
}

static void *on_nil(const redisReadTask *t) {
  pml__redis_reader *r = of(t);
  if (fits(r, 0)) pml_data_null(&r->reply.values);
  return BUILT;
}

static void *array_of(const redisReadTask *t, uint64_t n) {
  pml__redis_reader *r = of(t);
  int depth = 1;
  for (const redisReadTask *up = t->parent; up; up = up->parent) depth++;
  if (t->type != REDIS_REPLY_ARRAY)
    return refuse(r, "the server sent a reply that is not of RESP 2");
  if (depth > PML__REDIS_DEPTH) return refuse(r, "the server sent arrays in arrays, deeper than 7");
  if (r->reply.rc != PML_ETOOBIG && n > r->limits.max_elements - r->elements) too_big(r, 1);
  if (!fits(r, 0)) return BUILT;
  r->elements += (uint32_t)n;
  pml_data_array(&r->reply.values, (uint32_t)n);
  return BUILT;
}

static void on_free(void *obj) { (void)obj; }

#if HIREDIS_MAJOR >= 1
static void *on_array(const redisReadTask *t, size_t n) { return array_of(t, n); }
static void *on_double(const redisReadTask *t, double d, char *p, size_t n) {
  (void)d, (void)p, (void)n;
  return refuse(of(t), "the server sent a reply that is not of RESP 2");
}
static void *on_bool(const redisReadTask *t, int b) {
  (void)b;
  return refuse(of(t), "the server sent a reply that is not of RESP 2");
}
static const redisReplyObjectFunctions functions = {
  .createString = on_string,
  .createArray = on_array,
  .createInteger = on_integer,
  .createDouble = on_double,
  .createNil = on_nil,
  .createBool = on_bool,
  .freeObject = on_free,
};
#else
static void *on_array(const redisReadTask *t, int n) { return array_of(t, (uint64_t)n); }
static const redisReplyObjectFunctions functions = {
  .createString = on_string,
  .createArray = on_array,
  .createInteger = on_integer,
  .createNil = on_nil,
  .freeObject = on_free,
};
#endif

pml__redis_reader *pml__redis_reader_new(const pml__redis_library *lib,
                                         const pml__redis_reply_limits *limits) {
  /* It only reads them. */
  redisReplyObjectFunctions *fn = (redisReplyObjectFunctions *)(uintptr_t)&functions;
  redisReader *reader = lib->redisReaderCreateWithFunctions(fn);
  if (!reader) return NULL;
  pml__redis_reader *r = pml_alloc0(sizeof *r);
  r->lib = lib;
  r->limits = *limits;
  r->reader = reader;
  reader->privdata = r;
  return r;
}

void pml__redis_reader_free(pml__redis_reader *r) {
  if (!r) return;
  r->lib->redisReaderFree(r->reader);
  pml_data_drop(&r->reply.values);
  pml_free(r);
}

int pml__redis_reader_feed(pml__redis_reader *r, const void *p, size_t n) {
  r->fed += n;
  return r->lib->redisReaderFeed(r->reader, p, n) == REDIS_OK ? 0 : PML_ENOMEM;
}

/* The reader's own words may hold bytes of the server. */
static void say_why(pml__redis_reader *r) {
  if (!r->why[0]) snprintf(r->why, sizeof r->why, "%s", r->reader->errstr);
  for (char *c = r->why; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
}

static int stop(pml__redis_reader *r, const char *what, size_t limit) {
  snprintf(r->why, sizeof r->why, what, limit);
  return PML_ETOOBIG;
}

int pml__redis_reader_next(pml__redis_reader *r, pml__redis_reply *out) {
  void *built = NULL;
  if (r->lib->redisReaderGetReply(r->reader, &built) != REDIS_OK) {
    say_why(r);
    return PML_EPROTO;
  }
  if (built) {
    *out = r->reply;
    r->reply = (pml__redis_reply){0};
    r->elements = 0;
    r->fed = r->reader->len - r->reader->pos;
    return 1;
  }
  if (r->reader->len - r->reader->pos > r->limits.max_bytes + SLACK)
    return stop(r, "the server sent a value of more than %zu bytes", r->limits.max_bytes);
  if (r->fed / PML__REDIS_SKIP > r->limits.max_bytes + SLACK)
    return stop(r, "the server sent a reply of more than %zu bytes",
                r->limits.max_bytes * PML__REDIS_SKIP);
  return 0;
}

const char *pml__redis_reader_why(const pml__redis_reader *r) { return r->why; }
