#include "wire/bus_mail.h"

#include "base/bigendian.h"
#include "base/err.h"

static int is_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

int pml_bus_is_process(const char *s) {
  size_t n = 0;
  while (is_digit(s[n])) n++;
  return n == PML_PROCESS_DIGITS && !s[n];
}

void pml_bus_mail_put(pml_writer *w, const pml_bus_mail *m) {
  uint8_t *p = pml_writer_more(w, PML_BUS_MAIL_HEAD);
  memcpy(p, m->process, PML_PROCESS_DIGITS);
  pml_put64(p + PML_PROCESS_DIGITS, m->number);
  p[PML_BUS_MAIL_HEAD - 1] = m->flags;
  pml_writer_put(w, m->text.p, m->text.n);
}

int pml_bus_mail_read(pml_slice in, pml_bus_mail *out) {
  if (in.n < PML_BUS_MAIL_HEAD) return PML_EPROTO;
  pml_bus_mail m = {.flags = in.p[PML_BUS_MAIL_HEAD - 1]};
  memcpy(m.process, in.p, PML_PROCESS_DIGITS);
  if (!pml_bus_is_process(m.process) || m.flags & ~(PML_MAIL_LAST | PML_MAIL_MORE))
    return PML_EPROTO;
  m.number = pml_get64(in.p + PML_PROCESS_DIGITS);
  m.text = pml_slice_of(in.p + PML_BUS_MAIL_HEAD, in.n - PML_BUS_MAIL_HEAD);
  *out = m;
  return 0;
}
