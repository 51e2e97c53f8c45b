/* report: the latencies of a run, its progress line, and the line of its result. */
#ifndef PML_TOOLS_LOAD_REPORT_H
#define PML_TOOLS_LOAD_REPORT_H

#include "tools/load/options.h"
#include "tools/load/usage.h"

#include <stdint.h>

#define LOAD_SAMPLES (1u << 20)

/* Latencies in seconds: each of the first LOAD_SAMPLES ones. */
typedef struct {
  float *v; /* owned; room for LOAD_SAMPLES */
  uint32_t n;
} load_samples;

void load_samples_add(load_samples *s, double seconds);

/* What a run brought. */
typedef struct {
  const char *what;                     /* borrowed: its name */
  uint64_t done, want;                  /* connections, deliveries or answers */
  double seconds, cpu;                  /* how long it took; the generator's CPU time */
  load_usage before, after;             /* of the server */
  uint64_t errors, kicks, beats, bytes; /* bytes: that the clients read */
  uint64_t slow_got;                    /* pushes that slow clients got */
  uint32_t on_way; /* the most that one of them still got when no more were sent */
  int dead;        /* lost connections */
} load_result;

/* A line on standard error, twice a second at most: "<what> 5 of 10 (2/s)". */
void load_report_count(const load_options *o, const char *what, double done, double of,
                       double seconds);
/* The same for a run without an end: "12.5 s, <what> 5 (2/s)". */
void load_report_time(const load_options *o, const char *what, double done, double seconds);
/* Sorts s. The line of a result on standard output. */
void load_report(const load_options *o, const load_result *r, load_samples *s);

#endif
