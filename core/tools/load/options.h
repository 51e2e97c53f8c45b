/* options: what the load generator is to do, from its command line. */
#ifndef PML_TOOLS_LOAD_OPTIONS_H
#define PML_TOOLS_LOAD_OPTIONS_H

#include <stdint.h>
#include <stddef.h>

typedef enum { LOAD_FAN, LOAD_ECHO, LOAD_IDLE } load_mode;

/* Texts are borrowed from the command line. */
typedef struct {
  const char *host, *pids, *enter, *enter_message, *route, *message, *push;
  const char *ca, *name; /* NULL: the authorities of the system; --host */
  load_mode mode;
  long port, second, clients, rooms, senders, in_flight, size;
  long count, seconds, stay, rate, duration, slow;
  int tls, insecure, tcp, json, quiet, latest, resume;
} load_options;

/* 0; -1: an option is unknown, has no value, or its value is no number or out of range. The reason
 * is in wrong, one line. lua/pomelua/cli/bench.lua explains the options. */
int load_options_read(load_options *o, int argc, char **argv, char *wrong, size_t size);
uint16_t load_port(const load_options *o, int client); /* that a client connects to */
const char *load_mode_name(load_mode mode);

#endif
