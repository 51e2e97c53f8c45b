/* err: result codes. A C function returns 0 or a negative PML_E…; results come
 * through its last parameters, which are untouched on failure. */
#ifndef PML_BASE_ERR_H
#define PML_BASE_ERR_H

enum {
  PML_OK = 0,
  PML_EAGAIN = -1,   /* more bytes are needed */
  PML_EPROTO = -2,   /* the peer broke the protocol */
  PML_ETOOBIG = -3,  /* longer than the limit */
  PML_EFULL = -4,    /* a queue or a table is at its limit */
  PML_ENOENT = -5,   /* no such thing (server, session, file) */
  PML_EEXIST = -6,   /* there already */
  PML_ECLOSED = -7,  /* closed, or closing */
  PML_ETIMEOUT = -8, /* a deadline passed */
  PML_EINVAL = -9,   /* a wrong argument */
  PML_ENOMEM = -10,  /* out of memory, where a peer chose the size */
  PML_EBOUND = -11,  /* bound already, or bound to another user */
  PML_EIO = -12      /* the system refused; the log says what */
};

/* "PROTO", "FULL", …; never NULL. The same names reach Lua as third result. */
const char *pml_err_name(int err);
/* Why another server did not get a message, or did not answer, for a line of the log: "it did not
 * answer in time". The name for codes that no server causes; never NULL. */
const char *pml_err_reason(int err);

#endif
