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

const char *pml_err_reason(int err) {
  switch (err) {
  case PML_ETOOBIG: return "the message is too large";
  case PML_EFULL: return "too many messages wait for it";
  case PML_ENOENT: return "it is not there";
  case PML_ECLOSED: return "it has stopped";
  case PML_ETIMEOUT: return "it did not answer in time";
  default: return pml_err_name(err);
  }
}
