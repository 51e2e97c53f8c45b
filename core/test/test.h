/* test: one test is one process, see runner.c. A test may leave memory behind
 * only where AddressSanitizer would not mind. */
#ifndef PML_TEST_TEST_H
#define PML_TEST_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEST(name) void test_##name(void)

/* For a test that checks how long something takes, or must act in time: other programs may hold it
 * up, so it is run again when it fails, a few times. What it checks is that the product can. */
void test_has_bounds_of_time(void);

/* n bytes of 0, borrowed until the test ends, for what is large. A static array of that size is
 * looked through for pointers at the end of every test, where leaks are looked for. */
void *test_room(size_t n);

#define CHECK(x) \
  do { \
    if (!(x)) { \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); \
      exit(1); \
    } \
  } while (0)

#define CHECK_EQ(a, b) \
  do { \
    long long a_ = (long long)(a), b_ = (long long)(b); \
    if (a_ != b_) { \
      fprintf(stderr, "%s:%d: %s is %lld, %s is %lld\n", __FILE__, __LINE__, #a, a_, #b, b_); \
      exit(1); \
    } \
  } while (0)

/* Two strings; a may be NULL, which is no string. */
#define CHECK_STR(a, b) \
  do { \
    const char *check_a = (a), *check_b = (b); \
    if (check_a && strcmp(check_a, check_b) == 0) break; \
    fprintf(stderr, "%s:%d: \"%s\" != \"%s\"\n", __FILE__, __LINE__, check_a ? check_a : "NULL", \
            check_b); \
    exit(1); \
  } while (0)

/* The n bytes at p are the text s. */
#define CHECK_BYTES(p, n, s) \
  do { \
    const char *s_ = (s); \
    const char *p_ = (const char *)(p); \
    size_t n_ = (n); \
    if (n_ != strlen(s_) || (n_ && memcmp(p_, s_, n_) != 0)) { \
      fprintf(stderr, "%s:%d: %s is \"%.*s\", not \"%s\"\n", __FILE__, __LINE__, #p, (int)n_, \
              n_ ? p_ : "", s_); \
      exit(1); \
    } \
  } while (0)

/* The n bytes at p are what the hex digits say. */
static inline int test_hex_eq(const void *p, size_t n, const char *hex) {
  const unsigned char *b = p;
  char two[3];
  if (strlen(hex) != 2 * n) return 0;
  for (size_t i = 0; i < n; i++) {
    snprintf(two, sizeof two, "%02x", b[i]);
    if (memcmp(two, hex + 2 * i, 2) != 0) return 0;
  }
  return 1;
}

/* Turns lower-case hex digits into bytes; out has room. Returns their number. */
static inline size_t test_unhex(const char *hex, uint8_t *out) {
  size_t n = 0;
  for (; hex[2 * n]; n++) {
    unsigned v = 0;
    sscanf(hex + 2 * n, "%2x", &v);
    out[n] = (uint8_t)v;
  }
  return n;
}

#endif
