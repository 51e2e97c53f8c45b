/* redis_command: the words of a call become the bytes of commands, and commands that a connection
 * cannot share are refused. Values travel with their lengths, so nothing in them is ever taken for
 * a command. */
#ifndef PML_STORE_REDIS_COMMAND_H
#define PML_STORE_REDIS_COMMAND_H

#include "store/data.h"
#include "store/redis_library.h"

/* The number of words of a command. */
#define PML__REDIS_WORDS_MAX 100000

/* Whether a command may be sent: 0, or PML_EINVAL with a sentence in err. */
int pml__redis_command_check(pml_data *words, size_t first, size_t n, char *err, size_t nerr);
/* Appends the command whose words are words->v[first ... first + n - 1]: texts, bytes, whole
 * numbers and others, which are written with 17 digits. 0, or PML_EINVAL with a sentence in err,
 * and nothing is appended. The words are not changed. */
int pml__redis_command_write(const pml__redis_library *lib, pml_data *words, size_t first, size_t n,
                             pml_writer *out, char *err, size_t nerr);
/* The same for words of our own, without a look at what they do; n is at most 16. */
void pml__redis_command_plain(const pml__redis_library *lib, const pml_slice *words, size_t n,
                              pml_writer *out);

#endif
