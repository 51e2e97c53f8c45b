/* throttle: how many log lines of a kind may be written in a while, for lines that clients or other
 * servers can cause. Lines that are left out are counted per kind, and their number can be reported
 * once the while has passed.
 *
 * A kind is a name, cut after PML_THROTTLE_NAME - 1 bytes. It takes a place when it is first
 * asked for and gives it back when its while has passed; when all places are taken, the kinds
 * beyond share one. May be asked from any thread. */
#ifndef PML_BASE_THROTTLE_H
#define PML_BASE_THROTTLE_H

#include <stddef.h>
#include <stdint.h>

#define PML_THROTTLE_NAME 160
#define PML_THROTTLE_KINDS 128

typedef struct pml_throttle pml_throttle;

/* now: milliseconds that never go back. on_held, or NULL: a line was left out, and no other kind
 * waited to be reported, so pml_throttle_next is to be called in ms; it is called from inside
 * pml_throttle_ask, with no lock held. */
typedef struct {
  uint64_t (*now)(void *ud);
  void (*on_held)(uint64_t ms, void *ud);
  void *ud;
} pml_throttle_hooks;

/* The lines of a kind that were left out. */
typedef struct {
  uint32_t held;
  int level;
  char name[PML_THROTTLE_NAME];
} pml_throttled;

pml_throttle *pml_throttle_new(const pml_throttle_hooks *hooks);
void pml_throttle_free(pml_throttle *t); /* harmless with NULL */

/* Whether a line of that kind may be written: `lines` of them in `ms`. The level is kept for
 * the line that reports them. */
int pml_throttle_ask(pml_throttle *t, const char *name, size_t n, uint32_t lines, uint32_t ms,
                     int level);
/* Takes a kind of which lines were left out and whose while has passed, or any with `all`;
 * 0 when there is none. */
int pml_throttle_next(pml_throttle *t, int all, pml_throttled *out);
/* In how many milliseconds pml_throttle_next will find something: 0 never. */
uint64_t pml_throttle_due(pml_throttle *t);
/* Lines left out so far. */
uint64_t pml_throttle_count(pml_throttle *t);

#endif
