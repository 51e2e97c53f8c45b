#include "test/fake_script.h"

#include "test/test.h"

#include <stdarg.h>

static void line(fake_script *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(fake_script *f, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  int k = vsnprintf(f->text + f->n, sizeof f->text - f->n, format, ap);
  va_end(ap);
  CHECK(k >= 0 && f->n + (size_t)k + 2 < sizeof f->text);
  f->n += (size_t)k;
  f->text[f->n++] = '\n';
  f->text[f->n] = '\0';
  f->calls++;
}

#define S(s) (int)(s).n, (s).n ? (const char *)(s).p : ""
#define U(u) (int)((u).s ? (u).n : 1), (u).s ? (u).s : "-"

static void on_message(void *ud, pml_id request, const pml_session *s, const pml_message_view *m) {
  fake_script *f = ud;
  f->request = request;
  f->session = s->id;
  line(f, "message %s uid=%.*s type=%u id=%u route=%.*s body=%.*s", request ? "request" : "notify",
       U(s->uid), m->type, m->id, S(m->route), S(m->body));
}

static void on_forwarded(void *ud, pml_id request, const pml_envelope *env, pml_slice body) {
  fake_script *f = ud;
  f->request = request;
  line(f, "forwarded %s from=%.*s uid=%.*s type=%u id=%u route=%.*s settings=%.*s body=%.*s",
       request ? "request" : "notify", S(env->from), U(env->uid), env->msg_type, env->msg_id,
       S(env->route), S(env->settings), S(body));
}

static void on_returned(void *ud, pml_id request, int status, pml_slice text) {
  fake_script *f = ud;
  f->request = request;
  line(f, "returned %d %.*s", status, S(text));
}

static void on_call(void *ud, pml_id call, const pml_envelope *env, pml_slice args) {
  fake_script *f = ud;
  f->call = call;
  line(f, "call %s from=%.*s name=%.*s args=%.*s", call ? "wanted" : "told", S(env->from),
       S(env->route), S(args));
}

static void on_answered(void *ud, pml_id call, int status, pml_slice text) {
  fake_script *f = ud;
  f->call = call;
  line(f, "answered %d %.*s", status, S(text));
}

static void on_member(void *ud, const pml_member_event *e) {
  static const char *const changes[] = {"made", "joined", "again", "tied",
                                        "left", "pushed", "gone",  "after"};
  line(ud, "member %s %.*s uid=%.*s sid=%s why=%d%s", changes[e->change], S(e->name), U(e->uid),
       e->sid ? e->sid : "-", e->why, e->restored ? " restored" : "");
}

static void on_pushed(void *ud, pml_id push, const char *message, pml_slice fails) {
  fake_script *f = ud;
  char list[1024] = "";
  size_t n = 0;
  pml_uid uid;
  f->push = push;
  while (pml_uids_next(&fails, &uid) > 0)
    n += (size_t)snprintf(list + n, sizeof list - n, " %.*s", U(uid));
  line(f, "pushed %s fails:%s", message ? message : "good", list);
}

static void on_handshake(void *ud, pml_id session, pml_slice body) {
  fake_script *f = ud;
  f->session = session;
  line(f, "handshake %.*s", S(body));
}

static void on_route(void *ud, pml_id pending, pml_slice type, const pml_session *s,
                     const pml_message_view *m) {
  fake_script *f = ud;
  f->pending = pending;
  f->session = s->id;
  line(f, "route type=%.*s id=%u route=%.*s body=%.*s", S(type), m->id, S(m->route), S(m->body));
}

static void on_closed(void *ud, const pml_session *s, const pml_close_reason *why) {
  fake_script *f = ud;
  pml_slice settings = pml_buf_slice(s->settings);
  f->session = s->id;
  if (why->kind == PML_CLOSE_TEXT)
    line(f, "closed uid=%.*s settings=%.*s %.*s", U(s->uid), S(settings), S(why->text));
  else
    line(f, "closed uid=%.*s settings=%.*s %s %d", U(s->uid), S(settings),
         why->kind == PML_CLOSE_NIL    ? "nil"
         : why->kind == PML_CLOSE_CODE ? "code"
                                       : "flag",
         why->code);
}

static void on_line(void *ud, const pml_session *s, int back) {
  fake_script *f = ud;
  f->session = s->id;
  line(f, "%s uid=%.*s", back ? "resumed" : "lost", U(s->uid));
}

static void on_timer(void *ud, pml_id timer) {
  fake_script *f = ud;
  f->timer = timer;
  line(f, "timer");
}

static int filter(void *ud, const pml_session *s, pml_slice message, pml_slice param) {
  fake_script *f = ud;
  f->session = s->id;
  line(f, "filter uid=%.*s bytes=%zu param=%.*s", U(s->uid), message.n, S(param));
  return f->keep;
}

void fake_script_set(fake_script *f, pml_node *n) {
  *f = (fake_script){.keep = 1};
  pml_script s = {
    .on_message = on_message,
    .on_forwarded = on_forwarded,
    .on_returned = on_returned,
    .on_call = on_call,
    .on_answered = on_answered,
    .on_pushed = on_pushed,
    .on_handshake = on_handshake,
    .on_route = on_route,
    .on_closed = on_closed,
    .on_line = on_line,
    .on_timer = on_timer,
    .on_member = on_member,
    .filter = filter,
    .ud = f,
  };
  pml_node_set_script(n, &s);
}

void fake_script_expect(fake_script *f, const char *lines) {
  CHECK_BYTES(f->text, f->n, lines);
  f->n = 0;
  f->text[0] = '\0';
}
