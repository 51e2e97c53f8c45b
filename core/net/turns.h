/* turns: what one connection may have of a turn of the loop, and the connections that have had it:
 * what was read of them and is not taken in yet waits here, and they get their turns one after the
 * other, behind those whose packages have come since.
 *
 * For conn and receive. It knows no reader and reads no socket. Memory: nothing for a connection of
 * which nothing waits; else what waits, which is at most what its last read has brought. */
#ifndef PML_NET_TURNS_H
#define PML_NET_TURNS_H

#include "net/conn_private.h"

/* on_turn(c, bytes, n): the bytes of c that wait, to be taken in; returns how many at the end were
 * not taken. on_done(c): all were. Neither frees c. */
void pml__turns_init(pml_conns *s, size_t (*on_turn)(pml_conn *c, uint8_t *bytes, size_t n),
                     void (*on_done)(pml_conn *c));
/* Around the taking in of n bytes of one connection: its share begins, and ends. */
void pml__turns_begin(pml_conns *s, size_t n);
void pml__turns_end(pml_conns *s);
/* c waits for its turn with these bytes. Copies. */
void pml__turns_wait(pml_conn *c, const uint8_t *bytes, size_t n);
/* More of a connection that waits. Copies. */
void pml__turns_add(pml_conn *c, const uint8_t *bytes, size_t n);
/* Drops what waits of c; harmless when nothing does. */
void pml__turns_drop(pml_conn *c);

#endif
