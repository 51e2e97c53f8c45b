/* names: host names become addresses, off the loop, and are kept for 30 s.
 *
 * libuv's four threads look names up, and a slow DNS server can hold two of them for many seconds.
 * So a name is looked up once for all who ask for it meanwhile, an address is kept, a failure is
 * kept for a second, and at most 8 look-ups run for one pml_names. Who asks waits no longer than
 * its own deadline; the look-up goes on and its result is kept for the next one.
 *
 * One loop, its thread; not for virtual loops. */
#ifndef PML_STORE_NAMES_H
#define PML_STORE_NAMES_H

#include "base/list.h"
#include "loop/loop.h"

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#define PML_NAMES_ADDRESSES 8 /* of one name; more are left out */

typedef struct pml_names pml_names;

/* As uv_getaddrinfo; tests give one of their own. */
typedef int (*pml_names_lookup)(uv_loop_t *l, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb,
                                const char *node, const char *service,
                                const struct addrinfo *hints);

typedef struct pml_names_ask pml_names_ask;
struct pml_names_ask {
  /* Who asks fills these. */
  void (*done)(pml_names_ask *a); /* may ask again, cancel others and close the names */
  void *ud;

  /* The answer. */
  int rc;                                          /* 0, PML_ENOENT, PML_ETIMEOUT, PML_EFULL */
  uint32_t n;                                      /* how many addresses; at least 1 when rc is 0 */
  struct sockaddr_storage at[PML_NAMES_ADDRESSES]; /* with the port, in the order to be tried */
  char why[320];                                   /* with rc: a sentence without a line end */

  pml_list node;    /* private */
  pml_names *names; /* private: NULL when it does not wait */
  pml_timer timer;  /* private */
  pml_task task;    /* private */
  uint16_t port;    /* private */
};

/* lookup: NULL is uv_getaddrinfo. Returns owned; borrows the loop. */
pml_names *pml_names_new(pml_loop *l, pml_names_lookup lookup);
/* Borrows host, a name or a numeric address of either family; the ask belongs to the names until
 * done is called, which is never inside of this call. ms: at least 1. */
void pml_names_ask_for(pml_names *n, pml_names_ask *a, const char *host, uint16_t port,
                       uint32_t ms);
/* Its done is not called. Harmless when it does not wait; a zeroed one does not. */
void pml_names_cancel(pml_names_ask *a);
/* Takes n. Asks that wait are cancelled. A look-up that a thread works on cannot be ended:
 * pml_loop_free waits for it. */
void pml_names_close(pml_names *n);

#endif
