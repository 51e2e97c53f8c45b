/* web_file: the answer that carries one file: its type, validators, range and content coding.
 *
 * For host/web only. RFC 9110: 8.8 (validators), 13 (conditions), 14 (ranges). */
#ifndef PML_HOST_WEB_FILE_H
#define PML_HOST_WEB_FILE_H

#include "host/web_answer.h"

#include <sys/stat.h>

typedef struct {
  int fd; /* a regular file, open */
  struct stat st;
  const char *path;   /* its ending says the type; borrowed */
  const char *coding; /* content coding of the file's bytes, or NULL; borrowed */
  int varies;         /* whether another client may get other bytes under this path */
} pml__web_file;

/* Answers 200, 206, 304 or 416. Takes the descriptor; MHD_NO when out of memory. */
enum MHD_Result pml__web_answer_file(const pml__web_answers *a, struct MHD_Connection *c,
                                     const pml__web_file *file);

#endif
