#include "store/redis_where.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/password.h"

#include <stdio.h>
#include <string.h>

#define PORT 6379

int pml__redis_where_set(pml__redis_where *out, const pml_redis_options *o, char *err,
                         size_t nerr) {
  const char *why = !o->host || !*o->host                 ? "there is no host"
                    : strlen(o->host) >= sizeof out->host ? "the host is too long"
                    : o->user && !o->password             ? "there is a user without a password"
                                                          : NULL;
  if (why) {
    snprintf(err, nerr, "%s", why);
    return PML_EINVAL;
  }
  *out = (pml__redis_where){.port = o->port ? o->port : PORT, .database = o->database};
  snprintf(out->host, sizeof out->host, "%s", o->host);
  snprintf(out->name, sizeof out->name, strchr(o->host, ':') ? "[%s]:%u" : "%s:%u", o->host,
           out->port);
  if (o->user) out->user = pml_strdup(o->user);
  if (o->password) out->password = pml_strdup(o->password);
  return 0;
}

void pml__redis_where_drop(pml__redis_where *w) {
  if (w->password) pml_password_wipe(w->password, strlen(w->password));
  pml_free(w->user);
  pml_free(w->password);
  w->user = w->password = NULL;
}
