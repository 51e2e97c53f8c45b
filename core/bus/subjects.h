/* subjects: the names under which messages go over the bus. Pure.
 *
 *   pml.<cluster>.all             every process: announcements, heartbeats, goodbyes
 *   pml.<cluster>.id.<server>     whoever has that id: claims
 *   pml.<cluster>.p.<process>.r   one process: records
 *                            .c   what discovery says to it, in order with records
 *                            .q .a   questions of programs and tools, and answers
 *                            .n.<process> .n.id.<server>   the broker says that nobody is there
 *
 * Letters, digits, - and _ of a cluster and an id are as they are, all else is =XX. */
#ifndef PML_BUS_SUBJECTS_H
#define PML_BUS_SUBJECTS_H

#include "base/limits.h"
#include "wire/bus_mail.h"

#define PML__SUBJECT_MAX 512
#define PML__CLUSTER_MAX 100 /* bytes of a cluster's name */

typedef enum {
  PML__ON_NOTHING, /* not one of these */
  PML__ON_ALL,
  PML__ON_ID,
  PML__ON_RECORDS,
  PML__ON_CONTROL,
  PML__ON_QUESTION,
  PML__ON_ANSWER,
  PML__ON_NO_PROCESS,
  PML__ON_NO_HOLDER
} pml__subject_kind;

typedef struct {
  char prefix[3 * PML__CLUSTER_MAX + 8];
  char process[PML_PROCESS_DIGITS + 1];
} pml__subjects;

/* 0, or PML_EINVAL: the cluster has no name, or a too long one. */
int pml__subjects_init(pml__subjects *s, const char *cluster, const char *process);

typedef char pml__subject[PML__SUBJECT_MAX];

void pml__subject_all(const pml__subjects *s, pml__subject out);
/* kind: 'r', 'c', 'q', 'a' or, for all of this process's, '>'. */
void pml__subject_process(const pml__subjects *s, const char *process, char kind, pml__subject out);
void pml__subject_id(const pml__subjects *s, const char *id, pml__subject out);
/* The reply subjects under which the broker says that nobody is there. */
void pml__subject_no_process(const pml__subjects *s, const char *process, pml__subject out);
void pml__subject_no_holder(const pml__subjects *s, const char *id, pml__subject out);

/* What came under this subject. who: of NO_PROCESS the process, of NO_HOLDER the id. */
pml__subject_kind pml__subject_read(const pml__subjects *s, const char *subject,
                                    char who[PML_SERVER_ID_MAX + 1]);

#endif
