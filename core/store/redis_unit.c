#include "store/redis_unit.h"

#include "base/err.h"
#include "store/redis_command.h"

#include <stdio.h>
#include <string.h>

/* ---- what is sent ---- */

static int no_list(char *err, size_t nerr) {
  snprintf(err, nerr, "a list has from 1 to %d commands, each with a word at least",
           PML__REDIS_COMMANDS_MAX);
  return PML_EINVAL;
}

/* Each command of a list, which is written when there is an out. *commands: how many. */
static int each_command(const pml__redis_library *lib, pml_data *words, pml_writer *out,
                        uint32_t *commands, char *err, size_t nerr) {
  char why[256];
  *commands = 0;
  for (size_t at = 0; at < words->n;) {
    const pml_datum *v = &words->v[at++];
    if (v->kind != PML_DATUM_INT || v->i < 1 || (uint64_t)v->i > words->n - at ||
        ++*commands > PML__REDIS_COMMANDS_MAX)
      return no_list(err, nerr);
    size_t n = (size_t)v->i;
    int rc = out ? pml__redis_command_write(lib, words, at, n, out, why, sizeof why)
                 : pml__redis_command_check(words, at, n, why, sizeof why);
    if (rc) {
      snprintf(err, nerr, "command %u: %s", *commands, why);
      return rc;
    }
    at += n;
  }
  return *commands ? 0 : no_list(err, nerr);
}

static int wrong_op(char *err, size_t nerr) {
  snprintf(err, nerr, "redis takes commands: redis:call, redis:pipeline and redis:multi");
  return PML_EINVAL;
}

int pml__redis_unit_check(pml_store_call *c, char *err, size_t nerr) {
  uint32_t commands;
  if (c->op != PML_STORE_COMMAND) return wrong_op(err, nerr);
  if (!c->text) return pml__redis_command_check(&c->params, 0, c->params.n, err, nerr);
  return each_command(NULL, &c->params, NULL, &commands, err, nerr);
}

static void plain(const pml__redis_library *lib, const char *word, pml_writer *out) {
  pml_slice s = pml_slice_str(word);
  pml__redis_command_plain(lib, &s, 1, out);
}

static int write_words(pml__redis_unit *u, const pml__redis_library *lib, pml_store_call *c,
                       pml_writer *out, char *err, size_t nerr) {
  if (c->op != PML_STORE_COMMAND) return wrong_op(err, nerr);
  if (!c->text) {
    u->replies = 1;
    return pml__redis_command_write(lib, &c->params, 0, c->params.n, out, err, nerr);
  }
  u->is_list = 1;
  u->is_multi = pml_slice_eq(pml_buf_slice(c->text), pml_slice_str("MULTI"));
  if (u->is_multi) plain(lib, "MULTI", out);
  int rc = each_command(lib, &c->params, out, &u->replies, err, nerr);
  if (rc) return rc;
  if (u->is_multi) {
    plain(lib, "EXEC", out);
    u->replies += 2;
  } else {
    pml_data_array(&u->values, u->replies);
  }
  return 0;
}

pml__redis_unit *pml__redis_unit_new(pml_pool *pool, const pml__redis_library *lib,
                                     pml_store_call *c, char *err, size_t nerr) {
  pml_writer out = {0};
  pml__redis_unit *u = pml_pool_take(pool);
  *u = (pml__redis_unit){.call = c};
  pml_list_init(&u->node);
  if (write_words(u, lib, c, &out, err, nerr)) {
    pml_writer_drop(&out);
    pml__redis_unit_free(pool, u);
    return NULL;
  }
  u->bytes = pml_writer_finish(&out);
  c->driver = u;
  return u;
}

void pml__redis_unit_free(pml_pool *pool, pml__redis_unit *u) {
  pml_list_remove(&u->node);
  pml_buf_unref(u->bytes);
  pml_buf_unref(u->message);
  pml_data_drop(&u->values);
  pml_pool_give(pool, u);
}

/* ---- what comes back ---- */

static void fail(pml__redis_unit *u, int rc, const char *text, size_t n) {
  pml_data_drop(&u->values);
  if (u->rc) return;
  u->rc = rc;
  u->message = pml_buf_from(text, n < 500 ? n : 500);
}

/* A reply that makes the whole call fail. */
static void fail_by(pml__redis_unit *u, pml__redis_reply *r,
                    const pml__redis_reply_limits *limits) {
  char text[640];
  if (r->rc == PML_EIO) {
    pml_slice s = pml_data_slice(&r->values, r->values.v);
    snprintf(text, sizeof text, "%.*s", (int)(s.n < 500 ? s.n : 500), (const char *)s.p);
    /* Which of the commands it was that the server refused to queue. */
    if (u->is_multi && u->replied > 1 && u->replies)
      snprintf(text, sizeof text, "command %u: %.*s", u->replied - 1, (int)(s.n < 500 ? s.n : 500),
               (const char *)s.p);
  } else if (r->elements) {
    snprintf(text, sizeof text, "the answer has more than %u elements", limits->max_elements);
  } else {
    snprintf(text, sizeof text, "the answer is larger than %zu bytes", limits->max_bytes);
  }
  fail(u, r->rc, text, strlen(text));
}

static void take(pml__redis_unit *u, pml__redis_reply *r) {
  pml_data_drop(&u->values);
  u->values = r->values;
  r->values = (pml_data){0};
}

static void add_to_list(pml__redis_unit *u, pml__redis_reply *r,
                        const pml__redis_reply_limits *limits) {
  pml__redis_reply whole = {.rc = PML_ETOOBIG};
  if (u->rc) return;
  if (pml_data_size(&u->values) + pml_data_size(&r->values) > limits->max_bytes)
    fail_by(u, &whole, limits);
  else pml_data_append(&u->values, &r->values);
}

int pml__redis_unit_reply(pml__redis_unit *u, pml__redis_reply *r,
                          const pml__redis_reply_limits *limits) {
  u->replies--;
  u->replied++;
  if (u->call) {
    int among_others = u->is_list && !u->is_multi && r->rc == PML_EIO;
    if (r->rc && !among_others) fail_by(u, r, limits);
    else if (u->is_list && !u->is_multi) add_to_list(u, r, limits);
    else if (!u->replies && !u->rc) take(u, r); /* not the OK of MULTI, nor QUEUED */
  }
  pml_data_drop(&r->values);
  return u->replies == 0;
}

void pml__redis_unit_finish(pml_pool *pool, pml__redis_unit *u) {
  pml_store_call *c = u->call;
  int rc = u->rc;
  pml_buf *message = u->message;
  pml_data values = u->values;
  u->message = NULL;
  u->values = (pml_data){0};
  pml__redis_unit_free(pool, u);
  if (!c) {
    pml_buf_unref(message);
    pml_data_drop(&values);
    return;
  }
  c->rc = rc;
  c->message = message;
  c->values = values;
  pml_store_answer(c);
}
