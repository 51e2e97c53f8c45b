/* web_path: which file the path of a request means, below a folder, and the answer to it.
 *
 * For host/web only. */
#ifndef PML_HOST_WEB_PATH_H
#define PML_HOST_WEB_PATH_H

#include "host/web_answer.h"

/* Answers with the file, with where a folder's index is, or that there is none: *status is 404
 * then, and untouched else. root: absolute, without links, no slash at its end. */
enum MHD_Result pml__web_answer_path(const pml__web_answers *a, const char *root,
                                     struct MHD_Connection *c, const char *path, unsigned *status);

#endif
