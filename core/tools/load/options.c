#include "tools/load/options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUTE_MAX 255
#define SEND "chat.chatHandler.send"
#define ECHO "connector.entryHandler.echo"

static const load_options standard = {
  .host = "127.0.0.1",
  .port = 3050,
  .clients = 100,
  .rooms = 1,
  .in_flight = 8,
  .size = 64,
  .count = 1000,
  .seconds = 60,
  .stay = 5,
  .enter = "connector.entryHandler.enter",
  .enter_message = "{\"uid\":\"user{uid}\",\"username\":\"user{uid}\",\"rid\":\"room{room}\"}",
  .message = "{\"target\":\"*\",\"rid\":\"room{room}\",\"content\":\"{now}{fill}\"}",
  .push = "onChat",
};

static const char *const modes[] = {"fan", "echo", "idle"};

const char *load_mode_name(load_mode mode) { return modes[mode]; }

uint16_t load_port(const load_options *o, int client) {
  return (uint16_t)(o->second && client / o->rooms % 2 ? o->second : o->port);
}

typedef struct {
  const char *name;
  size_t at;
} text_option;

typedef struct {
  const char *name;
  size_t at;
  long least, most;
} number_option;

#define AT(field) offsetof(load_options, field)

static const text_option texts[] = {
  {"--host", AT(host)},   {"--pid", AT(pids)},
  {"--enter", AT(enter)}, {"--enter-message", AT(enter_message)},
  {"--route", AT(route)}, {"--message", AT(message)},
  {"--push", AT(push)},   {"--ca", AT(ca)},
  {"--name", AT(name)},
};

static const number_option numbers[] = {
  {"--port", AT(port), 1, 65535},         {"--second-port", AT(second), 1, 65535},
  {"--clients", AT(clients), 1, 1000000}, {"--rooms", AT(rooms), 1, 1000000},
  {"--senders", AT(senders), 0, 1000000}, {"--in-flight", AT(in_flight), 1, 10000},
  {"--size", AT(size), 0, 50000},         {"--count", AT(count), 1, INT_MAX},
  {"--seconds", AT(seconds), 1, INT_MAX}, {"--stay", AT(stay), 0, INT_MAX},
  {"--rate", AT(rate), 0, INT_MAX},       {"--duration", AT(duration), 0, INT_MAX},
  {"--slow", AT(slow), 0, 1000000},
};

static const text_option flags[] = {
  {"--tls", AT(tls)},       {"--insecure", AT(insecure)}, {"--tcp", AT(tcp)},
  {"--json", AT(json)},     {"--quiet", AT(quiet)},       {"--latest", AT(latest)},
  {"--resume", AT(resume)},
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void *field(load_options *o, size_t at) { return (char *)o + at; }

static const text_option *find(const text_option *list, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(list[i].name, name) == 0) return &list[i];
  return NULL;
}

static const number_option *find_number(const char *name) {
  for (size_t i = 0; i < COUNT(numbers); i++)
    if (strcmp(numbers[i].name, name) == 0) return &numbers[i];
  return NULL;
}

static int read_number(load_options *o, const number_option *n, const char *text) {
  char *end;
  errno = 0;
  long v = strtol(text, &end, 10);
  if (end == text || *end || errno || v < n->least || v > n->most) return -1;
  *(long *)field(o, n->at) = v;
  return 0;
}

static int read_mode(load_options *o, const char *text) {
  for (size_t i = 0; i < COUNT(modes); i++) {
    if (strcmp(modes[i], text) != 0) continue;
    o->mode = (load_mode)i;
    return 0;
  }
  return -1;
}

/* One option with its value. 0, or -1. */
static int read_value(load_options *o, const char *name, const char *value, char *wrong,
                      size_t size) {
  const text_option *text = find(texts, COUNT(texts), name);
  const number_option *number = find_number(name);
  int is_mode = strcmp(name, "--mode") == 0;
  if (!text && !number && !is_mode) {
    snprintf(wrong, size, "there is no option %s", name);
  } else if (!value) {
    snprintf(wrong, size, "%s needs a value", name);
  } else if (is_mode && read_mode(o, value) != 0) {
    snprintf(wrong, size, "--mode is fan, echo or idle, not %s", value);
  } else if (number && read_number(o, number, value) != 0) {
    snprintf(wrong, size, "%s is a number of %ld to %ld, not %s", name, number->least, number->most,
             value);
  } else {
    if (text) *(const char **)field(o, text->at) = value;
    return 0;
  }
  return -1;
}

static int check(const load_options *o, char *wrong, size_t size) {
  if (o->rooms > o->clients) snprintf(wrong, size, "--rooms may not be above --clients");
  else if (!o->tls && (o->ca || o->name || o->insecure))
    snprintf(wrong, size, "--ca, --name and --insecure go with --tls");
  else if (strlen(o->enter) > ROUTE_MAX || strlen(o->route) > ROUTE_MAX)
    snprintf(wrong, size, "a route has at most %d bytes", ROUTE_MAX);
  else return 0;
  return -1;
}

int load_options_read(load_options *o, int argc, char **argv, char *wrong, size_t size) {
  *o = standard;
  for (int i = 1; i < argc; i++) {
    const text_option *flag = find(flags, COUNT(flags), argv[i]);
    if (flag) {
      *(int *)field(o, flag->at) = 1;
      continue;
    }
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (read_value(o, argv[i], value, wrong, size) != 0) return -1;
    i++;
  }
  if (!o->route) o->route = o->mode == LOAD_ECHO ? ECHO : SEND;
  return check(o, wrong, size);
}
