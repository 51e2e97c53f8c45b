/* confined: starts a program under a seccomp filter, as systemd's SystemCallFilter= and containers
 * do, for specs.
 *
 *   confined allow|refuse ERRNO NUMBER,NUMBER,... PROGRAM [ARGUMENT...]
 *
 * allow: all other system calls fail with ERRNO; refuse: these do. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MOST = 4000 };

static struct sock_filter code[MOST];
static unsigned short used;

static void add(struct sock_filter one) {
  if (used < MOST) code[used++] = one;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: confined allow|refuse ERRNO NUMBER,NUMBER,... PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  unsigned fails = SECCOMP_RET_ERRNO | (unsigned)atoi(argv[2]);
  int allow = strcmp(argv[1], "allow") == 0;
  add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  for (char *p = argv[3]; *p; p += *p == ',') {
    unsigned number = (unsigned)strtoul(p, &p, 10);
    add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, allow ? SECCOMP_RET_ALLOW : fails));
    if (*p && *p != ',') return 2;
  }
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, allow ? fails : SECCOMP_RET_ALLOW));
  struct sock_fprog program = {used, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("confined: seccomp");
    return 1;
  }
  execv(argv[4], &argv[4]);
  perror(argv[4]);
  return 127;
}
