/* signals: signals that must not end the process, taken so that children are not affected.
 *
 * An ignored signal stays ignored in every program that a script starts (os.execute, io.popen,
 * a library's fork). A signal with a handler has its default action again after exec. For the
 * same reason no thread that runs scripts blocks signals: a child inherits the mask. */
#ifndef PML_BASE_SIGNALS_H
#define PML_BASE_SIGNALS_H

/* From now on signum does nothing to the process: the system call that caused it fails (SIGPIPE:
 * EPIPE, SIGXFSZ: EFBIG), others go on. A handler that is installed already stays. */
void pml_signal_disarm(int signum);

#endif
