/* replace: small files that are replaced as a whole, so that a reader, and a start after a loss of
 * power, finds the old text or the new one, and the lock of the folder that lets one process at a
 * time read such a file and replace it. Blocks: not for the thread of a server. */
#ifndef PML_BASE_REPLACE_H
#define PML_BASE_REPLACE_H

#include "base/buf.h"

#define PML_REPLACE_WHY 512

/* Writes a new file beside path, syncs it, renames it to path and syncs the folder. Its mode is
 * 0600; its owner is that of the file that was there, or that of the folder. A link at path stays,
 * and the file that it leads to is replaced. 0, or PML_EIO with the reason in why: the file that
 * was there is as it was. */
int pml_replace_file(const char *path, pml_slice text, char why[PML_REPLACE_WHY]);

/* Takes the lock of a folder (flock), waiting up to ms milliseconds. A descriptor, whose close
 * gives the lock back; PML_EFULL: another process has it all the time; PML_EIO: the reason is in
 * why. */
int pml_replace_lock(const char *folder, uint32_t ms, char why[PML_REPLACE_WHY]);

#endif
