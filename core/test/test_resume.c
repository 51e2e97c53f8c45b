#include "node/resume.h"

#include "base/err.h"
#include "node/forms.h"
#include "node/frontend.h"
#include "test/front.h"
#include "test/node_count.h"

#define LINES 4

/* A node with resume on, a session, and the lines of its client. */
typedef struct {
  virtual_node v;
  fake_sink line[LINES];
  pml_session *s, *own; /* own: of a connection whose handshake is not answered */
  pml_id sid;
  pml_resume_answer answer;
  char token[PML_RESUME_TOKEN + 1];
} world;

static const pml_close_reason LOST = {.kind = PML_CLOSE_FLAG, .code = 1};

static void open_with(world *w, uint32_t bytes) {
  memset(w, 0, sizeof *w);
  front_open(&w->v);
  pml_config *c = pml_node_config(w->v.node);
  c->resume_s = 30;
  c->resume_bytes = bytes;
  w->s = fake_sink_open(&w->line[0], pml_node_sessions(w->v.node));
  w->sid = w->s->id;
  w->s->wants_closed = 1;
  CHECK_EQ(pml_frontend_keep(w->v.node, w->sid, w->token), 0);
  pml_frontend_acked(w->v.node, w->s);
}

static void begin(world *w) { open_with(w, 65536); }

static void end(world *w) {
  virtual_close(&w->v);
  for (int i = 0; i < LINES; i++) fake_sink_clear(&w->line[i]);
}

static void push(pml_session *s, const char *text) {
  pml_buf *frame = pml_frame_of(PML_PKG_DATA, text, strlen(text));
  pml_sink_send(s->sink, frame);
  pml_buf_unref(frame);
}

static pml_offered offer(pml_session *s, const char *text, pml_delivery how) {
  pml_buf *frame = pml_frame_of(PML_PKG_DATA, text, strlen(text));
  pml_offered what = pml_sink_offer(s->sink, frame, how);
  pml_buf_unref(frame);
  return what;
}

static int lose(world *w) { return pml_frontend_lost(w->v.node, w->s, &LOST); }

/* The client comes by line i. */
static int come(world *w, int i, const char *token, double seen) {
  pml_id sid = 0;
  w->own = fake_sink_open(&w->line[i], pml_node_sessions(w->v.node));
  int rc = pml_frontend_resume(w->v.node, w->own->id, pml_slice_str(token), seen, &sid, &w->answer);
  if (!rc) CHECK_EQ(sid, w->sid);
  else pml_sessions_close(pml_node_sessions(w->v.node), w->own);
  return rc;
}

/* What line i has got, as one text. */
static const char *got(world *w, int i) {
  static char text[4000];
  size_t n = 0;
  for (int k = 0; k < w->line[i].frames; k++) {
    pml_slice p = fake_sink_body(&w->line[i], k);
    n += (size_t)snprintf(text + n, sizeof text - n, "%.*s ", (int)p.n, (const char *)p.p);
  }
  text[n] = '\0';
  fake_sink_clear(&w->line[i]);
  return text;
}

static double count(world *w, const char *name) { return node_count(w->v.node, name); }

TEST(resume_sends_what_was_missed_and_goes_on) {
  world w;
  begin(&w);
  for (int i = 0; i < 3; i++) push(w.s, i == 0 ? "a" : i == 1 ? "b" : "c");
  CHECK_STR(got(&w, 0), "a b c ");
  CHECK_EQ(front_say(&w.v, w.s, PML_MSG_NOTIFY, 0, "connector.a.b", "{}"), 0);
  CHECK_EQ(front_say(&w.v, w.s, PML_MSG_NOTIFY, 0, "a", "{}"), 0); /* refused, and counted */
  w.v.script.n = 0;
  CHECK_EQ(lose(&w), 1);
  CHECK_EQ(count(&w, "resumeWaiting"), 1);
  push(w.s, "d");
  fake_script_expect(&w.v.script, "lost uid=-\n");
  CHECK_EQ(come(&w, 1, w.token, 1), 0);
  CHECK_EQ(w.answer.received, 2);
  CHECK_EQ(w.answer.was_open, 0);
  CHECK(strcmp(w.answer.token, w.token) != 0);
  CHECK(w.line[1].handed == w.s);
  CHECK_EQ(count(&w, "sessions"), 1);
  push(w.s, "e"); /* before the ACK */
  CHECK_EQ(w.line[1].frames, 0);
  pml_frontend_acked(w.v.node, w.s);
  push(w.s, "f");
  CHECK_STR(got(&w, 1), "b c d e f ");
  fake_script_expect(&w.v.script, "resumed uid=-\n");
  CHECK_EQ(count(&w, "resumeLost"), 1);
  CHECK_EQ(count(&w, "resumeResumed"), 1);
  CHECK_EQ(count(&w, "resumeWaiting"), 0);
  end(&w);
}

TEST(resume_takes_over_a_line_that_looks_open) {
  world w;
  begin(&w);
  push(w.s, "a");
  CHECK_EQ(come(&w, 1, w.token, 0), 0);
  CHECK_EQ(w.answer.was_open, 1);
  CHECK(w.line[0].hands == 1 && w.line[0].handed == NULL);
  pml_frontend_acked(w.v.node, w.s);
  CHECK_STR(got(&w, 1), "a ");
  end(&w);
}

TEST(resume_waits_on_when_the_new_line_is_cut_before_the_ack) {
  world w;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  pml_loop_advance(w.v.loop, 20000);
  char second[PML_RESUME_TOKEN + 1];
  CHECK_EQ(come(&w, 1, w.token, 0), 0);
  strcpy(second, w.answer.token);
  CHECK_EQ(lose(&w), 1);
  CHECK_EQ(come(&w, 2, w.token, 0), 0); /* the answer was lost: the old token is good */
  CHECK_EQ(come(&w, 1, second, 0), PML_ENOENT);
  strcpy(second, w.answer.token);
  CHECK_EQ(come(&w, 3, second, 0), 0); /* it has arrived */
  CHECK_EQ(w.line[2].hands, 2);
  CHECK_EQ(come(&w, 1, w.token, 0), PML_ENOENT);
  CHECK_EQ(lose(&w), 1);
  fake_script_expect(&w.v.script, "lost uid=-\n");
  pml_loop_advance(w.v.loop, 9999);
  fake_script_expect(&w.v.script, "");
  pml_loop_advance(w.v.loop, 1); /* the grace began at the first cut */
  fake_script_expect(&w.v.script, "closed uid=- settings= flag 1\n");
  CHECK_EQ(count(&w, "resumeExpired"), 1);
  CHECK_EQ(count(&w, "resumeBytes"), 0);
  CHECK_EQ(count(&w, "sessions"), 0);
  end(&w);
}

TEST(resume_of_a_client_that_comes_at_the_end_of_the_grace) {
  world w;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  pml_loop_advance(w.v.loop, 29999);
  CHECK_EQ(come(&w, 1, w.token, 0), 0);
  pml_loop_advance(w.v.loop, 5000);
  CHECK_EQ(count(&w, "sessions"), 1);
  CHECK_EQ(come(&w, 2, w.token, 0), PML_ENOENT);
  pml_frontend_acked(w.v.node, w.s);
  CHECK_EQ(lose(&w), 1);
  CHECK_EQ(come(&w, 2, w.answer.token, 0), 0);
  pml_loop_advance(w.v.loop, 30001);
  CHECK_EQ(lose(&w), 0);
  pml_frontend_closed(w.v.node, w.s, &LOST);
  CHECK_EQ(count(&w, "resumeExpired"), 1);
  end(&w);
}

TEST(resume_refuses_what_is_no_token_and_no_count) {
  world w;
  begin(&w);
  push(w.s, "a");
  char upper[PML_RESUME_TOKEN + 1], wrong[PML_RESUME_TOKEN + 1];
  strcpy(upper, w.token);
  for (char *p = upper; *p; p++)
    if (*p >= 'a') *p = (char)(*p - 32);
  strcpy(wrong, w.token);
  wrong[31] = wrong[31] == '0' ? '1' : '0';
  const char *const bad[] = {"", "a", wrong, "0123456789abcdef0123456789abcdeg", "\0"};
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK_EQ(come(&w, 1, bad[i], 0), PML_ENOENT);
  if (strcmp(upper, w.token) != 0) CHECK_EQ(come(&w, 1, upper, 0), PML_ENOENT);
  const double counts[] = {-1, 0.5, 2, 1e300, -1e300, (double)UINT64_MAX, 0.0 / 0.0, 1.0 / 0.0};
  for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
    CHECK_EQ(come(&w, 1, w.token, counts[i]), PML_ENOENT);
    pml_frontend_resume_not(w.v.node, pml_slice_str(w.token), counts[i]);
  }
  CHECK_EQ(count(&w, "resumeRefused"), 8);
  CHECK_EQ(w.line[0].hands + w.line[0].closes, 0);
  CHECK_EQ(come(&w, 1, w.token, 1), 0);
  end(&w);
}

TEST(resume_is_for_sessions_with_an_ack_only) {
  world w;
  char token[PML_RESUME_TOKEN + 1];
  begin(&w);
  CHECK_EQ(pml_frontend_keep(w.v.node, w.sid, token), PML_EINVAL);
  pml_session *s = fake_sink_open(&w.line[1], pml_node_sessions(w.v.node));
  CHECK_EQ(pml_frontend_keep(w.v.node, s->id, token), 0);
  CHECK_EQ(come(&w, 2, token, 0), PML_ENOENT);
  CHECK_EQ(pml_frontend_lost(w.v.node, s, &LOST), 0);
  pml_frontend_closed(w.v.node, s, &LOST);
  pml_node_config(w.v.node)->resume_s = 0;
  s = fake_sink_open(&w.line[1], pml_node_sessions(w.v.node));
  CHECK_EQ(pml_frontend_keep(w.v.node, s->id, token), PML_EINVAL);
  CHECK_EQ(pml_frontend_keep(w.v.node, 4711, token), PML_ENOENT);
  end(&w);
}

TEST(resume_ends_a_session_whose_ring_overflows) {
  world w;
  char text[901];
  memset(text, 'x', 900);
  text[900] = '\0';
  open_with(&w, 4096);
  for (int i = 0; i < 10; i++) push(w.s, text); /* connected: the oldest go */
  CHECK(count(&w, "resumeBytes") <= 4096);
  fake_sink_clear(&w.line[0]);
  CHECK_EQ(lose(&w), 1);
  for (int i = 0; i < 4; i++) push(w.s, text); /* in the place of what was sent */
  CHECK_EQ(count(&w, "resumeOverflowed"), 0);
  CHECK_EQ(come(&w, 1, w.token, 9), PML_ENOENT); /* it has missed what is gone */
  fake_script_expect(&w.v.script, "lost uid=-\n");
  push(w.s, text);
  CHECK_EQ(count(&w, "sessions"), 1); /* not from inside */
  pml_loop_settle(w.v.loop);
  fake_script_expect(&w.v.script, "closed uid=- settings= resume\n");
  CHECK_EQ(count(&w, "resumeOverflowed"), 1);
  CHECK_EQ(count(&w, "resumeWaiting"), 0);
  CHECK_EQ(count(&w, "resumeBytes"), 0);
  CHECK_EQ(come(&w, 1, w.token, 10), PML_ENOENT);
  end(&w);
}

TEST(resume_ends_a_session_whose_client_has_missed_too_much) {
  world w;
  open_with(&w, 1024);
  for (int i = 0; i < 100; i++) push(w.s, "0123456789");
  pml_id sid;
  CHECK_EQ(pml_frontend_resumable(w.v.node, pml_slice_str(w.token), 3, &sid), PML_RESUME_TOO_LATE);
  pml_frontend_resume_not(w.v.node, pml_slice_str(w.token), 3);
  CHECK_EQ(count(&w, "resumeOverflowed"), 1);
  CHECK_EQ(count(&w, "sessions"), 0);
  CHECK(w.line[0].left && strcmp(w.line[0].reason, "resume") == 0);
  pml_frontend_closed(w.v.node, w.s, &LOST);
  end(&w);
}

/* Sessions with a line each, of which n have got 256 KiB. */
static void fill(world *w, pml_session *s[], fake_sink *f, char token[][PML_RESUME_TOKEN + 1],
                 int n) {
  static char text[4001];
  memset(text, 'x', 4000);
  for (int i = 0; i < n; i++) {
    s[i] = fake_sink_open(&f[i], pml_node_sessions(w->v.node));
    CHECK_EQ(pml_frontend_keep(w->v.node, s[i]->id, token[i]), 0);
    pml_frontend_acked(w->v.node, s[i]);
  }
  for (int k = 0; k < 64; k++)
    for (int i = 0; i < n; i++) push(s[i], text);
  for (int i = 0; i < n; i++) fake_sink_clear(&f[i]);
}

TEST(resume_of_all_connected_sessions_is_bounded_and_costs_no_waiting_one) {
  static world w;
  static fake_sink f[8];
  pml_session *s[8];
  char token[8][PML_RESUME_TOKEN + 1];
  open_with(&w, 1u << 19);
  pml_node_config(w.v.node)->resume_mib = 1;
  push(w.s, "a");
  CHECK_EQ(lose(&w), 1);
  push(w.s, "b");
  fill(&w, s, f, token, 8);
  CHECK(count(&w, "resumeBytes") <= 1u << 20);
  CHECK(count(&w, "resumeBytes") > 1u << 18);
  CHECK_EQ(count(&w, "resumeEvicted"), 0);
  CHECK_EQ(come(&w, 1, w.token, 0), 0);
  end(&w);
}

TEST(resume_of_sessions_that_wait_leaves_half_to_those_that_are_connected) {
  static world w;
  static fake_sink f[4];
  static char text[4001];
  pml_session *s[4];
  char token[4][PML_RESUME_TOKEN + 1];
  pml_id sid;
  memset(text, 'x', 4000);
  open_with(&w, 1u << 18);
  pml_node_config(w.v.node)->resume_mib = 1;
  fill(&w, s, f, token, 4);
  for (int i = 0; i < 4; i++) CHECK_EQ(pml_frontend_lost(w.v.node, s[i], &LOST), 1);
  for (int i = 0; i < 64; i++) push(w.s, text);
  CHECK_EQ(count(&w, "resumeEvicted"), 1);
  CHECK(count(&w, "resumeBytes") <= 1u << 20);
  CHECK_EQ(pml_frontend_resumable(w.v.node, pml_slice_str(w.token), 1, &sid), PML_RESUME_CAN);
  CHECK_EQ(pml_frontend_resumable(w.v.node, pml_slice_str(token[0]), 64, &sid), PML_RESUME_NOT);
  CHECK_EQ(pml_frontend_resumable(w.v.node, pml_slice_str(token[1]), 64, &sid), PML_RESUME_CAN);
  pml_loop_settle(w.v.loop);
  CHECK_EQ(count(&w, "resumeWaiting"), 3);
  end(&w);
}

TEST(resume_evicts_who_has_waited_longest) {
  static world w;
  static fake_sink f[4];
  static char text[4001];
  pml_session *s[4];
  char token[4][PML_RESUME_TOKEN + 1];
  memset(text, 'x', 4000);
  open_with(&w, 1u << 19);
  pml_node_config(w.v.node)->resume_mib = 1;
  fill(&w, s, f, token, 0);
  for (int i = 0; i < 4; i++) {
    s[i] = fake_sink_open(&f[i], pml_node_sessions(w.v.node));
    CHECK_EQ(pml_sessions_bind(pml_node_sessions(w.v.node), s[i],
                               virtual_uid(i == 0   ? "a"
                                           : i == 1 ? "b"
                                           : i == 2 ? "c"
                                                    : "d")),
             0);
    s[i]->wants_closed = 1;
    CHECK_EQ(pml_frontend_keep(w.v.node, s[i]->id, token[i]), 0);
    pml_frontend_acked(w.v.node, s[i]);
    CHECK_EQ(pml_frontend_lost(w.v.node, s[i], &LOST), 1);
  }
  w.v.script.n = 0;
  for (int i = 0; i < 70; i++)
    for (int k = 3; k >= 0; k--) push(s[k], text);
  pml_loop_settle(w.v.loop);
  fake_script_expect(&w.v.script, "closed uid=a settings= resume\n");
  CHECK_EQ(count(&w, "resumeEvicted"), 1);
  CHECK_EQ(count(&w, "resumeWaiting"), 3);
  CHECK(count(&w, "resumeBytes") <= 1u << 20);
  end(&w);
}

TEST(resume_lets_waiting_sessions_be_kicked) {
  world w;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  w.v.script.n = 0;
  pml_frontend_kick(w.v.node, w.s, pml_slice_str("out"));
  CHECK_EQ(count(&w, "sessions"), 0);
  CHECK_EQ(come(&w, 1, w.token, 0), PML_ENOENT);
  pml_loop_settle(w.v.loop);
  fake_script_expect(&w.v.script, "closed uid=- settings= out\n");
  end(&w);
}

TEST(resume_forgets_a_kicked_session_whose_end_was_not_told) {
  world w;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  pml_frontend_end(w.v.node, w.s, PML_END_BANNED, pml_slice_str("bye"));
  end(&w);
}

TEST(resume_passes_ends_on_and_gives_no_grace_then) {
  world w;
  begin(&w);
  pml_frontend_kick(w.v.node, w.s, pml_slice_str("out"));
  CHECK(w.line[0].closes == 1 && strcmp(w.line[0].reason, "out") == 0);
  CHECK_EQ(come(&w, 1, w.token, 0), PML_ENOENT);
  CHECK_EQ(lose(&w), 0);
  pml_frontend_closed(w.v.node, w.s, &LOST);
  end(&w);
}

static void done(void *ud) { ++*(int *)ud; }

TEST(resume_lets_a_stop_end_waiting_sessions) {
  world w;
  int drained = 0;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  w.v.script.n = 0;
  pml_node_drain(w.v.node, "shutdown", 60000, done, &drained);
  pml_loop_settle(w.v.loop);
  fake_script_expect(&w.v.script, "closed uid=- settings= shutdown\n");
  CHECK_EQ(drained, 1);
  end(&w);
}

TEST(resume_gives_no_grace_to_lines_that_a_node_loses_as_it_is_shut) {
  world w;
  int shut = 0;
  begin(&w);
  pml_node_shut(w.v.node, done, &shut);
  CHECK_EQ(shut, 1);
  CHECK_EQ(lose(&w), 0);
  pml_frontend_closed(w.v.node, w.s, &LOST);
  end(&w);
}

TEST(resume_ends_who_says_that_it_leaves) {
  world w;
  begin(&w);
  CHECK_EQ(front_say(&w.v, w.s, PML_MSG_REQUEST, 1, "sys.leave", ""), 0); /* no notify */
  CHECK_EQ(w.line[0].closes, 0);
  front_expect_500(&w.line[0], 1);
  CHECK_EQ(front_say(&w.v, w.s, PML_MSG_NOTIFY, 0, "sys.leave", ""), 0);
  CHECK(w.line[0].closes == 1 && w.line[0].left);
  CHECK_EQ(count(&w, "sessions"), 0);
  CHECK_EQ(lose(&w), 0);
  pml_frontend_closed(w.v.node, w.s, &LOST);
  fake_sink f;
  pml_session *plain = fake_sink_open(&f, pml_node_sessions(w.v.node));
  CHECK_EQ(front_say(&w.v, plain, PML_MSG_NOTIFY, 0, "sys.leave", ""), 0);
  CHECK_EQ(f.closes, 0);
  end(&w);
}

TEST(resume_counts_replaced_pushes_as_their_successors) {
  world w;
  const pml_delivery latest = {.identity = 7, .policy = PML_LATEST}, dropped = {.policy = PML_DROP};
  begin(&w);
  offer(w.s, "a1", latest); /* sent */
  push(w.s, "b");
  offer(w.s, "a2", latest); /* waits in the queue */
  push(w.s, "c");
  w.line[0].offered = PML_OFFER_REPLACED;
  CHECK_EQ(offer(w.s, "a3", latest), PML_OFFER_REPLACED);
  w.line[0].offered = PML_OFFER_DROPPED;
  CHECK_EQ(offer(w.s, "d1", dropped), PML_OFFER_DROPPED);
  CHECK_EQ(lose(&w), 1); /* it was given a1 b c a3 */
  offer(w.s, "a4", latest);
  push(w.s, "e");
  offer(w.s, "a5", latest);
  CHECK_EQ(offer(w.s, "d2", dropped), PML_OFFER_DROPPED);
  CHECK_EQ(come(&w, 1, w.token, 5), PML_ENOENT);
  CHECK_EQ(come(&w, 1, w.token, 1), 0);
  pml_frontend_acked(w.v.node, w.s);
  CHECK_STR(got(&w, 1), "b c a3 e a5 ");
  w.line[1].offered = PML_OFFER_QUEUED;
  offer(w.s, "a6", latest);
  CHECK_EQ(lose(&w), 1);
  CHECK_EQ(come(&w, 2, w.answer.token, 5), 0);
  pml_frontend_acked(w.v.node, w.s);
  CHECK_STR(got(&w, 2), "a5 a6 ");
  end(&w);
}

TEST(resume_counts_right_when_what_was_replaced_is_not_kept_any_more) {
  world w;
  char text[901];
  memset(text, 'x', 900);
  text[900] = '\0';
  const pml_delivery latest = {.identity = 7, .policy = PML_LATEST};
  open_with(&w, 2048);
  offer(w.s, "a", latest);
  for (int i = 0; i < 3; i++) push(w.s, text);
  w.line[0].offered = PML_OFFER_REPLACED;
  offer(w.s, "b", latest);
  CHECK_EQ(lose(&w), 1);
  CHECK_EQ(come(&w, 1, w.token, 5), PML_ENOENT);
  CHECK_EQ(come(&w, 1, w.token, 3), 0);
  pml_frontend_acked(w.v.node, w.s);
  CHECK_STR(got(&w, 1), "b ");
  end(&w);
}

TEST(resume_is_not_for_messages_of_another_form) {
  world w;
  pml_dictionary *d = NULL;
  const pml_dictionary_pair pairs[] = {{pml_slice_str("connector.a.b"), 1}};
  begin(&w);
  CHECK_EQ(pml_dictionary_new(pairs, 1, &d), 0);
  pml_forms_set_dictionary(w.v.node, d);
  pml_dictionary_unref(d);
  pml_id sid;
  pml_session *own = fake_sink_open(&w.line[1], pml_node_sessions(w.v.node));
  CHECK_EQ(pml_forms_choose(w.v.node, own->id, PML_FORM_DICTIONARY), 0);
  CHECK_EQ(pml_frontend_resume(w.v.node, own->id, pml_slice_str(w.token), 0, &sid, &w.answer),
           PML_EINVAL);
  CHECK_EQ(w.line[0].hands, 0);
  end(&w);
}

TEST(resume_keeps_the_address_of_the_line_while_there_is_none) {
  world w;
  char ip[PML_ADDRESS_TEXT] = "";
  int port = 0;
  begin(&w);
  CHECK_EQ(lose(&w), 1);
  pml_sink_address(w.s->sink, ip, &port);
  CHECK_STR(ip, "10.0.0.1");
  CHECK_EQ(port, 7);
  CHECK(pml_frontend_line(w.s) == NULL);
  CHECK(pml__resume_is_waiting(w.s));
  end(&w);
}
