#include "script/waiter.h"

#include "test/test.h"

typedef struct {
  pml_waiter waiter;
  int *cancelled;
} wait;

static void cancel(pml_waiter *w) { ++*((wait *)(void *)w)->cancelled; }
static void cancel_other(pml_waiter *w) { (void)w; }

TEST(waiter_is_found_by_its_owner_and_ends_with_the_handle) {
  lua_State *L = luaL_newstate();
  pml_lua lua = {.L = L};
  int cancelled = 0;
  pml_waiters_end(&lua); /* harmless without one */
  CHECK(!pml_waiter_find(&lua, 1, cancel));
  CHECK_EQ(luaL_loadstring(L, "return 1"), 0);
  wait *a = pml_waiter_new(L, &lua, 1, sizeof *a, cancel);
  wait *b = pml_waiter_new(L, &lua, 1, sizeof *b, cancel);
  a->cancelled = b->cancelled = &cancelled;
  CHECK(a->waiter.id != b->waiter.id);
  CHECK(pml_waiter_find(&lua, a->waiter.id, cancel) == &a->waiter);
  CHECK(!pml_waiter_find(&lua, a->waiter.id, cancel_other));
  pml_anchor_push(L, &b->waiter.fn);
  CHECK(lua_rawequal(L, 1, -1));
  pml_waiter_free(&a->waiter);
  CHECK_EQ(cancelled, 0);
  pml_waiters_end(&lua);
  CHECK_EQ(cancelled, 1);
  lua_close(L);
}
