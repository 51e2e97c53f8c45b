/* Runs every test, or those whose name holds one of the arguments, each in a
 * process of its own with a minute to finish. After `--part K/N` it runs each
 * Nth of them from the Kth on, so that N runners share the work. */
#include "test/test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 60
#define RUNS 4 /* of a test with bounds of time, at most */

#define T(name) void test_##name(void);
#include "tests.inc"
#undef T

static const struct {
  const char *name;
  void (*run)(void);
} tests[] = {
#define T(name) {#name, test_##name},
#include "tests.inc"
#undef T
};

static int *timed; /* shared with the tests' processes */

void test_has_bounds_of_time(void) { *timed = 1; }

typedef struct room {
  struct room *next;
  char bytes[];
} room;

static room *rooms; /* of this test */

void *test_room(size_t n) {
  room *r = calloc(1, sizeof *r + n);
  if (!r) abort();
  r->next = rooms;
  rooms = r;
  return r->bytes;
}

static int wanted(const char *name, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    if (strstr(name, argv[i])) return 1;
  }
  return argc < 2;
}

/* 0 when it passed; says on stderr how it ended when that is not plain. */
static int run_once(size_t i) {
  pid_t pid = fork();
  if (pid < 0) {
    perror("fork");
    return 1;
  }
  if (pid == 0) {
    alarm(SECONDS); /* a test that hangs is a test that failed */
    tests[i].run();
    exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return 1;
  if (WIFSIGNALED(status)) {
    fprintf(stderr, "%s: %s\n", tests[i].name, strsignal(WTERMSIG(status)));
  }
  return status != 0;
}

static int run(size_t i) {
  int bad = 0;
  *timed = 0;
  for (int n = 0; n < RUNS; n++) {
    bad = run_once(i);
    if (!bad || !*timed) return bad;
    fprintf(stderr, "%s: a bound of time did not hold, run %d\n", tests[i].name, n + 1);
  }
  return bad;
}

int main(int argc, char **argv) {
  int passed = 0, failed = 0;
  unsigned part = 1, parts = 1, mine = 0;
  if (argc > 2 && !strcmp(argv[1], "--part")) {
    if (sscanf(argv[2], "%u/%u", &part, &parts) != 2 || part < 1 || part > parts) return 2;
    argc -= 2;
    argv += 2;
  }
  timed = mmap(NULL, sizeof *timed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (timed == MAP_FAILED) return 1;
  setbuf(stdout, NULL); /* else a child would print the parent's lines again */
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    if (!wanted(tests[i].name, argc, argv) || mine++ % parts != part - 1) continue;
    int bad = run(i);
    if (bad) failed++;
    else passed++;
    printf("%s %d - %s\n", bad ? "not ok" : "ok", passed + failed, tests[i].name);
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed || (!passed && parts == 1);
}
