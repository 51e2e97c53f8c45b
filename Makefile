# Pomelua. `make run` starts the chat example, `make test` runs every test;
# both install the Debian packages they need. BUILD and CC may be given.

BUILD  ?= build
CC      = gcc
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g
SAN    ?=
DIST   ?= build/dist
COMPDB ?= compile_commands.json
JOBS   ?= $(shell nproc)
VERSION = $(shell sed -n 's/^.define PML_VERSION "\(.*\)"/\1/p' core/base/version.h)

PKGS   := luajit libuv libmicrohttpd libcrypto liburing
# What is linked into programs only; a sanitizer brings an allocator of its own.
ALLOC   = $(if $(SAN),,jemalloc)
WARN   := -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes
# Recursive on purpose: `make deps` may install what pkg-config is asked for.
INCS    = -Icore $(shell pkg-config --cflags $(PKGS))
LIBS    = $(shell pkg-config --libs $(PKGS)) -lm
SOLIBS  = $(shell pkg-config --libs $(filter-out luajit,$(PKGS))) -lm
TESTFLAGS = -Wno-missing-prototypes -DPML_TEST -DPML_SLOT_BITS=4 -I$(BUILD)/test
FLAGS   = $(CFLAGS) -std=c11 -D_GNU_SOURCE -pthread $(WARN) $(INCS) $(SAN)

# A path as one word of the shell's, whatever is in it.
quoted = '$(subst ','\'',$(1))'

LAYERS := base wire model loop net bus node host script bind
SRC    := $(foreach l,$(LAYERS),$(wildcard core/$(l)/*.c))
TESTS  := $(wildcard core/test/*.c)
OBJ    := $(SRC:core/%.c=$(BUILD)/obj/%.o)
PIC    := $(SRC:core/%.c=$(BUILD)/pic/%.o)
TOBJ   := $(SRC:core/%.c=$(BUILD)/t/%.o) $(TESTS:core/%.c=$(BUILD)/t/%.o)
NETOBJ := $(filter $(foreach l,base wire loop net,$(BUILD)/obj/$(l)/%),$(OBJ))
CORESO := $(BUILD)/lib/pomelua/core.so
TOOLS  := $(subst _,-,$(patsubst core/tools/%.c,$(BUILD)/%,$(wildcard core/tools/*.c))) $(BUILD)/load
LOADOBJ := $(patsubst core/%.c,$(BUILD)/obj/%.o,$(wildcard core/tools/load/*.c))
RUNNER := $(BUILD)/test/run
# Libraries that do harm to a program under test: spec/slow preloads them.
PRELOAD := $(patsubst tools/preload/%.c,$(BUILD)/preload/%.so,$(wildcard tools/preload/*.c))
LUAFILES := $(shell find lua/pomelua -type f 2>/dev/null)

FUZZSRC := $(filter core/base/% core/wire/% core/model/%,$(SRC)) core/loop/timers.c core/loop/lane.c
FUZZSAN := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
ASAN    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# The program, the Lua module and the tools.
all: $(BUILD)/pomelua $(CORESO) $(TOOLS)

# This list: every target with the comment above it.
help:
	@awk '/^# / { said = said " " substr($$0, 3); next } \
	  /^[a-z][a-z-]*%?:/ && said { name = $$1; sub(":.*", "", name); sub("%", "NAME", name); \
	    printf "make %-10s", name; wide = 15; n = split(substr(said, 2), word, " "); \
	    for (i = 1; i <= n; i++) { if (wide + length(word[i]) > 94) { printf "\n%15s", ""; wide = 15 } \
	      printf " %s", word[i]; wide += length(word[i]) + 1 } print "" } \
	  { said = "" }' Makefile

# Installs the missing Debian packages of `make run`.
deps:
	@tools/deps.sh run

# The chat example, on http://127.0.0.1:3001/.
run:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	$(BUILD)/pomelua start examples/chat

# C tests and specs. T=name runs the C tests whose name holds it, and no specs.
test:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all $(RUNNER)
	@BUILD=$(BUILD) tools/test.sh $(T)

# What takes longer: spec/slow, all that clients see without io_uring, and specs under a collector
# that never rests.
slow:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all $(PRELOAD)
	@BUILD=$(BUILD) tools/test.sh slow

# The same under AddressSanitizer and UndefinedBehaviorSanitizer.
asan:
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS="-O1 -g" SAN="$(ASAN)" test

# The C tests under ThreadSanitizer. It keeps signals back until the thread calls into libc, so
# of the tests that stop a script only those take part whose scripts do.
tsan:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) BUILD=build/tsan CFLAGS="-O1 -g" SAN=-fsanitize=thread \
	  build/tsan/test/run
	@build/tsan/test/run budget_stops_coroutines budget_stops_work budget_stops_a_sort \
	  $$(sed 's/T(\(.*\))/\1/' build/tsan/test/tests.inc | grep -v -e ^budget_ -e ^limit_stops_ \
	    -e ^script_call_runs_in_the_budget)

# One fuzzer, core/fuzz/fuzz_NAME.c: make fuzz-NAME SECONDS=60
fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/corpus/$*
	build/fuzz/fuzz_$* -max_total_time=$(or $(SECONDS),60) -print_final_stats=1 -timeout=10 \
	  -artifact_prefix=build/corpus/$*- build/corpus/$* $(wildcard core/fuzz/corpus/$*)

# The table of docs/performance.md, measured here: QUICK=1 in a minute, REPEATS=N, POMELO=0.
bench:
	@tools/deps.sh run
	@$(MAKE) --no-print-directory -j$(JOBS) all
	luajit bench/run.lua $(BUILD)

# A small game under clients that come and go, reloads and restarts, for MINUTES=20; status 1 when
# anything is lost, doubled or misdirected.
soak:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	POMELUA_BUILD=$(BUILD) luajit tools/soak.lua

# codespell, luacheck, both compilers with -Werror, and the layout of the C files.
lint: $(BUILD)/test/tests.inc
	@tools/deps.sh test
	luacheck -q lua spec examples tools $(wildcard bench)
	@tools/lint.sh $(INCS) $(WARN)

# Lays out the C files as .clang-format says.
format:
	clang-format -i $(wildcard core/*.[ch] core/*/*.[ch] core/*/*/*.[ch])

# compile_commands.json, for clangd and other editors: how each C file is compiled.
compdb:
	@{ for f in $(SRC) core/main.c $(wildcard core/tools/*.c core/tools/*/*.c); do \
	  echo "{\"directory\": \"$(CURDIR)\", \"file\": \"$$f\","; \
	  echo " \"command\": \"$(CC) $(FLAGS) -c $$f\"},"; done; \
	  for f in $(TESTS) $(wildcard core/fuzz/*.c); do \
	  echo "{\"directory\": \"$(CURDIR)\", \"file\": \"$$f\","; \
	  echo " \"command\": \"$(CC) $(FLAGS) $(TESTFLAGS) -c $$f\"},"; \
	  done; } | sed -e '1s/^/[/' -e '$$s/,$$/]/' > $(COMPDB)

# In DIST, build/dist: the sources of HEAD as an archive, and the rockspec of this version for it.
dist:
	@mkdir -p $(DIST)
	git archive --prefix=pomelua-$(VERSION)/ -o $(DIST)/pomelua-$(VERSION).tar.gz HEAD
	sed -e 's/"scm-1"/"$(VERSION)-1"/' \
	  -e 's|"git+file://.*"|"file://$(abspath $(DIST))/pomelua-$(VERSION).tar.gz"|' \
	  rockspec/pomelua-scm-1.rockspec > $(DIST)/pomelua-$(VERSION)-1.rockspec

# The moving picture of the README, recorded anew in Chromium.
film:
	@tools/deps.sh test
	@$(MAKE) --no-print-directory -j$(JOBS) all
	BUILD=$(BUILD) tools/film.sh

# Into DESTDIR/PREFIX: the program, its man page, the Lua half, and the module for LuaJIT.
install: all
	@$(MAKE) --no-print-directory install-rock \
	  BINDIR=$(call quoted,$(DESTDIR)$(PREFIX)/bin) \
	  LUADIR=$(call quoted,$(DESTDIR)$(PREFIX)/share/pomelua/lua) \
	  LIBDIR=$(call quoted,$(DESTDIR)$(PREFIX)/lib/lua/5.1) \
	  LOAD=$(call quoted,$(DESTDIR)$(PREFIX)/share/pomelua/load) \
	  MANDIR=$(call quoted,$(DESTDIR)$(PREFIX)/share/man/man1)

# What the rock holds: the program into BINDIR, the Lua half with the template of a game
# into LUADIR, the module into LIBDIR; the load generator beside the program, and the man page
# where `luarocks doc` looks, unless LOAD and MANDIR say otherwise.
LOAD   ?= $(BINDIR)/pomelua-load
MANDIR ?= $(BINDIR)/../doc
rock: $(BUILD)/pomelua $(CORESO) $(BUILD)/load
install-rock: rock
	install -D -m 755 $(BUILD)/pomelua $(call quoted,$(BINDIR)/pomelua)
	install -D -m 755 $(CORESO) $(call quoted,$(LIBDIR)/pomelua/core.so)
	for f in $(LUAFILES); do \
	  install -D -m 644 $$f $(call quoted,$(LUADIR)/)$${f#lua/} || exit 1; done
	install -D -m 644 examples/chat/web/pomelua.js \
	  $(call quoted,$(LUADIR)/pomelua/template/web/pomelua.js)
	install -D -m 755 $(BUILD)/load $(call quoted,$(LOAD))
	install -D -m 644 docs/pomelua.1 $(call quoted,$(MANDIR)/pomelua.1)

# Removes everything that was built.
clean:
	rm -rf build

$(BUILD)/pomelua: $(OBJ) $(BUILD)/obj/main.o
	$(CC) $(SAN) -pthread -o $@ $^ -Wl,-E $(ALLOC:%=-l%) $(LIBS)

$(CORESO): $(PIC)
	@mkdir -p $(@D)
	$(CC) $(SAN) -pthread -shared -o $@ $^ $(SOLIBS)

$(BUILD)/load: $(LOADOBJ) $(NETOBJ)
	$(CC) $(SAN) -pthread -o $@ $^ $(ALLOC:%=-l%) $(SOLIBS)

# core/tools/ws_echo.c becomes ws-echo.
.SECONDEXPANSION:
$(filter-out $(BUILD)/load,$(TOOLS)): $(BUILD)/obj/tools/$$(subst -,_,$$(@F)).o $(NETOBJ)
	$(CC) $(SAN) -pthread -o $@ $^ $(ALLOC:%=-l%) $(SOLIBS)

$(RUNNER): $(TOBJ)
	$(CC) $(SAN) -pthread -o $@ $^ -Wl,-E $(LIBS)

$(BUILD)/test/tests.inc: $(TESTS) core/test
	@mkdir -p $(@D)
	@cat core/test/test_*.c | sed -n 's/^TEST\(([a-z0-9_]*)\).*/T\1/p' > $@

$(BUILD)/t/test/runner.o: $(BUILD)/test/tests.inc
$(BUILD)/t/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(TESTFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/pic/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) -fPIC -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(ALLOC:%=-DPML_JEMALLOC) -MMD -MP -c -o $@ $<

$(BUILD)/preload/%.so: tools/preload/%.c tools/preload/switch.h
	@mkdir -p $(@D)
	$(CC) -O1 -g -std=c11 -D_GNU_SOURCE -pthread $(WARN) -Wno-missing-prototypes -shared -fPIC -o $@ $< -ldl

# fuzz_json reads what scripts read: it needs LuaJIT and the bindings of JSON.
build/fuzz/fuzz_json: FUZZLIBS = $(shell pkg-config --libs luajit)
build/fuzz/fuzz_json: $(patsubst core/%.c,build/fuzz/%.o,$(wildcard core/script/call.c core/script/json.c core/script/json_number.c core/script/json_string.c core/script/json_text.c core/bind/l_json.c))
# fuzz_stack runs all that stands under the scripts, over real sockets.
STACKSRC := $(filter core/loop/% core/net/% core/bus/% core/node/%,$(SRC))
build/fuzz/fuzz_stack: FUZZLIBS = $(shell pkg-config --libs libuv liburing)
build/fuzz/fuzz_stack: $(STACKSRC:core/%.c=build/fuzz/%.o)
build/fuzz/fuzz_%: build/fuzz/fuzz/fuzz_%.o $(FUZZSRC:core/%.c=build/fuzz/%.o)
	clang $(FUZZSAN) -pthread -o $@ $^ $(FUZZLIBS) $(shell pkg-config --libs libcrypto) -lm

build/fuzz/%.o: core/%.c
	@mkdir -p $(@D)
	clang $(FLAGS) -Wno-missing-prototypes -O1 $(FUZZSAN) -DPML_SLOT_BITS=4 -MMD -MP -c -o $@ $<

.PHONY: all help film compdb dist deps run test slow asan tsan bench soak lint format install rock install-rock clean
.PRECIOUS: build/fuzz/fuzz_% build/fuzz/%.o
-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d build/fuzz/*/*.d)
