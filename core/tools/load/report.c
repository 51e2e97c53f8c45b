#include "tools/load/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVERY_MS 500

typedef unsigned long long ull;

void load_samples_add(load_samples *s, double seconds) {
  if (s->n < LOAD_SAMPLES) s->v[s->n++] = (float)seconds;
}

static int by_size(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* In milliseconds; s is sorted. */
static double percentile(const load_samples *s, double p) {
  if (!s->n) return 0;
  size_t i = (size_t)((double)s->n * p);
  return (double)s->v[i < s->n ? i : s->n - 1] * 1e3;
}

/* Whether another progress line is due. */
static int is_due(const load_options *o) {
  static long long next;
  struct timespec t;
  if (o->quiet) return 0;
  clock_gettime(CLOCK_MONOTONIC, &t);
  long long ms = (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
  if (ms < next) return 0;
  next = ms + EVERY_MS;
  return 1;
}

static double rate_of(double done, double seconds) { return seconds > 0 ? done / seconds : 0; }

void load_report_count(const load_options *o, const char *what, double done, double of,
                       double seconds) {
  if (!is_due(o)) return;
  fprintf(stderr, "\r%s %.0f of %.0f (%.0f/s)   ", what, done, of, rate_of(done, seconds));
}

void load_report_time(const load_options *o, const char *what, double done, double seconds) {
  if (!is_due(o)) return;
  fprintf(stderr, "\r%.1f s, %s %.0f (%.0f/s)   ", seconds, what, done, rate_of(done, seconds));
}

static void print_json(const load_result *r, const load_samples *s, double each) {
  printf("{\"what\":\"%s\",\"done\":%llu,\"want\":%llu,\"seconds\":%.4f,\"rate\":%.1f,", r->what,
         (ull)r->done, (ull)r->want, r->seconds, rate_of((double)r->done, r->seconds));
  printf("\"server_us\":%.4f,\"client_us\":%.4f,\"rss\":%.0f,\"rss_before\":%.0f,",
         (r->after.cpu - r->before.cpu) * 1e6 / each, r->cpu * 1e6 / each, r->after.rss,
         r->before.rss);
  printf("\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"quantiles\":[", percentile(s, .5),
         percentile(s, .99), percentile(s, 1));
  for (int i = 0; i <= 100; i++) printf("%s%.3f", i ? "," : "", percentile(s, i / 100.));
  printf("],\"bytes\":%.1f,", (double)r->bytes / each);
  printf("\"errors\":%llu,\"kicks\":%llu,\"dead\":%d,\"beats\":%llu,\"slow_got\":%llu,\"on_way\":"
         "%u}\n",
         (ull)r->errors, (ull)r->kicks, r->dead, (ull)r->beats, (ull)r->slow_got, r->on_way);
}

static void print_text(const load_options *o, const load_result *r, const load_samples *s,
                       double each) {
  printf("%s: %llu of %llu in %.2f s = %.0f/s", r->what, (ull)r->done, (ull)r->want, r->seconds,
         rate_of((double)r->done, r->seconds));
  if (o->pids)
    printf(", server CPU %.3f us each, memory %.1f MiB",
           (r->after.cpu - r->before.cpu) * 1e6 / each, r->after.rss / 1048576);
  printf(", generator CPU %.3f us each", r->cpu * 1e6 / each);
  if (s->n)
    printf(", latency ms p50 %.2f p90 %.2f p99 %.2f p99.9 %.2f max %.2f", percentile(s, .5),
           percentile(s, .9), percentile(s, .99), percentile(s, .999), percentile(s, 1));
  if (o->slow)
    printf(", slow clients got %llu, at most %u after the last was sent", (ull)r->slow_got,
           r->on_way);
  printf(", errors %llu, kicks %llu, lost %d\n", (ull)r->errors, (ull)r->kicks, r->dead);
}

void load_report(const load_options *o, const load_result *r, load_samples *s) {
  qsort(s->v, s->n, sizeof *s->v, by_size);
  double each = r->done ? (double)r->done : 1;
  if (!o->quiet) fprintf(stderr, "\r%60s\r", "");
  if (o->json) print_json(r, s, each);
  else print_text(o, r, s, each);
}
