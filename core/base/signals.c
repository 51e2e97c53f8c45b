#include "base/signals.h"

#include <signal.h>
#include <stddef.h>

static void nothing(int signum) { (void)signum; }

void pml_signal_disarm(int signum) {
  struct sigaction sa;
  if (sigaction(signum, NULL, &sa) != 0) return;
  if ((sa.sa_flags & SA_SIGINFO) || (sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN)) return;
  sa = (struct sigaction){.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigemptyset(&sa.sa_mask);
  sigaction(signum, &sa, NULL);
}
