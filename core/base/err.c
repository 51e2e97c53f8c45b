#include "base/err.h"

#include <stddef.h>

const char *pml_err_name(int err) {
  static const char *const names[] = {
    "OK",     "AGAIN",   "PROTO", "TOOBIG", "FULL",  "NOENT", "EXIST",
    "CLOSED", "TIMEOUT", "INVAL", "NOMEM",  "BOUND", "IO",
  };
  size_t i = (size_t)(-(long)err);
  return err <= 0 && i < sizeof names / sizeof *names ? names[i] : "UNKNOWN";
}
