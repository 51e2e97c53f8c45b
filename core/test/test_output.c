#include "base/output.h"

#include "base/clock.h"
#include "test/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static pml_buf *lost(uint64_t lines, void *ud) {
  char text[64];
  int k =
    snprintf(text, sizeof text, "%s: %llu lost\n", (const char *)ud, (unsigned long long)lines);
  return pml_buf_from(text, (size_t)k);
}

typedef struct {
  int in, out;
  pml_output *o;
} pipe_output;

static pipe_output begin(size_t limit, int flags) {
  int ends[2];
  static char word[] = "log";
  CHECK_EQ(pipe2(ends, 0), 0);
  fcntl(ends[1], F_SETFL, fcntl(ends[1], F_GETFL) | flags);
  signal(SIGPIPE, SIG_IGN);
  pml_output_options o = {ends[1], limit, lost, word};
  return (pipe_output){ends[0], ends[1], pml_output_new(&o)};
}

/* A line: its number, and letters up to n bytes. */
static void say(pml_output *o, int number, size_t n) {
  pml_buf *b = pml_buf_new(n);
  char head[16];
  int k = snprintf(head, sizeof head, "%06d ", number);
  memset(b->data, 'x', n);
  memcpy(b->data, head, (size_t)k);
  b->data[n - 1] = '\n';
  pml_output_put(o, b);
}

/* Reads until the writers have gone; every line must be whole, in order, or tell of lost ones.
 * Returns how many there are of the first sort. */
static int read_all(int fd, size_t n, int *told) {
  const size_t room = (size_t)16 << 20;
  char *text = test_room(room);
  size_t have = 0;
  ssize_t k;
  int lines = 0, last = -1, number;
  while ((k = read(fd, text + have, room - have)) > 0) have += (size_t)k;
  *told = 0;
  for (char *p = text, *end; p < text + have; p = end + 1) {
    end = memchr(p, '\n', (size_t)(text + have - p));
    CHECK(end != NULL);
    if (!end) break;
    if (sscanf(p, "log: %d lost", &number) == 1) {
      *told += number;
    } else {
      CHECK_EQ((size_t)(end - p) + 1, n);
      CHECK_EQ(sscanf(p, "%d x", &number), 1);
      CHECK(number > last);
      last = number;
      lines++;
    }
  }
  return lines;
}

TEST(output_writes_whole_lines_in_order_to_whoever_reads) {
  for (int flags = 0; flags < 2; flags++) {
    int told;
    pipe_output p = begin(32 << 20, flags ? O_NONBLOCK : 0);
    pid_t child = fork();
    if (child == 0) {
      close(p.out);
      usleep(20000); /* a reader that comes late */
      _exit(read_all(p.in, 6000, &told) == 400 && !told ? 0 : 1);
    }
    for (int i = 0; i < 400; i++) say(p.o, i, 6000); /* forty pipes full */
    CHECK_EQ(pml_output_flush(p.o, 4000), 1);
    CHECK_EQ(pml_output_lost(p.o), 0);
    pml_output_free(p.o, 4000);
    close(p.out);
    close(p.in);
    int status;
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
  }
}

TEST(output_never_waits_and_tells_what_it_lost_in_its_place) {
  test_has_bounds_of_time();
  for (size_t size = 100; size <= 6000; size += 5900) {
    int told, n = (int)((16 << 20) / size);
    uint64_t before = pml_clock_ms();
    pipe_output p = begin(1 << 20, O_NONBLOCK);
    for (int i = 0; i < n; i++) say(p.o, i, size);
    CHECK(pml_clock_ms() - before < 2000);
    CHECK(pml_output_lost(p.o) > 0);
    pml_output_free(p.o, 1000); /* nobody has read: what fits is there, and what does not is told */
    fcntl(p.out, F_SETFL, 0);
    close(p.out);
    int lines = read_all(p.in, size, &told);
    CHECK_EQ(lines + told, n);
    CHECK(told > 0);
    close(p.in);
  }
}

TEST(output_outlives_who_read_it) {
  pipe_output p = begin(1 << 20, 0);
  close(p.in);
  for (int i = 0; i < 100; i++) say(p.o, i, 100);
  CHECK_EQ(pml_output_flush(p.o, 4000), 1);
  CHECK_EQ(pml_output_lost(p.o), 100);
  pml_output_free(p.o, 1000);
  close(p.out);
}

TEST(output_tells_again_what_a_lost_line_told) {
  char text[64] = "";
  int in, told;
  pipe_output p = begin(1 << 20, 0);
  close(p.in);
  for (int i = 0; i < 3; i++) { /* from the second on there is a line about those before, too */
    say(p.o, i, 100);
    CHECK_EQ(pml_output_flush(p.o, 4000), 1);
    CHECK_EQ(pml_output_lost(p.o), i + 1);
  }
  snprintf(text, sizeof text, "/proc/self/fd/%d", p.out);
  in = open(text, O_RDONLY | O_NONBLOCK); /* a new reader of the same pipe */
  CHECK(in >= 0);
  fcntl(in, F_SETFL, 0);
  say(p.o, 3, 100);
  pml_output_free(p.o, 4000);
  close(p.out);
  CHECK_EQ(read_all(in, 100, &told), 1);
  CHECK_EQ(told, 3);
  close(in);
}

TEST(output_finds_room_for_the_last_line) {
  pipe_output p = begin(8 << 10, 0);
  for (int i = 0; i < 2000; i++) say(p.o, i, 100);
  pml_buf *b = pml_buf_new(100);
  memset(b->data, 'x', 100);
  memcpy(b->data, "777777 ", 7);
  b->data[99] = '\n';
  pml_output_put_last(p.o, b);
  CHECK_EQ(pml_output_flush(p.o, 2000), 1);
  pml_output_free(p.o, 1000);
  close(p.out);
  const size_t room = (size_t)1 << 20;
  char *text = test_room(room);
  ssize_t n = 0, k;
  while ((k = read(p.in, text + n, room - 1 - (size_t)n)) > 0) n += k;
  CHECK(strstr(text, "777777 x") != NULL);
  close(p.in);
}

TEST(output_of_a_forked_process_is_written_at_once) {
  char text[300];
  pipe_output p = begin(1 << 20, 0);
  pid_t child = fork();
  if (child == 0) {
    say(p.o, 1, 100);
    pml_output_flush(p.o, 1000);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  CHECK_EQ(status, 0);
  CHECK_EQ(read(p.in, text, sizeof text), 100);
  pml_output_free(p.o, 1000);
  pml_output_free(NULL, 0);
  close(p.in);
  close(p.out);
}

TEST(output_write_gives_up_on_who_does_not_read) {
  test_has_bounds_of_time();
  const size_t room = (size_t)1 << 20;
  char *text = test_room(room);
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  uint64_t before = pml_clock_ms();
  CHECK_EQ(pml_output_write(ends[1], text, room, 50), 0);
  CHECK(pml_clock_ms() - before < 2000);
  close(ends[0]);
  CHECK_EQ(pml_output_write(open("/dev/null", O_WRONLY), text, room, 50), 1);
}

TEST(output_goes_on_into_the_descriptor_that_takes_the_place) {
  int first[2], second[2];
  char text[300];
  CHECK_EQ(pipe2(first, 0), 0);
  CHECK_EQ(pipe2(second, 0), 0);
  pml_output_options o = {.fd = first[1], .limit = 1 << 20};
  pml_output *out = pml_output_new(&o);
  pml_output_own(out);
  say(out, 1, 100);
  CHECK(pml_output_flush(out, 1000));
  pml_output_reopen(out, open("/dev/null", O_WRONLY)); /* nothing is written between the two */
  pml_output_reopen(out, second[1]);
  say(out, 2, 100);
  CHECK(pml_output_flush(out, 1000));
  CHECK_EQ(read(first[0], text, sizeof text), 100);
  CHECK_EQ(read(first[0], text, sizeof text), 0); /* it is closed */
  CHECK_EQ(read(second[0], text, sizeof text), 100);
  CHECK(memcmp(text, "000002 ", 7) == 0);
  pml_output_free(out, 1000);
  CHECK_EQ(read(second[0], text, sizeof text), 0);
  close(first[0]);
  close(second[0]);
}
