/* web_alarm: a thread that calls a function at the times that it and other threads ask for. It
 * sleeps while nobody has asked. For host/web only. */
#ifndef PML_HOST_WEB_ALARM_H
#define PML_HOST_WEB_ALARM_H

#include <stdint.h>

typedef struct pml__web_alarm pml__web_alarm;

/* Returns when it is to be called again, by base/clock; 0: not before somebody asks. No call
 * overlaps another one. */
typedef uint64_t (*pml__web_alarm_fn)(uint64_t now, void *ud);

/* Returns owned; NULL: the system gives no thread. */
pml__web_alarm *pml__web_alarm_new(pml__web_alarm_fn fn, void *ud);
/* From any thread: the function is called at `when`, or earlier. */
void pml__web_alarm_by(pml__web_alarm *a, uint64_t when);
/* Waits for the end of the thread; NULL is allowed. */
void pml__web_alarm_free(pml__web_alarm *a);

#endif
