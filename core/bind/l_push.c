#include "bind/l_push.h"

#include "base/err.h"
#include "base/mem.h"
#include "bind/node_methods.h"
#include "bind/push_options.h"
#include "node/forms.h"
#include "node/push.h"
#include "script/call.h"
#include "script/json.h"
#include "script/values.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/package.h"

#include <string.h>

/* One push of a script: where its arguments are on the stack, and its options. */
typedef struct {
  lua_State *L;
  pml_lua *lua;
  const char *what; /* "channel:pushMessage", for messages */
  pml_push_options options;
  int route, msg, opts, cb;
  int except, param; /* indices of opts.except and opts.filterParam */
  int takes;         /* EXCEPT, OF_ALL: the options that this push has beside the delivery */
  int returns;       /* an error is returned, and nobody is told */
  const char *error; /* why there is nothing to send, and its name */
  const char *name;
  char text[256]; /* room for it */
} job;

enum { EXCEPT = 1, OF_ALL = 2 }; /* opts.except; opts.binded and opts.filterParam */

/* --- what a push comes to ------------------------------------------------------------ */

/* Tells the function of node:onPush: message NULL: sent, and acknowledged later with the number
 * `push`, or, with 0, nobody has to acknowledge it. Nobody wants to hear that a push without a
 * callback was sent. */
static int tell(const job *j, pml_id push, const char *message, const char *name) {
  lua_State *L = j->L;
  char *err = NULL;
  if (j->returns && message) {
    lua_pushstring(L, message);
    return pml_lua_fail_name(L, name, lua_tostring(L, -1));
  }
  if (!message && lua_isnil(L, j->cb)) return 0;
  pml_anchor_push(L, &j->lua->env);
  lua_rawgeti(L, -1, 2);
  lua_pushstring(L, j->what);
  lua_pushvalue(L, j->cb);
  if (message) lua_pushnil(L);
  else if (push) lua_pushnumber(L, (lua_Number)push);
  else lua_pushboolean(L, 1);
  lua_pushstring(L, message); /* NULL pushes nil */
  lua_pushstring(L, name);
  if (pml_lua_try(L, 5, 0, &err) == 0) return 0;
  lua_pushstring(L, err);
  pml_free(err);
  return lua_error(L);
}

/* An argument is wrong. Returns 0. */
static int refuse(const job *j, const char *text, const char *got) {
  lua_State *L = j->L;
  const char *message = got ? lua_pushfstring(L, "%s: %s, got %s", j->what, text, got) : text;
  tell(j, 0, message, "INVAL");
  return 0;
}

static int sent(const job *j, int rc, pml_id push) {
  if (!rc) return tell(j, push, NULL, NULL);
  return tell(j, 0, "too many pushes wait for their acknowledgement", pml_err_name(rc));
}

static uint32_t ms_of(const job *j) {
  return lua_isnil(j->L, j->cb) ? 0 : pml_node_config(j->lua->node)->push_ms;
}

/* --- arguments ------------------------------------------------------------------------ */

/* The last of the arguments are (route, msg, …, opts, cb), from index `route` on. A message in the
 * place of the route has it in a field; a callback may stand in the place of opts. */
static job begin(lua_State *L, pml_lua *lua, const char *what, int route, int last) {
  job j = {.L = L, .lua = lua, .what = what, .route = route, .msg = route + 1, .opts = last - 1};
  j.options = (pml_push_options){.what = what, .level = 1};
  j.takes = EXCEPT;
  j.cb = last;
  if (!lua->node) luaL_error(L, "this node is closed");
  lua_settop(L, last);
  if (lua_type(L, route) == LUA_TTABLE) {
    pml_lua_field(L, route, "route");
    lua_insert(L, route);
    lua_settop(L, last);
  }
  if (lua_type(L, j.opts) == LUA_TFUNCTION) {
    lua_pushvalue(L, j.opts);
    lua_replace(L, j.cb);
    lua_pushnil(L);
    lua_replace(L, j.opts);
  }
  int kind = lua_type(L, j.cb);
  if (kind == LUA_TLIGHTUSERDATA && !lua_touserdata(L, j.cb)) {
    lua_pushnil(L);
    lua_replace(L, j.cb);
  } else if (kind != LUA_TNIL && kind != LUA_TFUNCTION) {
    luaL_error(L, "%s: the callback must be a function, got %s", what, lua_typename(L, kind));
  }
  return j;
}

/* Whether a message is what JavaScript takes for nothing. */
static int is_empty(lua_State *L, int msg) {
  switch (lua_type(L, msg)) {
  case LUA_TNIL: return 1;
  case LUA_TBOOLEAN: return !lua_toboolean(L, msg);
  case LUA_TNUMBER: return lua_tonumber(L, msg) == 0;
  case LUA_TSTRING: return lua_objlen(L, msg) == 0;
  case LUA_TLIGHTUSERDATA: return !lua_touserdata(L, msg);
  default: return 0;
  }
}

/* Pushes opts.except and opts.filterParam, and reads the others. */
static void read_options(job *j) {
  lua_State *L = j->L;
  size_t n;
  const char *route = lua_tolstring(L, j->route, &n);
  j->except = j->cb + 1;
  j->param = j->cb + 2;
  if (lua_isnil(L, j->opts)) lua_settop(L, j->param);
  else pml_lua_push_options(L, j->lua, j->opts, pml_slice_of(route, n), &j->options);
}

/* Warns of options that other pushes have. */
static void warn_of_options(const job *j) {
  lua_State *L = j->L;
  const char *idle = NULL;
  if (!(j->takes & OF_ALL) && !lua_isnil(L, j->param)) idle = "filterParam";
  if (!(j->takes & OF_ALL) && j->options.binded) idle = "binded";
  if (!(j->takes & EXCEPT) && !lua_isnil(L, j->except)) idle = "except";
  if (idle)
    pml_log_some(pml_node_log(j->lua->node), PML_WARN, "options of other pushes",
                 "%s: opts.%s does nothing here", j->what, idle);
}

/* Checks the arguments that all pushes share. 0: something is wrong, and was told. */
static int check(job *j) {
  lua_State *L = j->L;
  const char *got = NULL;
  if (lua_type(L, j->route) != LUA_TSTRING || !lua_objlen(L, j->route)) {
    int empty = lua_type(L, j->route) == LUA_TSTRING;
    return refuse(j, "the route must be a string",
                  empty ? "an empty one" : luaL_typename(L, j->route));
  }
  if (is_empty(L, j->msg)) return refuse(j, "can not send empty message.", NULL);
  if (!lua_isnil(L, j->opts) && !lua_istable(L, j->opts))
    return refuse(j, "opts must be a table", luaL_typename(L, j->opts));
  read_options(j);
  warn_of_options(j);
  if (!lua_isnil(L, j->except) && !lua_istable(L, j->except)) got = luaL_typename(L, j->except);
  return got ? refuse(j, "opts.except must be a list of uids", got) : 1;
}

/* --- what is sent ------------------------------------------------------------------------ */

/* What every push takes from Lua, released by parcel_drop. */
typedef struct {
  pml_buf *frame, *except;
  pml_push_what what; /* borrows both */
} parcel;

/* Nothing may be held when Lua is told, as it may raise: the error is kept until then. */
static int fail(job *j, const char *error, const char *name) {
  j->error = error;
  j->name = name;
  return 0;
}

static int tell_error(const job *j) { return tell(j, 0, j->error, j->name); }

static int write_json(job *j, int idx, pml_writer *w, const char *root) {
  if (pml_json_write(j->L, idx, w, root, j->text, sizeof j->text) == 0) return 1;
  return fail(j, j->text, "ENCODE");
}

static int write_message(job *j, pml_writer *w, pml_slice route) {
  size_t at = w->len;
  if (!write_json(j, j->msg, w, "msg")) return 0;
  if (pml_forms_check(j->lua->node, route, w, at, j->text, sizeof j->text) == 0) return 1;
  return fail(j, j->text, "ENCODE");
}

/* Encodes a PUSH into a frame. NULL: see j->error. */
static pml_buf *frame_of(job *j) {
  size_t n;
  const char *route = lua_tolstring(j->L, j->route, &n);
  pml_message_view m = {.type = PML_MSG_PUSH, .route = pml_slice_of(route, n)};
  pml_writer w = {0};
  pml_buf *frame = NULL;
  pml_frame_begin(&w);
  if (pml_message_write_head(&w, &m) != 0) {
    fail(j, "route maxlength is overflow", pml_err_name(PML_ETOOBIG));
  } else if (write_message(j, &w, m.route)) {
    frame = pml_frame_end(&w, PML_PKG_DATA);
    if (!frame) fail(j, "the message is above 16 MiB", pml_err_name(PML_ETOOBIG));
    return frame;
  }
  pml_writer_drop(&w);
  return NULL;
}

/* 0: see j->error; nothing is held. */
static int parcel_take(job *j, parcel *p) {
  static const char wrong[] =
    "opts.except must be a list of uids, each a string of at most 4096 bytes or a number";
  pml_writer w = {0};
  if (pml_lua_uids(j->L, j->except, &w) != 0) fail(j, wrong, "INVAL");
  else if ((p->frame = frame_of(j))) p->except = pml_writer_finish(&w);
  if (j->error) {
    pml_writer_drop(&w);
    return 0;
  }
  p->what = (pml_push_what){p->frame, pml_buf_slice(p->except), j->options.how, ms_of(j)};
  return 1;
}

static void parcel_drop(parcel *p) {
  pml_buf_unref(p->frame);
  pml_buf_unref(p->except);
}

int pml_lua_push_message(lua_State *L, pml_lua *lua, pml_id channel) {
  job j = begin(L, lua, "channel:pushMessage", 2, 5);
  parcel p;
  pml_id push = 0;
  static const char gone[] = "channel is not running now";
  if (!check(&j)) return 0;
  pml_channels *all = pml_node_channels(lua->node);
  if (!pml_channels_get(all, channel)) return tell(&j, 0, gone, pml_err_name(PML_ECLOSED));
  if (!parcel_take(&j, &p)) return tell_error(&j);
  pml_channel *c = pml_channels_get(all, channel); /* a toJSON may have destroyed it */
  int rc = c ? pml_push_channel(lua->node, c, &p.what, &push) : PML_ECLOSED;
  parcel_drop(&p);
  return c ? sent(&j, rc, push) : tell(&j, 0, gone, pml_err_name(rc));
}

int pml_lua_push_cluster(lua_State *L, pml_lua *lua, pml_slice name) {
  job j = begin(L, lua, "channel:pushMessage", 2, 5);
  parcel p;
  pml_id push = 0;
  if (!check(&j)) return 0;
  if (!parcel_take(&j, &p)) return tell_error(&j);
  int rc = pml_push_cluster(lua->node, name, &p.what, &push);
  parcel_drop(&p);
  return sent(&j, rc, push);
}

/* Pushes an array of the uids and frontends, in turn, that the entries of the array at `uids` name;
 * entries without one are left out, with a line. Returns how many there are. */
static size_t targets_kept(const job *j, int uids, size_t n) {
  lua_State *L = j->L;
  char text[PML_NUMBER_TEXT];
  pml_uid uid;
  size_t kept = 0;
  lua_createtable(L, (int)(n < 4096 ? 2 * n : 0), 0);
  int list = lua_gettop(L);
  for (size_t i = 1; i <= n; i++) {
    lua_rawgeti(L, uids, (int)i);
    if (lua_istable(L, list + 1)) {
      pml_lua_field(L, list + 1, "uid");
      pml_lua_field(L, list + 1, "sid");
    }
    if (lua_gettop(L) == list + 3 && lua_type(L, list + 3) == LUA_TSTRING &&
        lua_objlen(L, list + 3) && pml_lua_uid(L, list + 2, text, &uid) == 0 && uid.n) {
      lua_rawseti(L, list, (int)(2 * kept) + 2);
      lua_rawseti(L, list, (int)(2 * kept) + 1);
      kept++;
    } else {
      luaL_where(L, 1);
      pml_log_some(pml_node_log(j->lua->node), PML_WARN, "entries without uid or sid",
                   "%s%s: entry %zu has no uid or no sid, it is left out", lua_tostring(L, -1),
                   j->what, i);
    }
    lua_settop(L, list);
  }
  return kept;
}

/* The same as C has them, borrowed from the array at the top, the numbers' texts from *texts. */
static pml_push_target *targets_of(lua_State *L, size_t n, char (*texts)[PML_NUMBER_TEXT]) {
  pml_push_target *to = pml_alloc0((n + 1) * sizeof *to);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, -1, (int)(2 * i) + 1);
    pml_lua_uid(L, -1, texts[i], &to[i].uid);
    lua_rawgeti(L, -2, (int)(2 * i) + 2);
    to[i].sid = pml_lua_name(L, -1);
    lua_pop(L, 2);
  }
  return to;
}

int pml_lua_push_by_uids(lua_State *L, pml_lua *lua) {
  job j = begin(L, lua, "channelService:pushMessageByUids", 2, 6);
  parcel p;
  pml_id push = 0;
  size_t n = lua_istable(L, 4) ? lua_objlen(L, 4) : 0;
  if (!n) return refuse(&j, "uids should not be empty", NULL);
  if (!check(&j)) return 0;
  n = targets_kept(&j, 4, n);
  if (!n) return sent(&j, 0, 0);
  if (!parcel_take(&j, &p)) return tell_error(&j);
  char(*texts)[PML_NUMBER_TEXT] = pml_alloc((n + 1) * sizeof *texts);
  pml_push_target *to = targets_of(L, n, texts);
  int rc = pml_push_uids(lua->node, to, n, &p.what, &push);
  pml_free(to);
  pml_free(texts);
  parcel_drop(&p);
  return sent(&j, rc, push);
}

/* --- broadcast --------------------------------------------------------------------------- */

/* Warns that there are no servers of the type at index 2. */
static void warn_no_type(const job *j) {
  lua_State *L = j->L;
  const pml_directory *d = pml_node_directory(j->lua->node);
  const char *type = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (!type) type = lua_pushfstring(L, "(a %s)", luaL_typename(L, 2));
  lua_createtable(L, 0, 0);
  int types = lua_gettop(L);
  for (size_t i = 0; i < d->n; i++) {
    lua_pushboolean(L, 1);
    lua_setfield(L, types, d->v[i].type);
  }
  pml_lua_nearest(L, 2, types);
  const char *near = lua_tostring(L, -1);
  luaL_where(L, 1);
  pml_log_some(pml_node_log(j->lua->node), PML_WARN, "broadcasts to no type",
               "%s%s: there are no servers of the type %s%s%s%s", lua_tostring(L, -1), j->what,
               type, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Pushes a copy of the ids of the type's frontends that are there, since a filter may change the
 * list of servers; of all when none is there, so that the failure is seen as one. */
typedef char server_id[PML_SERVER_ID_MAX + 1];
static server_id *frontends_of(const job *j, size_t *count, int *known) {
  const pml_directory *d = pml_node_directory(j->lua->node);
  const char *type = lua_type(j->L, 2) == LUA_TSTRING ? pml_lua_name(j->L, 2) : "";
  server_id *ids = lua_newuserdata(j->L, (d->n + 1) * sizeof *ids);
  *count = 0;
  *known = 0;
  for (int all = 0; all < 2 && !*count; all++) {
    for (size_t i = 0; i < d->n; i++) {
      const pml_server_info *s = &d->v[i];
      if (strcmp(s->type, type) != 0) continue;
      *known = 1;
      if (!s->frontend || !(all || pml_node_alive(j->lua->node, s->id))) continue;
      snprintf(ids[(*count)++], sizeof *ids, "%s", s->id);
    }
  }
  return ids;
}

int pml_lua_broadcast(lua_State *L, pml_lua *lua) {
  job j = begin(L, lua, "channelService:broadcast", 3, 6);
  parcel p;
  pml_id push = 0;
  size_t n;
  int known;
  pml_writer param = {0};
  j.takes = EXCEPT | OF_ALL;
  if (!check(&j)) return 0;
  server_id *ids = frontends_of(&j, &n, &known);
  if (!known) warn_no_type(&j);
  if (!n) return known ? tell(&j, 0, "broadcast fails", pml_err_name(PML_ENOENT)) : sent(&j, 0, 0);
  const char **sids = lua_newuserdata(L, n * sizeof *sids);
  for (size_t i = 0; i < n; i++) sids[i] = ids[i];
  if (!lua_isnil(L, j.param)) write_json(&j, j.param, &param, "opts.filterParam");
  if (j.error || !parcel_take(&j, &p)) {
    pml_writer_drop(&param);
    return tell_error(&j);
  }
  pml_push_broadcast_to to = {
    .sids = sids,
    .count = n,
    .binded = j.options.binded,
    .filtered = 1, /* the frontends know whether there is a filter */
    .param = param.len ? pml_slice_of(pml_writer_at(&param, 0), param.len) : pml_slice_str(NULL),
  };
  lua_State *before = pml_lua_enter(lua, L); /* a filter of this server runs inside this call */
  int rc = pml_push_broadcast(lua->node, &to, &p.what, &push);
  pml_lua_leave(lua, before);
  pml_writer_drop(&param);
  parcel_drop(&p);
  return sent(&j, rc, push);
}

/* --- one session --------------------------------------------------------------------------- */

/* Raises at the line of the script. */
static void refuse_callback(const job *j) {
  luaL_where(j->L, 2);
  lua_pushfstring(j->L,
                  "%s: it waits for nobody, so that it takes no callback; it returns true, or"
                  " nil and an error",
                  j->what);
  lua_concat(j->L, 2);
  lua_error(j->L);
}

/* node:send(what, frontendId, incarnation | nil, sid, route, msg, opts, cb), or msg with its route
 * in the place of both: pushes to one session. A callback is refused. It is called by the function
 * that the script calls, whose name is `what`. -> true | nil, message, NAME: "NOENT" when it is
 * known that the session, or that life of its frontend, has ended. It waits for nobody. */
static int l_send(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  size_t n;
  const char *what = luaL_checkstring(L, 2), *frontend = luaL_checklstring(L, 3, &n);
  luaL_argcheck(L, n <= PML_SERVER_ID_MAX && strlen(frontend) == n, 3, "a server id");
  double incarnation = luaL_optnumber(L, 4, 0);
  pml_id sid = lua_type(L, 5) == LUA_TNUMBER ? pml_lua_id(L, 5) : 0;
  job j = begin(L, lua, what, 6, 9);
  parcel p;
  j.options.level = 2;
  j.returns = 1;
  j.takes = 0;
  if (!lua_isnil(L, j.cb)) refuse_callback(&j);
  if (!check(&j)) return 3;
  if (!parcel_take(&j, &p)) return tell_error(&j);
  int rc = pml_push_session(lua->node, frontend, (uint64_t)incarnation, sid, &p.what);
  parcel_drop(&p);
  if (rc == PML_ENOENT) {
    snprintf(j.text, sizeof j.text, "session does not exist, sid: %.0f", (double)sid);
    return pml_lua_fail(L, rc, j.text);
  }
  if (rc) return pml_lua_fail(L, rc, pml_err_reason(rc));
  lua_pushboolean(L, 1);
  return 1;
}

/* node:onPush(fn): fn(what, cb, push, message, name) is called inside of a push that has a callback
 * cb, or that was not sent. push: a number, with which the entry `pushed` comes later; true: there
 * is nobody to acknowledge it; nil: it was not sent, message and name say why */
static int l_on_push(lua_State *L) {
  pml_lua *lua = pml_lua_check(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  pml_anchor_push(L, &lua->env);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, 2);
  return 0;
}

const luaL_Reg pml_push_methods[] = {{"onPush", l_on_push}, {"send", l_send}, {NULL, NULL}};
