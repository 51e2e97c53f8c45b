#include "tools/load/slow.h"

#include <sys/socket.h>

#define EVERY 0.05 /* seconds between two reads of a client */

int load_slow_is(const load_options *o, int i) { return i >= o->clients - o->slow; }

void load_slow_begin(const client *c) {
  int room = LOAD_SLOW_ROOM;
  setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
}

void load_slow_read(load *l, void (*read)(client *c, size_t limit)) {
  double t = load_now();
  if (!l->o->slow || t < l->slow_at) return;
  double passed = l->slow_at > 0 ? t - l->slow_at + EVERY : EVERY;
  l->slow_at = t + EVERY;
  for (int i = (int)(l->o->clients - l->o->slow); i < l->o->clients; i++) {
    client *c = &l->clients[i];
    if (c->state != CLIENT_READY) continue;
    c->may_read += LOAD_SLOW_RATE * passed;
    size_t limit = (size_t)c->may_read;
    c->may_read -= (double)limit;
    if (limit) read(c, limit);
  }
}

void load_slow_note(client *c, double sent) {
  load *l = c->load;
  if (sent > c->newest) c->newest = sent;
  if (l->asked_all) c->on_way++;
}

uint32_t load_slow_on_way(const load *l) {
  uint32_t most = 0;
  for (int i = 0; i < l->o->clients; i++)
    if (load_slow_is(l->o, i) && l->clients[i].on_way > most) most = l->clients[i].on_way;
  return most;
}

/* Whether something is on its way to c, or lost. */
static int lacks(const load *l, const client *c) {
  if (l->o->latest) return c->newest < l->newest;
  return c->got < l->room_sent[c->room];
}

int load_slow_waiting(const load *l) {
  int n = 0;
  for (int i = 0; i < l->o->clients; i++)
    if (load_slow_is(l->o, i)) n += lacks(l, &l->clients[i]);
  return n;
}

int load_slow_stale(const load *l) {
  int n = 0;
  for (int i = 0; i < l->o->clients; i++) n += lacks(l, &l->clients[i]);
  return n;
}
