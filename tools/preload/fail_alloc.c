/* fail_alloc: allocations that LuaJIT asks for fail, as they do when a process is at its limit.
 * What C asks for is left alone: without memory for its own tables a server ends, by design
 * (base/mem). */
#include "switch.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

static uintptr_t lua_from, lua_to;
static size_t least;

static int find_lua(struct dl_phdr_info *object, size_t size, void *ud) {
  (void)size, (void)ud;
  if (!strstr(object->dlpi_name, "libluajit")) return 0;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    lua_from = object->dlpi_addr + part->p_vaddr;
    lua_to = lua_from + part->p_memsz;
  }
  return 1;
}

__attribute__((constructor)) static void start(void) {
  const char *n = getenv("FAULT_LEAST");
  least = n ? (size_t)atoi(n) : 0;
  dl_iterate_phdr(find_lua, NULL);
}

/* Whether the call that returns to `to` is LuaJIT's, and fails. */
static int fails(void *to, size_t n) {
  uintptr_t at = (uintptr_t)to;
  if (!switch_on || n < least || at < lua_from || at >= lua_to || !switch_hit()) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t n) {
  REAL(malloc);
  return fails(__builtin_return_address(0), n) ? NULL : real(n);
}

/* A block that shrinks is not refused: no allocator does that, and LuaJIT relies on it. */
void *realloc(void *p, size_t n) {
  REAL(realloc);
  if (p && n <= malloc_usable_size(p)) return real(p, n);
  return fails(__builtin_return_address(0), n) ? NULL : real(p, n);
}
