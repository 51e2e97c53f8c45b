#include "script/log_ways.h"

#include "base/err.h"
#include "test/test.h"
#include "test/virtual.h"

#include <stdio.h>

static char lines[20][100];
static int count;

static void keep(pml_level level, const char *text, void *ud) {
  (void)ud;
  if (count < 20) snprintf(lines[count++], sizeof lines[0], "%d %s", level, text);
}

TEST(log_ways_are_logs_of_their_own_and_the_servers_log_is_as_before_at_the_end) {
  pml_loop *l = pml_loop_new_virtual();
  pml_node_options o = {.id = "x-1", .type = "x"};
  pml_log_init(&o.log, "x-1", PML_INFO, 0);
  o.log.on_line = keep;
  pml_lua lua = {.node = pml_node_new(l, &o)};
  const char *bad = NULL;
  pml_log_ways_end(&lua); /* harmless without one */
  CHECK(pml_log_ways_at(&lua, 0) == pml_node_log(lua.node));
  CHECK(pml_log_ways_at(&lua, 1) == NULL);
  /* A virtual node opens no file. */
  pml_log_wish pay = {.category = "pay", .level = PML_DEBUG, .file = {"/no/such"}, .files = 1};
  pml_log_wish own = {.category = "", .level = PML_WARN, .console = 1};
  CHECK_EQ(pml_log_ways_set(&lua, &pay, &bad), 1);
  CHECK_EQ(pml_log_ways_set(&lua, &own, &bad), 0);
  CHECK_EQ(pml_log_ways_set(&lua, &pay, &bad), 1);
  pml_log_write(pml_log_ways_at(&lua, 1), PML_DEBUG, "paid");
  pml_log_write(pml_node_log(lua.node), PML_INFO, "below the level");
  pml_log_write(pml_node_log(lua.node), PML_WARN, "own");
  CHECK_EQ(count, 2);
  CHECK(strcmp(lines[0], "0 [pay] paid") == 0);
  CHECK(strcmp(lines[1], "2 own") == 0);
  for (int i = 2; i <= PML_LOG_WAYS; i++) {
    char name[16];
    snprintf(name, sizeof name, "c%d", i);
    pml_log_wish more = {.category = name, .level = PML_INFO};
    CHECK_EQ(pml_log_ways_set(&lua, &more, &bad), i);
  }
  pml_log_wish more = {.category = "more"};
  CHECK_EQ(pml_log_ways_set(&lua, &more, &bad), PML_EFULL);
  pml_log_ways_end(&lua);
  CHECK_EQ(pml_node_log(lua.node)->level, PML_INFO);
  CHECK(pml_node_log(lua.node)->way == NULL);
  pml_node_free(lua.node);
  pml_loop_free(l);
}

TEST(log_ways_name_the_file_that_cannot_be_opened) {
  pml_loop *l = pml_loop_new_virtual();
  pml_node_options o = {.id = "x-1", .type = "x"};
  pml_log_init(&o.log, "x-1", PML_INFO, 0);
  pml_lua lua = {.node = pml_node_new(l, &o), .log_files = pml_log_files_new(1 << 20, 0)};
  const char *bad = NULL;
  pml_log_wish pay = {.category = "pay", .file = {"/dev/null", "/dev/null/x"}, .files = 2};
  CHECK_EQ(pml_log_ways_set(&lua, &pay, &bad), PML_EINVAL);
  CHECK(strcmp(bad, "/dev/null/x") == 0);
  CHECK(pml_log_ways_at(&lua, 1) == NULL);
  pml_log_files_free(lua.log_files);
  pml_node_free(lua.node);
  pml_loop_free(l);
}
