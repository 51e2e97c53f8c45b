/* directory: the servers that the configuration names: id, type, frontend or not,
 * in the order of the file. bus/rpc knows which of them are there now. */
#ifndef PML_NODE_DIRECTORY_H
#define PML_NODE_DIRECTORY_H

#include "base/buf.h"

typedef struct {
  char *id, *type; /* owned by the directory */
  int frontend;
} pml_server_info;

/* The servers of one type that are there. */
typedef struct {
  const char *type; /* of one of them */
  const pml_server_info **v;
  size_t n;
} pml_server_type;

typedef struct {
  pml_server_info *v;     /* read-only */
  size_t n;               /* read-only */
  pml_server_type *types; /* private: made when they are asked for */
  size_t ntypes;
  int known; /* private: types agrees with alive() */
} pml_directory;

void pml_directory_init(pml_directory *d);
void pml_directory_fini(pml_directory *d);
void pml_directory_clear(pml_directory *d);
void pml_directory_add(pml_directory *d, const char *id, const char *type,
                       int frontend); /* copies */
const pml_server_info *pml_directory_find(const pml_directory *d,
                                          const char *id); /* borrowed or NULL */
/* Pomelo's default route (protocol 15.2): the |crc32(uid)| mod n-th of the servers of
 * that type for which alive(id, ud) holds; its answers are kept until
 * pml_directory_changed. Borrowed; NULL: there is none. */
const pml_server_info *pml_directory_route(pml_directory *d, pml_slice type, pml_slice uid,
                                           int (*alive)(const char *id, void *ud), void *ud);
/* A server has come or gone. */
void pml_directory_changed(pml_directory *d);

#endif
