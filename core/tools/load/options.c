#include "tools/load/options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
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

void load_options_help(FILE *f) {
  fputs(
    "Usage: pomelua bench [options]\n\n"
    "Loads a server with clients of the real protocol and says "
    "what it did.\n\n"
    "  --host IP --port N     where it listens; 127.0.0.1, 3050\n"
    "  --tcp                  raw TCP instead of WebSocket\n"
    "  --clients N --rooms N  clients, spread over so many rooms; 100, 1\n"
    "  --mode fan             senders ask, all of the sender's room must get the push (the "
    "default)\n"
    "         echo            all ask, each must be answered\n"
    "         idle            all connect and stay, --stay seconds\n"
    "  --senders N            who asks; one per room in mode fan, all in mode echo\n"
    "  --in-flight N          requests of one sender that wait for answers, at most; 8\n"
    "  --rate N               requests a second in all; left out: as fast as answers come\n"
    "  --count N              requests in all; 1000\n"
    "  --duration S           ask for so long instead\n"
    "  --seconds S            give up when that takes longer; 60\n"
    "  --enter ROUTE --enter-message TEXT\n"
    "                         the first request of each client; '' asks nothing\n"
    "  --route ROUTE --message TEXT --push ROUTE\n"
    "                         the requests, and the route of the pushes that are counted\n"
    "  --size BYTES           of {now}{fill} together; 64\n"
    "  --pid PID,...          processes of the server: shows their CPU time and memory\n"
    "  --json --quiet         one JSON object a line; no progress line\n\n"
    "Messages are templates: {uid} {room} {now} (seconds; in \"content\" it gives the latency of\n"
    "pushes) {fill}. Exit status 0 when all got in and got what they should, once; else 1.\n",
    f);
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
  {"--push", AT(push)},
};

static const number_option numbers[] = {
  {"--port", AT(port), 1, 65535},           {"--clients", AT(clients), 1, 1000000},
  {"--rooms", AT(rooms), 1, 1000000},       {"--senders", AT(senders), 0, 1000000},
  {"--in-flight", AT(in_flight), 1, 10000}, {"--size", AT(size), 0, 50000},
  {"--count", AT(count), 1, INT_MAX},       {"--seconds", AT(seconds), 1, INT_MAX},
  {"--stay", AT(stay), 0, INT_MAX},         {"--rate", AT(rate), 0, INT_MAX},
  {"--duration", AT(duration), 0, INT_MAX},
};

static const text_option flags[] = {
  {"--tcp", AT(tcp)},
  {"--json", AT(json)},
  {"--quiet", AT(quiet)},
  {"--help", AT(help)},
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
    if (read_value(o, argv[i], value, wrong, size) != 0) {
      if (!o->help) return -1;
      break;
    }
    i++;
  }
  if (!o->route) o->route = o->mode == LOAD_ECHO ? ECHO : SEND;
  return check(o, wrong, size);
}
