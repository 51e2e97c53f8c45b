/* http_request: one HTTP request as a handle of libcurl: made from a call, and its answer. The loop
 * is store/http's. */
#ifndef PML_STORE_HTTP_REQUEST_H
#define PML_STORE_HTTP_REQUEST_H

#include "base/cidr.h"
#include "store/http_library.h"
#include "store/store.h"

/* What all requests of a store share. */
typedef struct {
  pml__curl curl;
  char *ca_file;        /* owned; NULL: only the system's */
  int ca_folder;        /* whether those of the system are in a folder, each in a file */
  pml_cidr_list *allow; /* owned; NULL: none */
  uint32_t connect_ms;
  size_t head_max;  /* bytes of an answer's headers */
  uint32_t sockets; /* open ones */
  /* Closes a socket that libcurl had. */
  curl_closesocket_callback close_socket;
  void *ud;
} pml__http_shared;

typedef struct pml__http_request pml__http_request;
struct pml__http_request {
  pml_list node; /* the owner's */
  CURL *easy;    /* read-only */
  pml_store_call *call;

  /* private */
  pml__http_shared *shared;
  struct curl_slist *headers;
  char *url;
  char *method;
  pml_slice body; /* borrowed from the call */
  int has_body;
  int other_host; /* a redirect left the first host: headers that may hold secrets stay behind */
  uint32_t redirects, followed;
  size_t max_bytes;
  int allow_private;
  pml_writer in; /* the answer's body */
  size_t head_bytes;
  uint32_t head_lines;
  enum { PML__HTTP_RUNS, PML__HTTP_BODY, PML__HTTP_HEAD } stopped; /* what was too large */
  char refused[PML_ADDRESS_TEXT]; /* the private address that was not allowed; "" */
  char where[320];                /* "POST https://host:443" */
  char said[CURL_ERROR_SIZE];
};

/* Borrows both, which stay until it is freed. Returns owned; NULL: the call cannot be sent, and is
 * failed. */
pml__http_request *pml__http_request_new(pml__http_shared *s, pml_store_call *c);
/* Its handle is in no multi handle. */
void pml__http_request_free(pml__http_request *r);

/* The handle has ended with `code`, and was taken out of its multi handle. 1: a redirect is to be
 * followed, and `easy` is a new handle; 0: the call has its answer, which is still to be given by
 * pml_store_answer. */
int pml__http_request_ended(pml__http_request *r, CURLcode code);

#endif
