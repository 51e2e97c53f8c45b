/* slow: clients that read slowly, as behind a bad network: LOAD_SLOW_RATE bytes a second, through a
 * receive buffer of LOAD_SLOW_ROOM bytes. */
#ifndef PML_TOOLS_LOAD_SLOW_H
#define PML_TOOLS_LOAD_SLOW_H

#include "tools/load/client.h"

#define LOAD_SLOW_RATE 2048.0
#define LOAD_SLOW_ROOM 4096

/* Whether client i is one of them: the last ones are. */
int load_slow_is(const load_options *o, int i);
/* Before c connects. */
void load_slow_begin(const client *c);
/* Calls read(c, limit) for each slow client that may read by now. */
void load_slow_read(load *l, void (*read)(client *c, size_t limit));
/* A push came with this time of sending, 0 when it has none: notes which is the newest, and whether
 * it was on its way when the last request was sent. */
void load_slow_note(client *c, double sent);
/* The most pushes that a slow client has read after the last request was sent. */
uint32_t load_slow_on_way(const load *l);
/* Slow clients that have not got all pushes of their room, or, of `latest` ones, the newest. */
int load_slow_waiting(const load *l);
/* The same of all clients. */
int load_slow_stale(const load *l);

#endif
