/* load: a load generator that speaks Pomelo's protocol (protocol 1, protocol 2,
 * protocol 3), for `pomelua bench` and `make bench`. One epoll thread.
 *
 *   fan    the senders (one per room, or --senders) keep N requests in flight each;
 *          every member of the room must get every push exactly once
 *   echo   every client keeps N requests in flight; every one must be answered
 *   idle   connect, enter, stay
 *
 * With --rate, requests start at random times, so many a second in all, whether or not
 * earlier ones were answered, and latency counts from the time a request was due.
 * Deliveries are counted at the receivers; its own CPU time is shown, so that one
 * sees that it was not the limit. It answers a heartbeat one interval later, as
 * the clients do. Messages are templates: {uid} {room} {now} (seconds) {fill}.
 * Exit status 1: somebody did not get in, or a delivery or an answer is missing,
 * doubled, or says code 500, or a connection was lost. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SILENCE 5 /* seconds without a push, after the last answer */
#define OTHER_GAME \
  "load: this server does not know these requests, which are those of examples/chat: name " \
  "your game's with --enter, --route and --push\n"
#define BATCH 300 /* connects under way at once */
/* Connections from one loopback address: the more there are, the longer the kernel looks for a
 * free port. */
#define PER_SOURCE 4000
#define SAMPLES (1u << 20)
#define BODY_MAX 60000

typedef enum { CONNECTING, UPGRADING, SHAKING, ENTERING, READY, DEAD } state;

typedef struct {
  int fd, id, room, in_flight, write_armed;
  state st;
  uint32_t msg_id, left, got, heartbeat;
  double beat_at;
  double *sent_at; /* by message id, for the latency of answers */
  uint8_t *in, *out;
  size_t nin, capin, nout, capout, sent_out;
} client;

static struct {
  const char *host, *mode, *pids, *enter, *enter_msg, *route, *msg, *push, *json;
  int port, clients, rooms, senders, in_flight, size, tcp, quiet;
  long count, seconds, stay, rate, duration;
} o = {
  .host = "127.0.0.1",
  .mode = "fan",
  .port = 3050,
  .clients = 100,
  .rooms = 1,
  .in_flight = 8,
  .size = 64,
  .count = 1000,
  .seconds = 60,
  .stay = 5,
  .enter = "connector.entryHandler.enter",
  .enter_msg = "{\"uid\":\"user{uid}\",\"username\":\"user{uid}\",\"rid\":\"room{room}\"}",
  .route = "chat.chatHandler.send",
  .msg = "{\"target\":\"*\",\"rid\":\"room{room}\",\"content\":\"{now}{fill}\"}",
  .push = "onChat",
};

static client *clients;
static int epfd, ready, dead, beats;
static uint32_t *room_sent, id_mask;
static uint64_t want, asked, deliveries, answers, errors, kicks, beats_sent;
static double due; /* --rate: when the request that is being written should have gone */
static float *samples;
static uint32_t nsamples, sample_every = 16;
static char *fill;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *must(void *p) {
  if (!p) {
    perror("load");
    exit(2);
  }
  return p;
}

/* --- what the server used ------------------------------------------------------ */

typedef struct {
  double cpu, rss; /* seconds, bytes */
} usage;

static double task_cpu(const char *dir) {
  char path[700];
  unsigned long long ns = 0;
  snprintf(path, sizeof path, "%s/schedstat", dir);
  FILE *f = fopen(path, "r");
  if (!f) return 0;
  if (fscanf(f, "%llu", &ns) != 1) ns = 0;
  fclose(f);
  return (double)ns / 1e9;
}

static void process_usage(const char *pid, usage *u) {
  char path[256], entry[600];
  long pages = 0, size = 0;
  snprintf(path, sizeof path, "/proc/%s/statm", pid);
  FILE *f = fopen(path, "r");
  if (!f) return;
  if (fscanf(f, "%ld %ld", &size, &pages) == 2)
    u->rss += (double)pages * (double)sysconf(_SC_PAGESIZE);
  fclose(f);
  snprintf(path, sizeof path, "/proc/%s/task", pid);
  DIR *d = opendir(path);
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    snprintf(entry, sizeof entry, "%s/%s", path, e->d_name);
    u->cpu += task_cpu(entry);
  }
  closedir(d);
}

static usage server_usage(void) {
  usage u = {0, 0};
  if (!o.pids) return u;
  char *list = must(strdup(o.pids)), *rest = NULL;
  for (char *p = strtok_r(list, ", ", &rest); p; p = strtok_r(NULL, ", ", &rest))
    process_usage(p, &u);
  free(list);
  return u;
}

static double own_cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
         (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* --- bytes out -------------------------------------------------------------------- */

static void room_for(uint8_t **p, size_t *cap, size_t need) {
  if (*cap >= need) return;
  size_t c = *cap ? *cap : 512;
  while (c < need) c *= 2;
  *p = must(realloc(*p, c));
  *cap = c;
}

static void put(client *c, const void *p, size_t n) {
  room_for(&c->out, &c->capout, c->nout + n);
  if (n) memcpy(c->out + c->nout, p, n);
  c->nout += n;
}

static void drop(client *c) {
  if (c->st == DEAD) return;
  if (c->st == READY) ready--;
  c->st = DEAD;
  dead++;
  close(c->fd);
}

static void arm(client *c, int write) {
  struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &e);
  c->write_armed = write;
}

static void flush(client *c) {
  while (c->sent_out < c->nout) {
    ssize_t n = send(c->fd, c->out + c->sent_out, c->nout - c->sent_out, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) drop(c);
      else if (!c->write_armed) arm(c, 1);
      return;
    }
    c->sent_out += (size_t)n;
  }
  c->sent_out = c->nout = 0;
  if (c->write_armed) arm(c, 0);
}

/* A client's frame is masked; the key 0 leaves the payload as it is. */
static void package(client *c, int type, const void *body, size_t n) {
  uint8_t h[16];
  size_t k = 0, whole = n + 4;
  if (!o.tcp) {
    h[k++] = 0x82;
    if (whole < 126) {
      h[k++] = (uint8_t)(0x80 | whole);
    } else {
      h[k++] = 0x80 | 126;
      h[k++] = (uint8_t)(whole >> 8);
      h[k++] = (uint8_t)whole;
    }
    memset(h + k, 0, 4);
    k += 4;
  }
  h[k++] = (uint8_t)type;
  h[k++] = (uint8_t)(n >> 16);
  h[k++] = (uint8_t)(n >> 8);
  h[k++] = (uint8_t)n;
  put(c, h, k);
  put(c, body, n);
}

static size_t expand(const client *c, const char *template, char *out) {
  size_t n = 0;
  for (const char *p = template; *p && n < BODY_MAX;) {
    size_t left = BODY_MAX - n;
    struct timespec t;
    if (!strncmp(p, "{uid}", 5)) {
      n += (size_t)snprintf(out + n, left, "%d", c->id);
      p += 5;
    } else if (!strncmp(p, "{room}", 6)) {
      n += (size_t)snprintf(out + n, left, "%d", c->room);
      p += 6;
    } else if (!strncmp(p, "{now}", 5)) {
      clock_gettime(CLOCK_MONOTONIC, &t);
      if (due > 0) {
        t.tv_sec = (time_t)due;
        t.tv_nsec = (long)((due - (double)t.tv_sec) * 1e9);
      }
      n += (size_t)snprintf(out + n, left, "%010ld.%09ld", (long)t.tv_sec, t.tv_nsec);
      p += 5;
    } else if (!strncmp(p, "{fill}", 6)) {
      n += (size_t)snprintf(out + n, left, "%s", fill);
      p += 6;
    } else {
      out[n++] = *p++;
    }
  }
  return n < BODY_MAX ? n : BODY_MAX;
}

static void request(client *c, const char *route, const char *template) {
  static uint8_t b[BODY_MAX + 300];
  size_t k = 0, nroute = strlen(route);
  b[k++] = 0;
  for (uint32_t id = ++c->msg_id, more = 1; more;) {
    more = id > 127;
    b[k++] = (uint8_t)((id & 127) | (more ? 128 : 0));
    id >>= 7;
  }
  b[k++] = (uint8_t)nroute;
  memcpy(b + k, route, nroute);
  k += nroute;
  k += expand(c, template, (char *)b + k);
  package(c, 4, b, k);
}

static void ask(client *c) {
  request(c, o.route, o.msg);
  c->sent_at[c->msg_id & id_mask] = due > 0 ? due : now();
  c->in_flight++;
  asked++;
  room_sent[c->room]++;
  want += (uint64_t)(o.clients / o.rooms + (c->room < o.clients % o.rooms));
}

static void fire(client *c) {
  while (c->left && c->in_flight < o.in_flight) {
    ask(c);
    c->left--;
  }
  if (c->nout) flush(c);
}

/* --- bytes in ------------------------------------------------------------------------ */

static int has_500(const uint8_t *p, size_t n) { return memmem(p, n, "\"code\":500", 10) != NULL; }

static void keep_sample(double sent) {
  if (sent > 0 && nsamples < SAMPLES) samples[nsamples++] = (float)(now() - sent);
}

static void answered(client *c, uint32_t id, const uint8_t *p, size_t n) {
  const char *route = c->st == ENTERING ? o.enter : o.route;
  if (has_500(p, n)) {
    if (errors++ < 3) fprintf(stderr, "load: %s answers %.*s\n", route, (int)n, p);
  }
  if (c->st == ENTERING) {
    c->st = READY;
    ready++;
    return;
  }
  if (!strcmp(o.mode, "echo") && answers % sample_every == 0) keep_sample(c->sent_at[id & id_mask]);
  answers++;
  c->in_flight--;
}

/* The time of sending stands behind the first quote and digit of the content. */
static void sample(const uint8_t *p, size_t n) {
  const uint8_t *q = memmem(p, n, "\"content\":\"", 11);
  if (q) keep_sample(strtod((const char *)q + 11, NULL));
}

static void message(client *c, const uint8_t *p, size_t n) {
  int type = n ? (p[0] >> 1) & 7 : -1;
  size_t at = 1;
  uint32_t id = 0;
  if (type == 2) {
    for (int shift = 0; at < n && p[at] & 128; at++, shift += 7)
      id |= (uint32_t)(p[at] & 127) << shift;
    if (at < n) id |= (uint32_t)p[at] << (7 * (at - 1));
    at++;
    if (at < n) answered(c, id, p + at, n - at);
  } else if (type == 3 && n > 2 && (size_t)p[1] + 2 <= n) {
    if (strlen(o.push) != p[1] || memcmp(p + 2, o.push, p[1]) != 0) return;
    c->got++;
    if (deliveries++ % sample_every == 0) sample(p + 2 + p[1], n - 2 - p[1]);
  }
}

static void one_package(client *c, int type, const uint8_t *p, size_t n) {
  if (type == 1 && c->st == SHAKING) {
    const char *beat = memmem(p, n, "\"heartbeat\":", 12);
    c->heartbeat = beat ? (uint32_t)atoi(beat + 12) : 0;
    if (!memmem(p, n, "\"code\":200", 10)) {
      errors++;
      drop(c);
      return;
    }
    package(c, 2, NULL, 0);
    c->st = ENTERING;
    if (o.enter[0]) {
      request(c, o.enter, o.enter_msg);
    } else {
      c->st = READY;
      ready++;
    }
    flush(c);
  } else if (type == 3 && c->heartbeat && c->beat_at == 0) {
    c->beat_at = now() + c->heartbeat;
    beats++;
  } else if (type == 4) {
    message(c, p, n);
  } else if (type == 5) {
    kicks++;
  }
}

static void packages(client *c, const uint8_t *p, size_t n) {
  while (n >= 4 && c->st != DEAD) {
    size_t len = (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (n < 4 + len) return;
    one_package(c, p[0], p + 4, len);
    p += 4 + len;
    n -= 4 + len;
  }
}

/* The size of the first whole frame (or package on TCP), 0 when it is cut; *head: before its
 * payload. */
static size_t first_unit(const uint8_t *p, size_t n, size_t *head) {
  size_t len;
  *head = o.tcp ? 0 : 2;
  if (o.tcp) {
    if (n < 4) return 0;
    len = 4 + ((size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
    return n < len ? 0 : len;
  }
  if (n < 2) return 0;
  len = p[1] & 127;
  if (len == 126) {
    if (n < 4) return 0;
    len = (size_t)p[2] << 8 | p[3];
    *head = 4;
  } else if (len == 127) {
    if (n < 10) return 0;
    len = 0;
    for (int i = 2; i < 10; i++) len = len << 8 | p[i];
    *head = 10;
  }
  return n - *head < len ? 0 : *head + len;
}

static void hello(client *c) {
  static const char text[] = "{\"sys\":{\"type\":\"pomelua-load\",\"version\":\"1\"}}";
  c->st = SHAKING;
  package(c, 1, text, sizeof text - 1);
  flush(c);
}

static size_t upgraded(client *c) {
  const uint8_t *end = memmem(c->in, c->nin, "\r\n\r\n", 4);
  if (!end) return 0;
  size_t used = (size_t)(end + 4 - c->in);
  if (memcmp(c->in, "HTTP/1.1 101", 12) != 0) drop(c);
  else hello(c);
  return used;
}

static void parse(client *c) {
  size_t at = c->st == UPGRADING ? upgraded(c) : 0;
  if (c->st == UPGRADING) return;
  for (size_t head, n; c->st != DEAD && (n = first_unit(c->in + at, c->nin - at, &head));) {
    const uint8_t *u = c->in + at;
    at += n;
    if (!o.tcp && (u[0] & 15) == 8) drop(c);
    else if (o.tcp || (u[0] & 15) < 8) packages(c, u + head, n - head);
  }
  memmove(c->in, c->in + at, c->nin - at);
  c->nin -= at;
}

static void readable(client *c) {
  for (;;) {
    room_for(&c->in, &c->capin, c->nin + 8192);
    size_t space = c->capin - c->nin;
    ssize_t n = recv(c->fd, c->in + c->nin, space, 0);
    if (n <= 0) {
      if (n == 0 || errno != EAGAIN) drop(c);
      return;
    }
    c->nin += (size_t)n;
    parse(c);
    if (c->st == DEAD || (size_t)n < space) return;
  }
}

/* --- the run ----------------------------------------------------------------------------- */

static void connected(client *c) {
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  arm(c, 0);
  if (o.tcp) {
    hello(c);
    return;
  }
  char text[512];
  int n =
    snprintf(text, sizeof text,
             "GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             o.host, o.port);
  c->st = UPGRADING;
  put(c, text, (size_t)n);
  flush(c);
}

static void start(int i) {
  client *c = &clients[i];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o.port)};
  c->id = i;
  c->room = i % o.rooms;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0 || inet_pton(AF_INET, o.host, &to.sin_addr) != 1) {
    perror("load: socket");
    exit(2);
  }
  if (o.clients > PER_SOURCE && !strncmp(o.host, "127.", 4)) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    int one = 1;
    from.sin_addr.s_addr = htonl(0x7f000101u + (uint32_t)(i / PER_SOURCE) * 256u);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(c->fd, (void *)&from, sizeof from) < 0) perror("load: bind");
  }
  struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
  epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e);
  c->st = CONNECTING;
  if (connect(c->fd, (void *)&to, sizeof to) < 0 && errno != EINPROGRESS) drop(c);
}

static void heartbeats(void) {
  static double next;
  double t = now();
  if (!beats || t < next) return;
  next = t + 0.1;
  for (int i = 0; i < o.clients; i++) {
    client *c = &clients[i];
    if (c->beat_at == 0 || c->beat_at > t) continue;
    c->beat_at = 0;
    beats--;
    if (c->st == DEAD || c->st < ENTERING) continue;
    package(c, 3, NULL, 0);
    beats_sent++;
    flush(c);
  }
}

static void turn_for(double seconds) {
  static struct epoll_event ev[1024];
  struct timespec t = {.tv_nsec = seconds > 0 ? (long)(seconds * 1e9) : 0};
  heartbeats();
  int n = epoll_pwait2(epfd, ev, 1024, &t, NULL);
  for (int i = 0; i < n; i++) {
    client *c = ev[i].data.ptr;
    if (c->st == DEAD) continue;
    if (c->st == CONNECTING) {
      if (ev[i].events & (EPOLLERR | EPOLLHUP)) drop(c);
      else if (ev[i].events & EPOLLOUT) connected(c);
      continue;
    }
    if (ev[i].events & EPOLLOUT) flush(c);
    if (c->st != DEAD && ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(c);
  }
}

static void turn(int ms) { turn_for(ms / 1e3); }

static void progress(const char *what, double done, double of, double t0) {
  static double next;
  double t = now();
  if (o.quiet || t < next) return;
  next = t + 0.5;
  double rate = t > t0 ? done / (t - t0) : 0;
  if (what[0] == 's') fprintf(stderr, "\r%.1f %s %.0f (%.0f/s)   ", of, what, done, rate);
  else fprintf(stderr, "\r%s %.0f of %.0f (%.0f/s)   ", what, done, of, rate);
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static double percentile(double p) {
  if (!nsamples) return 0;
  size_t i = (size_t)((double)nsamples * p);
  return (double)samples[i < nsamples ? i : nsamples - 1] * 1e3;
}

static int connect_all(usage *before, usage *after, double *took) {
  int next = 0;
  double t0 = now();
  *before = server_usage();
  while (ready + dead < o.clients && !errors && now() - t0 < (double)o.seconds) {
    while (next < o.clients && next - ready - dead < BATCH) start(next++);
    turn(10);
    progress("connected", ready, o.clients, t0);
  }
  *after = server_usage();
  *took = now() - t0;
  return ready == o.clients;
}

static void report(const char *what, double took, uint64_t done, uint64_t all, usage a, usage b,
                   double cpu) {
  qsort(samples, nsamples, sizeof *samples, by_size);
  double each = done ? (double)done : 1, rate = took > 0 ? (double)done / took : 0;
  if (!o.quiet) fprintf(stderr, "\r%60s\r", "");
  if (o.json) {
    printf("{\"what\":\"%s\",\"done\":%llu,\"want\":%llu,\"seconds\":%.4f,\"rate\":%.1f,", what,
           (unsigned long long)done, (unsigned long long)all, took, rate);
    printf("\"server_us\":%.4f,\"client_us\":%.4f,\"rss\":%.0f,\"rss_before\":%.0f,",
           (b.cpu - a.cpu) * 1e6 / each, cpu * 1e6 / each, b.rss, a.rss);
    printf("\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"quantiles\":[", percentile(.5),
           percentile(.99), percentile(1));
    for (int i = 0; i <= 100; i++) printf("%s%.3f", i ? "," : "", percentile(i / 100.));
    printf("],\"errors\":%llu,\"kicks\":%llu,\"dead\":%d,\"beats\":%llu}\n",
           (unsigned long long)errors, (unsigned long long)kicks, dead,
           (unsigned long long)beats_sent);
    return;
  }
  printf("%s: %llu of %llu in %.2f s = %.0f/s", what, (unsigned long long)done,
         (unsigned long long)all, took, rate);
  if (o.pids)
    printf(", server CPU %.3f us each, memory %.1f MiB", (b.cpu - a.cpu) * 1e6 / each,
           b.rss / 1048576);
  printf(", generator CPU %.3f us each", cpu * 1e6 / each);
  if (nsamples)
    printf(", latency ms p50 %.2f p90 %.2f p99 %.2f p99.9 %.2f max %.2f", percentile(.5),
           percentile(.9), percentile(.99), percentile(.999), percentile(1));
  printf(", errors %llu, kicks %llu, lost %d\n", (unsigned long long)errors,
         (unsigned long long)kicks, dead);
}

static void fire_all(int senders) {
  for (int i = 0; i < senders; i++)
    if (clients[i].st == READY) fire(&clients[i]);
}

/* The requests that are due by now, each from a sender taken at random. */
static void fire_due(int senders, double *next) {
  for (double t = now(); *next <= t && !dead;) {
    client *c = NULL;
    for (int k = 0, at = (int)(random() % senders); k < senders && !c; k++)
      if (clients[(at + k) % senders].in_flight < o.in_flight) c = &clients[(at + k) % senders];
    if (!c) return; /* all wait for answers; what is late counts as latency */
    due = *next;
    ask(c);
    flush(c);
    *next += 2 * (double)random() / RAND_MAX / (double)o.rate;
  }
}

static int senders_of(int fan) {
  int n = fan ? o.rooms : o.clients;
  if (o.senders) n = o.senders;
  return n < o.clients ? n : o.clients;
}

static int run(void) {
  int fan = !strcmp(o.mode, "fan"), senders = senders_of(fan), wrong = 0;
  uint64_t all = 0, *goal = fan ? &want : &asked, *got = fan ? &deliveries : &answers;
  for (int i = 0; i < senders && !o.rate; i++) {
    clients[i].left = o.duration ? UINT32_MAX : (uint32_t)(o.count / senders);
    all += clients[i].left;
  }
  if (o.rate && !o.duration) all = (uint64_t)o.count;
  double c0 = own_cpu(), t0 = now(), next = t0, moved = t0;
  uint64_t had = 0;
  usage a = server_usage();
  for (int more = 1;;) {
    double t = now();
    if (more && (o.duration ? t - t0 >= (double)o.duration : asked >= all)) {
      more = 0;
      for (int i = 0; i < senders; i++) clients[i].left = 0;
    }
    if (dead || t - t0 > (double)(o.seconds + o.duration)) break;
    if (errors && errors >= answers) break; /* nothing else comes: another game */
    if (*got != had) had = *got, moved = t;
    if (!more && answers >= asked && t - moved > SILENCE) break;
    if (!more && answers >= asked && *got >= *goal) break;
    if (more && o.rate) fire_due(senders, &next);
    else fire_all(senders);
    double wait = more && o.rate ? next - now() : 0.05;
    turn_for(wait > 0.05 ? 0.05 : wait);
    if (o.duration) progress(fan ? "s, delivered" : "s, answered", (double)*got, t - t0, t0);
    else progress(fan ? "delivered" : "answered", (double)*got, (double)*goal, t0);
  }
  double took = now() - t0, cpu = own_cpu() - c0;
  usage b = server_usage();
  for (double end = now() + 0.3; now() < end;) turn(20); /* a surplus shows here */
  for (int i = 0; i < o.clients && fan; i++) wrong += clients[i].got != room_sent[clients[i].room];
  report(o.mode, took, *got, *goal, a, b, cpu);
  if (errors && errors >= answers) fputs(OTHER_GAME, stderr);
  else if (fan && !*got && answers)
    fprintf(stderr, "load: %s is answered, but no push %s came: name the game's with --push\n",
            o.route, o.push);
  if (wrong) fprintf(stderr, "load: %d clients did not get every push exactly once\n", wrong);
  return wrong || errors || kicks || dead || answers != asked || *got != *goal;
}

static int sit(usage before) {
  for (double end = now() + (double)o.stay; now() < end;) turn(100);
  usage a = server_usage();
  report("idle", (double)o.stay, (uint64_t)ready, (uint64_t)o.clients, before, a, own_cpu());
  return ready != o.clients || errors || dead;
}

static void usage_text(FILE *f) {
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

static int options(int argc, char **argv) {
  const struct {
    const char *name, **text;
    int *number;
    long *big;
  } table[] = {
    {"--host", &o.host, NULL, NULL},
    {"--mode", &o.mode, NULL, NULL},
    {"--pid", &o.pids, NULL, NULL},
    {"--enter", &o.enter, NULL, NULL},
    {"--enter-message", &o.enter_msg, NULL, NULL},
    {"--route", &o.route, NULL, NULL},
    {"--message", &o.msg, NULL, NULL},
    {"--push", &o.push, NULL, NULL},
    {"--port", NULL, &o.port, NULL},
    {"--clients", NULL, &o.clients, NULL},
    {"--rooms", NULL, &o.rooms, NULL},
    {"--senders", NULL, &o.senders, NULL},
    {"--in-flight", NULL, &o.in_flight, NULL},
    {"--size", NULL, &o.size, NULL},
    {"--count", NULL, NULL, &o.count},
    {"--seconds", NULL, NULL, &o.seconds},
    {"--stay", NULL, NULL, &o.stay},
    {"--rate", NULL, NULL, &o.rate},
    {"--duration", NULL, NULL, &o.duration},
  };
  for (int i = 1; i < argc; i++) {
    size_t k = 0;
    if (!strcmp(argv[i], "--tcp")) o.tcp = 1;
    else if (!strcmp(argv[i], "--json")) o.json = "";
    else if (!strcmp(argv[i], "--quiet")) o.quiet = 1;
    else {
      while (k < sizeof table / sizeof *table && strcmp(table[k].name, argv[i]) != 0) k++;
      if (k == sizeof table / sizeof *table || i + 1 == argc) return -1;
      i++;
      if (table[k].text) *table[k].text = argv[i];
      else if (table[k].number) *table[k].number = atoi(argv[i]);
      else *table[k].big = atol(argv[i]);
    }
  }
  if (!strcmp(o.mode, "echo") && !strcmp(o.route, "chat.chatHandler.send"))
    o.route = "connector.entryHandler.echo";
  return o.clients < 1 || o.rooms < 1 || o.rooms > o.clients || o.in_flight < 1 || o.size < 0 ||
             o.size > 50000 || o.in_flight > 10000 || o.rate < 0 || o.duration < 0 ||
             o.senders < 0 || o.count < 1 || o.port < 1 || o.port > 65535 || o.seconds < 1
           ? -1
           : 0;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") != 0) continue;
    usage_text(stdout);
    return 0;
  }
  if (options(argc, argv) != 0) {
    usage_text(stderr);
    return 2;
  }
  struct rlimit rl = {1 << 20, 1 << 20};
  if (setrlimit(RLIMIT_NOFILE, &rl) != 0 && getrlimit(RLIMIT_NOFILE, &rl) == 0) {
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
  }
  clients = must(calloc((size_t)o.clients, sizeof *clients));
  samples = must(malloc(SAMPLES * sizeof *samples));
  room_sent = must(calloc((size_t)o.rooms, sizeof *room_sent));
  for (id_mask = 1; id_mask < 2 * (uint32_t)o.in_flight;) id_mask *= 2;
  double *sent_at = must(calloc((size_t)o.clients * id_mask, sizeof *sent_at));
  for (int i = 0; i < o.clients; i++) clients[i].sent_at = sent_at + (size_t)i * id_mask;
  id_mask--;
  if (o.rate) sample_every = 1;
  fill = must(calloc(1, (size_t)o.size + 1));
  memset(fill, 'x', o.size > 20 ? (size_t)o.size - 20 : 0);
  epfd = epoll_create1(0);

  usage a, b;
  double took, c0 = own_cpu();
  int all = connect_all(&a, &b, &took);
  report("connect", took, (uint64_t)ready, (uint64_t)o.clients, a, b, own_cpu() - c0);
  fflush(stdout); /* a program that waits for it reads on */
  if (!all && errors) fputs(OTHER_GAME, stderr);
  if (!all) {
    fprintf(stderr, "load: only %d of %d clients got in, %d connections were lost\n", ready,
            o.clients, dead);
    return 1;
  }
  return strcmp(o.mode, "idle") ? run() : sit(a);
}
