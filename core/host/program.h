/* program: the servers of an app as threads of this process, started in step,
 * stopped in order.
 *
 *   load all → claim their ids → join the hub → start (listen) all → "ready" → … → stop all
 *   (ladder) → end
 *
 * SIGTERM and SIGINT stop it in order, with a deadline; a second one ends it at
 * once. When something had to be cut, the log names it and the status is not 0. A server that fails
 * to listen ends the program with its one line and status 1; one that fails to load, for which
 * another start is no cure, with PML_EXIT_CONFIG. */
#ifndef PML_HOST_PROGRAM_H
#define PML_HOST_PROGRAM_H

#include "base/log.h"
#include "base/log_files.h"
#include "bus/bus.h"
#include "host/member.h"
#include "host/web.h"

typedef struct pml_program pml_program;

/* What the operator asks for over the control socket is answered on the main thread, by
 * functions of this struct; all may be NULL. Texts are borrowed. */
typedef struct {
  void (*on_line)(pml_program *p, pml_id client, pml_slice line, void *ud); /* a line from a tool */
  void (*on_gone)(pml_program *p, pml_id client, void *ud);                 /* the tool went */
  /* A server's answer to pml_program_tell; text NULL: the server ended before it. */
  void (*on_told)(pml_program *p, pml_id call, const char *text, void *ud);
  /* A server is up (also at the start), or it has ended; text NULL, or what went wrong, or what
   * had to be cut when it stopped.
   * Called when its thread is gone, so that another of its id can start. Non-zero: the program
   * goes on even when no server is left. */
  int (*on_server)(pml_program *p, const char *id, int up, const char *text, void *ud);
  /* A server asks for something (pml_member_wish); answered by pml_program_tell. */
  void (*on_wish)(pml_program *p, const char *server, pml_id number, const char *text, void *ud);
  void (*on_hup)(pml_program *p, void *ud);  /* SIGHUP */
  void (*on_wake)(pml_program *p, void *ud); /* what pml_program_wake asked for */
  /* What other processes hear of a server here (pml_member_info). */
  void (*on_info)(pml_program *p, const char *id, const char *json, void *ud);
  /* With a bus. A server of another process came, stops or went. */
  void (*on_remote)(pml_program *p, const pml_bus_server *s, pml_bus_state state, void *ud);
  /* Another life has the id of a server here, which is to be stopped; NULL: the program stops it.
   */
  void (*on_superseded)(pml_program *p, const char *id, const pml_bus_server *by, void *ud);
  /* All servers have ended; the last chance to answer a tool. */
  void (*on_end)(pml_program *p, int status, void *ud);
  /* Another program or a tool asks over the bus; answered by pml_program_answer_bus. */
  void (*on_question)(pml_program *p, pml_id question, const char *process, pml_slice text,
                      void *ud);
  /* A line of an answer to pml_program_ask_bus; text NULL: the end, and late is how many of those
   * that were asked have not answered. */
  void (*on_answered)(pml_program *p, pml_id call, const char *process, const char *text,
                      size_t late, void *ud);
} pml_program_control;

typedef struct {
  const pml_member_spec *servers;
  size_t count;
  pml_level level;
  int json;
  pml_output *output;       /* of the log; borrowed; NULL: lines are written at once */
  pml_output *said;         /* through which `say` writes; borrowed; NULL: at once */
  const pml_log_way *way;   /* of the log; borrowed; NULL: standard error alone */
  pml_log_files *log_files; /* borrowed; NULL: there are none. SIGUSR1 opens them anew */
  /* Runs on the server's thread: makes its scripts and sets them at the node. 0, or
   * negative with one line in err (returned owned). *state is passed to unload. */
  int (*load)(pml_node *n, pml_member *m, const char *boot, void **state, char **err, void *ud);
  /* On the server's thread, after its node stopped and before it is freed. */
  void (*unload)(void *state, void *ud);
  /* On the main thread, for one line of standard output at a time. */
  void (*say)(const char *line, void *ud);
  void *ud;
  const pml_web_options *web; /* borrowed; NULL: no page server */
  /* Borrowed; NULL: the program is the whole app. Otherwise its servers meet those of other
   * processes, and pml_program_all_up says when all servers of the app have been up once. */
  const pml_bus_options *bus;
  const char *notices;      /* warnings for the log, one a line; may be NULL */
  const char *news;         /* the same, of the level info: what was done before the start */
  const char *control_path; /* NULL: no control socket; a warning when it cannot be opened */
  pml_program_control control;
  /* Inside of another program: no signal is taken, and files may be as few as they are. */
  int embedded;
  /* From the thread of pml_program_run: p, which pml_program_ask_stop may be told from now on,
   * and NULL before it is gone. May be NULL. */
  void (*on_run)(pml_program *p, void *ud);
  /* From any thread, instead of standard error; server "" for the program itself. */
  void (*on_log)(const char *server, pml_level level, const char *text, void *ud);
} pml_program_options;

/* Runs until the end; returns the exit status. */
int pml_program_run(const pml_program_options *o);

/* From any thread while p lives: stops it in order, as SIGTERM does. */
void pml_program_ask_stop(pml_program *p);

/* On the main thread, from the functions of pml_program_control. */

/* Asks a server's scripts (stage control). PML_ENOENT: there is no such server now. on_told comes
 * later. */
int pml_program_tell(pml_program *p, const char *server, pml_id call, const char *text);
/* Answers a tool. */
void pml_program_write(pml_program *p, pml_id client, pml_slice text);
/* The user and the process behind a tool. PML_ENOENT: it is gone. */
int pml_program_peer(pml_program *p, pml_id client, uint32_t *uid, uint32_t *pid);
/* on_wake comes once, after ms; replaces what was asked for before. */
void pml_program_wake(pml_program *p, uint32_t ms);
/* How many servers there are, and how many of them are up, for GET /health. Does nothing without a
 * page server. */
void pml_program_set_health(pml_program *p, unsigned up, unsigned servers);
/* Reads the page server's certificate again, as pml_web_renew; 0 without a page server. */
int pml_program_renew(pml_program *p, char *err, size_t nerr);
/* Calls fn for each counter of the page server, when there is one. */
void pml_program_web_counts(pml_program *p, void (*fn)(const char *name, uint64_t n, void *ud),
                            void *ud);
/* A reload begins, or ends: for the service manager. */
void pml_program_reloading(pml_program *p, int begins);
/* The program's own log. Borrowed. */
const pml_log *pml_program_log(const pml_program *p);
/* With a bus: all servers of the app have been up once. What its own servers do then, they do now,
 * and servers that start later do it when they are up. */
void pml_program_all_up(pml_program *p);
/* NULL without one. Borrowed; claims, announcements and its end are the program's own. */
pml_bus *pml_program_bus(const pml_program *p);
/* Stops the program in order, as SIGTERM does. */
void pml_program_stop(pml_program *p);
/* Stops one server: in order, or (now) without asking its scripts. PML_ENOENT. on_server comes
 * later. */
int pml_program_stop_server(pml_program *p, const char *server, int now);
/* Starts one more server. Copies. PML_EEXIST; PML_EIO: no thread. on_server comes later. */
int pml_program_start_server(pml_program *p, const pml_member_spec *server);

#endif
