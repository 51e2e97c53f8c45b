/* directory: the servers that the configuration names: id, type, frontend or not,
 * in the order of the file. bus/rpc knows which of them are there now. */
#ifndef PML_NODE_DIRECTORY_H
#define PML_NODE_DIRECTORY_H

#include "base/buf.h"

typedef struct {
  char *id, *type; /* owned by the directory */
  int frontend;
  uint32_t weight; /* see PML_BALANCE_WEIGHTED; 1 to begin with */
} pml_server_info;

/* The servers of one type that are there, in the order of the file. */
typedef struct {
  const char *type; /* of one of them */
  const pml_server_info **v;
  size_t n;
  size_t turn;     /* node/balance: whose turn it is */
  int64_t *credit; /* node/balance: what each has left to get */
} pml_server_type;

typedef struct {
  pml_server_info *v;     /* read-only */
  size_t n;               /* read-only */
  pml_server_type *types; /* private: made when they are asked for */
  size_t ntypes;
  int known;        /* private: types agrees with alive() */
  uint32_t version; /* read-only: another one after each change */
} pml_directory;

void pml_directory_init(pml_directory *d);
void pml_directory_fini(pml_directory *d);
void pml_directory_clear(pml_directory *d);
/* Copies. Returns the new entry, borrowed until the next change: its weight may be set. */
pml_server_info *pml_directory_add(pml_directory *d, const char *id, const char *type,
                                   int frontend);
const pml_server_info *pml_directory_find(const pml_directory *d,
                                          const char *id); /* borrowed or NULL */
/* The servers of that type for which alive(id, ud) holds; its answers are kept until
 * pml_directory_changed. Borrowed until then; NULL: there is none. */
pml_server_type *pml_directory_type(pml_directory *d, pml_slice type,
                                    int (*alive)(const char *id, void *ud), void *ud);
/* A server has come or gone. */
void pml_directory_changed(pml_directory *d);

#endif
