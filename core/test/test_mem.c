#include "base/mem.h"
#include "test/test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(mem_gives_what_was_asked_for) {
  char *p = pml_alloc0(1000);
  for (int i = 0; i < 1000; i++) CHECK_EQ(p[i], 0);
  memset(p, 'x', 1000);
  p = pml_realloc(p, 100000);
  CHECK(p[0] == 'x' && p[999] == 'x');
  pml_free(p);
  pml_free(NULL);
  pml_free(pml_alloc(0));
}

TEST(mem_copies_texts) {
  char *a = pml_strdup("abc"), *b = pml_strndup("abc", 2), *c = pml_strndup("a\0c", 3);
  CHECK(strcmp(a, "abc") == 0);
  CHECK(strcmp(b, "ab") == 0);
  CHECK(memcmp(c, "a\0c", 4) == 0);
  pml_free(a);
  pml_free(b);
  pml_free(c);
}

/* A size that no allocator gives, and that no compiler sees through. */
static size_t huge(void) {
  volatile size_t n = SIZE_MAX / 4;
  return n;
}

TEST(mem_that_is_not_there_ends_the_program_or_is_null) {
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ /* it ends the program itself */
  CHECK(pml_try_alloc(huge()) == NULL);
#endif
  pid_t pid = fork();
  if (pid == 0) {
    fclose(stderr);
    pml_free(pml_alloc(huge()));
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(status != 0);
}

TEST(mem_goes_back_to_the_system) {
  for (int i = 0; i < 2; i++) {
    char *p = pml_alloc(1 << 20);
    memset(p, i, 1 << 20);
    pml_free(p);
    if (i) pml_mem_trim_all();
    else pml_mem_trim();
  }
}

static void *trim_with_others(void *barrier) {
  pthread_barrier_wait(barrier);
  pml_mem_trim_all();
  return NULL;
}

TEST(mem_goes_back_from_several_threads_at_once) {
  pthread_barrier_t barrier;
  pthread_t threads[4];
  pthread_barrier_init(&barrier, NULL, 4);
  for (int i = 0; i < 4; i++)
    CHECK_EQ(pthread_create(&threads[i], NULL, trim_with_others, &barrier), 0);
  for (int i = 0; i < 4; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
  pthread_barrier_destroy(&barrier);
}
