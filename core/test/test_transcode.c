#include "node/transcode.h"

#include "test/forms.h"

TEST(transcode_makes_a_form_once_for_each_push) {
  fanout x;
  fanout_open(&x, 1);
  forms_dictionary(&x, "onX");
  fanout_clients(&x, (const char *const[]){"ann", "ann", "ann", "ann"}, 4);
  for (int i = 1; i < 4; i += 2)
    CHECK_EQ(pml_forms_choose(x.v.node, x.s[i]->id, PML_FORM_DICTIONARY), 0);
  forms_push(&x, "ann");
  CHECK(x.f[0].frame[0] == x.frame);
  CHECK(x.f[2].frame[0] == x.frame);
  CHECK(x.f[1].frame[0] == x.f[3].frame[0]);
  forms_expect(&x.f[0], "\6\3onX{}", 7);
  forms_expect(&x.f[1], "\7\1\x2c{}", 5); /* protocol 25.2 */
  forms_expect(&x.f[3], "\7\1\x2c{}", 5);
  fake_sink_clear(&x.f[2]);
  fanout_close(&x);
}

TEST(transcode_leaves_a_route_that_has_no_code) {
  fanout x;
  fanout_open(&x, 1);
  forms_dictionary(&x, "onY");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY), 0);
  forms_push(&x, "ann");
  CHECK(x.f[0].frame[0] == x.frame);
  fake_sink_clear(&x.f[0]);
  fanout_close(&x);
}

TEST(transcode_passes_on_what_is_no_push) {
  fanout x;
  fanout_open(&x, 1);
  forms_dictionary(&x, "onX");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  CHECK_EQ(pml_forms_choose(x.v.node, x.s[0]->id, PML_FORM_DICTIONARY), 0);
  const char *const bodies[] = {"\6\7onX", "\4\3{}", "\7\1\x2c{}", "\6"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    pml_buf_unref(x.frame);
    x.frame = pml_frame_of(PML_PKG_DATA, bodies[i], strlen(bodies[i]));
    forms_push(&x, "ann");
    CHECK(x.f[0].frame[0] == x.frame);
    fake_sink_clear(&x.f[0]);
  }
  fanout_close(&x);
}

TEST(transcode_keeps_some_forms_and_makes_more) {
  enum { CLIENTS = PML_OUTGOING_MAX + 3 };
  fanout x;
  fake_sink f[CLIENTS];
  char routes[CLIENTS][16];
  fanout_open(&x, 1);
  pml_outgoing o;
  pml_session *s[CLIENTS];
  for (int i = 0; i < CLIENTS; i++) {
    snprintf(routes[i], sizeof routes[i], "r%d", i);
    pml_dictionary_pair pairs[] = {{pml_slice_str("onX"), (uint16_t)(i + 1)},
                                   {pml_slice_str(routes[i]), 999}};
    pml_dictionary *d;
    CHECK_EQ(pml_dictionary_new(pairs, 2, &d), 0);
    pml_forms_set_dictionary(x.v.node, d);
    pml_dictionary_unref(d);
    s[i] = fake_sink_open(&f[i], pml_node_sessions(x.v.node));
    CHECK_EQ(pml_forms_choose(x.v.node, s[i]->id, PML_FORM_DICTIONARY), 0);
  }
  pml__outgoing_begin(&o, x.v.node, x.frame, (pml_delivery){0});
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < CLIENTS; i++) CHECK_EQ(pml__outgoing_send(&o, s[i]), 1);
  pml__outgoing_end(&o);
  for (int i = 0; i < CLIENTS; i++) {
    const char want[] = {7, 0, (char)(i + 1), '{', '}'};
    CHECK_EQ(f[i].frames, 3);
    for (int k = 0; k < 3; k++)
      CHECK(pml_slice_eq(fake_sink_body(&f[i], k), pml_slice_of(want, sizeof want)));
    fake_sink_clear(&f[i]);
  }
  fanout_close(&x);
}

TEST(transcode_sends_nothing_to_a_client_that_is_being_closed) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  x.s[0]->form = PML_FORM_NONE;
  forms_push(&x, "ann");
  CHECK_EQ(x.f[0].frames, 0);
  fanout_close(&x);
}

#define MOVE "{\"onX\":{\"required uInt32 x\":1,\"optional string s\":2}}"

TEST(transcode_encodes_a_push_once_for_all_that_hold_the_definitions) {
  fanout x;
  fanout_open(&x, 1);
  forms_dictionary(&x, "onX");
  forms_protos(x.v.node, MOVE, "");
  fanout_clients(&x, (const char *const[]){"ann", "ann", "ann", "ann", "ann"}, 5);
  forms_choose(&x, 1, PML_FORM_PROTOS);
  forms_choose(&x, 2, PML_FORM_PROTOS | PML_FORM_DICTIONARY);
  forms_choose(&x, 3, PML_FORM_PROTOS);
  forms_choose(&x, 4, PML_FORM_PROTOS | PML_FORM_CESU8);
  forms_body(&x, "{\"x\":300,\"s\":\"\\ud83d\\ude00\"}");
  forms_push(&x, "ann");
  CHECK(x.f[0].frame[0] == x.frame);
  CHECK(x.f[1].frame[0] == x.f[3].frame[0]);
  fake_sink_clear(&x.f[0]);
  fake_sink_clear(&x.f[3]);
  forms_expect(&x.f[1], "\6\3onX\10\xac\2\22\4\xf0\x9f\x98\x80", 14);
  forms_expect(&x.f[2], "\7\1\x2c\10\xac\2\22\4\xf0\x9f\x98\x80", 12);
  forms_expect(&x.f[4], "\6\3onX\10\xac\2\22\6\xed\xa0\xbd\xed\xb8\x80", 16);
  fanout_close(&x);
}

TEST(transcode_closes_a_client_whose_older_definitions_have_no_form) {
  fanout x;
  fanout_open(&x, 1);
  fanout_clients(&x, (const char *const[]){"ann", "ann", "ann"}, 3);
  forms_protos(x.v.node, "{\"onX\":{\"required string x\":1}}", "");
  forms_choose(&x, 1, PML_FORM_PROTOS);
  forms_protos(x.v.node, "{\"onX\":{\"repeated uInt32 x\":1}}", "");
  forms_choose(&x, 2, PML_FORM_PROTOS);
  forms_body(&x, "{\"x\":[1]}");
  for (int i = 0; i < 2; i++) forms_push(&x, "ann");
  CHECK_EQ(x.f[0].frames, 2);
  CHECK_EQ(x.f[1].frames, 0);
  CHECK_EQ(x.f[1].closes, 1);
  CHECK(x.f[1].left);
  CHECK_EQ(x.f[2].frames, 2);
  CHECK_EQ(x.f[2].closes, 0);
  CHECK_EQ(x.v.lines, 0);
  fake_sink_clear(&x.f[0]);
  forms_expect(&x.f[2], "\6\3onX\10\1\1", 8);
  fanout_close(&x);
}

TEST(transcode_drops_and_logs_what_does_not_fit_the_present_definitions) {
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, MOVE, "");
  fanout_clients(&x, (const char *const[]){"ann", "ann"}, 2);
  forms_choose(&x, 1, PML_FORM_PROTOS);
  const char *const bodies[] = {"{}", "{\"x\":-1}", "{\"x\":\"one\"}", "[]", "7", "x", ""};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    forms_body(&x, bodies[i]);
    forms_push(&x, "ann");
    CHECK_EQ(x.f[0].frames, 1);
    CHECK_EQ(x.f[1].frames, 0);
    fake_sink_clear(&x.f[0]);
  }
  CHECK_EQ(x.f[1].closes, 0);
  CHECK(strstr(x.v.log, "serverProtos[\"onX\"]"));
  CHECK_EQ(x.v.lines, 1); /* of that route and these definitions */
  forms_protos(x.v.node, "{\"onX\":{\"required uInt32 y\":1}}", "");
  forms_choose(&x, 1, PML_FORM_PROTOS);
  forms_push(&x, "ann");
  CHECK_EQ(x.v.lines, 2);
  fake_sink_clear(&x.f[0]);
  fanout_close(&x);
}

/* "0," becomes the 8 bytes of a double. */
TEST(transcode_logs_a_message_that_is_too_large_as_protobuf) {
  enum { NUMBERS = 2 * 1024 * 1024 + 1 };
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, "{\"onX\":{\"repeated double x\":1}}", "");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  char *body = malloc(2 * NUMBERS + 16), *at = body + sprintf(body, "{\"x\":[0");
  for (int i = 1; i < NUMBERS; i++) at = (char *)memcpy(at, ",0", 2) + 2;
  memcpy(at, "]}", 3);
  forms_body(&x, body);
  free(body);
  forms_push(&x, "ann");
  CHECK_EQ(x.f[0].frames, 0);
  CHECK_EQ(x.f[0].closes, 0);
  CHECK(strstr(x.v.log, "16 MiB"));
  fanout_close(&x);
}

static void respond(fanout *x, const char *route, const char *body) {
  pml_message_view m = {.type = PML_MSG_RESPONSE, .id = 5};
  pml_writer w = {0};
  pml_frame_begin(&w);
  pml_message_write_head(&w, &m);
  pml_writer_put(&w, body, strlen(body));
  pml_buf *frame = pml_frame_end(&w, PML_PKG_DATA);
  pml__transcode_respond(x->v.node, x->s[0], pml_slice_str(route), frame);
  pml_buf_unref(frame);
}

TEST(transcode_answers_by_the_route_of_the_request) {
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, "{\"a.b.c\":{\"required uInt32 x\":1,\"optional int32 code\":3}}", "");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  respond(&x, "a.b.c", "{\"x\":1}");
  forms_expect(&x.f[0], "\4\5\10\1", 4);
  respond(&x, "a.b.d", "{\"x\":1}");
  forms_expect(&x.f[0], "\4\5{\"x\":1}", 9);
  respond(&x, "a.b.c", "{\"code\":500}"); /* without what is required */
  forms_expect(&x.f[0], "\4\5\30\xe8\7", 5);
  CHECK_EQ(x.v.lines, 0);
  respond(&x, "a.b.c", "{\"x\":\"one\"}"); /* does not fit: code 500 */
  forms_expect(&x.f[0], "\4\5\30\xe8\7", 5);
  CHECK(strstr(x.v.log, "serverProtos[\"a.b.c\"]"));
  forms_choose(&x, 0, PML_FORM_PROTOS | PML_FORM_JSON_RESPONSES);
  respond(&x, "a.b.c", "{\"x\":1}");
  forms_expect(&x.f[0], "\4\5{\"x\":1}", 9);
  CHECK_EQ(x.f[0].closes, 0);
  fanout_close(&x);
}

TEST(transcode_closes_a_client_that_no_error_can_be_told) {
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, "{\"a.b.c\":{\"optional uInt32 x\":1}}", "");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  respond(&x, "a.b.c", "{\"code\":500}");
  CHECK_EQ(x.f[0].frames, 0);
  CHECK_EQ(x.f[0].closes, 1);
  CHECK(strstr(x.v.log, "a.b.c"));
  respond(&x, "a.b.c", "{\"x\":1}");
  CHECK_EQ(x.f[0].frames, 0);
  fanout_close(&x);
}

static int receive(fanout *x, const char *route, const char *bytes, size_t n, const char *want) {
  pml_message_view m = {.route = pml_slice_str(route), .body = pml_slice_of(bytes, n)};
  pml_buf *held;
  int rc = pml__transcode_receive(x->v.node, x->s[0], &m, &held);
  if (rc == 0) CHECK_BYTES(m.body.p, m.body.n, want);
  pml_buf_unref(held);
  return rc;
}

TEST(transcode_decodes_with_the_definitions_that_the_client_holds) {
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, "", "{\"a.b.c\":{\"optional uInt32 old\":1}}");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  CHECK_EQ(receive(&x, "a.b.c", "\10\1", 2, "\10\1"), 0); /* it holds none */
  forms_choose(&x, 0, PML_FORM_PROTOS);
  forms_protos(x.v.node, "", "{\"a.b.c\":{\"optional uInt32 new\":1}}");
  CHECK_EQ(receive(&x, "a.b.c", "\10\1", 2, "{\"old\":1}"), 0);
  CHECK_EQ(receive(&x, "a.b.c", "", 0, "{}"), 0);
  CHECK_EQ(receive(&x, "a.b.d", "{}", 2, "{}"), 0);
  CHECK_EQ(receive(&x, "a.b.c", "\10", 1, ""), PML_EPROTO);
  CHECK_EQ(receive(&x, "a.b.c", "\15\1", 2, ""), PML_EPROTO);
  fanout_close(&x);
}

TEST(transcode_refuses_a_body_whose_text_is_much_longer_than_a_package) {
  fanout x;
  fanout_open(&x, 1);
  pml_node_config(x.v.node)->package_after = 1000;
  forms_protos(x.v.node, "",
               "{\"a.b.c\":{\"message Wish\":{\"optional uInt32 aNameOfTwentyFiveLetters\":1},"
               "\"repeated Wish wishes\":1}}");
  fanout_clients(&x, (const char *const[]){"ann"}, 1);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  char bytes[900];
  for (size_t i = 0; i < sizeof bytes; i += 4) memcpy(bytes + i, "\12\2\10\1", 4);
  pml_message_view m = {.route = pml_slice_str("a.b.c"), .body = pml_slice_of(bytes, 400)};
  pml_buf *held;
  CHECK_EQ(pml__transcode_receive(x.v.node, x.s[0], &m, &held), 0); /* 100 of 31 letters */
  CHECK(m.body.n > 3000 && m.body.n <= 4000);
  pml_buf_unref(held);
  CHECK_EQ(receive(&x, "a.b.c", bytes, sizeof bytes, ""), PML_EPROTO);
  fanout_close(&x);
}

TEST(transcode_makes_one_form_of_those_that_do_not_differ) {
  fanout x;
  fanout_open(&x, 1);
  forms_protos(x.v.node, MOVE, "");
  fanout_clients(&x, (const char *const[]){"ann", "ann", "ann", "ann"}, 4);
  forms_choose(&x, 0, PML_FORM_PROTOS);
  forms_choose(&x, 1, PML_FORM_PROTOS | PML_FORM_JSON_RESPONSES); /* the same for pushes */
  forms_choose(&x, 2, PML_FORM_PROTOS | PML_FORM_CESU8);
  forms_choose(&x, 3, PML_FORM_PROTOS | PML_FORM_CESU8 | PML_FORM_JSON_RESPONSES);
  const struct {
    const char *body;
    int same;
  } rows[] = {{"{\"x\":1,\"s\":\"\\u4f60 \xe4\xbd\xa0\"}", 1},
              {"{\"x\":1,\"s\":\"\\uD83D\\ude00\"}", 0},
              {"{\"x\":1,\"s\":\"\xf0\x9f\x98\x80\"}", 0}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    forms_body(&x, rows[i].body);
    forms_push(&x, "ann");
    CHECK(x.f[0].frame[0] == x.f[1].frame[0]);
    CHECK(x.f[2].frame[0] == x.f[3].frame[0]);
    CHECK_EQ(x.f[0].frame[0] == x.f[2].frame[0], rows[i].same);
    for (int k = 0; k < 4; k++) fake_sink_clear(&x.f[k]);
  }
  fanout_close(&x);
}
