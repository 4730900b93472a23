# qinsbench: `make repro` runs the source suite and prints the claims ledger; `make test` runs every test.
# Sources are found by folder: a new file needs no line here. SIMD files end in _avx2.c, _avx512.c or _amx.c.
BUILD ?= build
PREFIX ?= /usr/local
CC ?= cc
ifeq ($(origin CC),default)
CC := gcc
endif

include scripts/version.mk

PKGS := yaml-0.1 jansson libcrypto hdf5-serial openblas libpcre2-8 libutf8proc
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Werror
OPT ?= -O3 -g
SAN ?=
CFLAGS_ALL = -std=c17 $(OPT) $(WARN) $(SAN) -ffp-contract=off -fno-math-errno -fvisibility=hidden -fPIC -pthread
CPPFLAGS_ALL = -D_GNU_SOURCE -Iharness -I. -DQB_VERSION='"$(VERSION)"' -DQB_BUILD_FLAGS='"$(CC) $(CFLAGS_ALL)"' -MMD -MP
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)
LDLIBS_ALL = $(PKG_LIBS) -ldl -lm -pthread

avx2_flags = -mavx2 -mfma -mf16c
avx512_flags = $(avx2_flags) -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl
amx_flags = $(avx512_flags) -mamx-tile -mamx-bf16
simd_flags = $(foreach level,avx2 avx512 amx,$(if $(filter %_$(level).c,$(1)),$($(level)_flags)))

LIB_SRC := $(sort $(wildcard harness/base/*.c harness/codec/*.c harness/compute/*.c harness/weights/*.c \
	harness/arch/*.c harness/tokenizer/*.c harness/model/*.c harness/metric/*.c harness/store/*.c harness/gate/*.c harness/run/*.c experiments/*.c reports/*.c))
CLI_SRC := $(sort $(wildcard harness/cli/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/obj/%.o)
CODECS := $(sort $(notdir $(patsubst %/,%,$(wildcard codecs/*/))))
CODEC_SO := $(CODECS:%=$(BUILD)/codecs/%.so)

# The program and the codecs, under build/.
all: $(BUILD)/qinsbench codecs
codecs: $(CODEC_SO)

# Says what targets there are.
help:
	@echo "usage: make [TARGET] [JOBS=N] [BUILD=folder] [PREFIX=folder]"; echo
	@scripts/make_help.sh $(firstword $(MAKEFILE_LIST))

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(PKG_CFLAGS) $(CFLAGS_ALL) $(call simd_flags,$<) -c $< -o $@

$(BUILD)/libqinsbench.a: $(LIB_OBJ) $(BUILD)/compute_version.o
	rm -f $@; ar rcs $@ $^

# What content keys cover of the program; written anew only when that changes.
$(BUILD)/compute_version.c: FORCE
	@mkdir -p $(@D)
	@version=$$(scripts/compute_version.sh "$$($(CC) --version | head -n 1) $(CFLAGS_ALL) $(avx2_flags) $(avx512_flags) $(amx_flags)") && \
	code="const char *qb_compute_version(void) { return \"$$version\"; }" && \
	{ printf '%s\n' "$$code" | cmp -s - $@ || printf '%s\n' "$$code" > $@; }
$(BUILD)/compute_version.o: $(BUILD)/compute_version.c
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/qinsbench: $(CLI_OBJ) $(BUILD)/libqinsbench.a
	$(CC) $(SAN) -o $@ $(CLI_OBJ) $(BUILD)/libqinsbench.a $(LDLIBS_ALL)

# A codec sees codec.h and the codec_*.h beside it: its include path holds no other header of the harness. Beside the
# folders of codecs lies what several share.
PUBLIC_H := $(addprefix $(BUILD)/include/,codec.h codec_util.h codec_block.h codec_table.h codec_scaled.h)
$(PUBLIC_H): $(BUILD)/include/%: harness/codec/%
	@mkdir -p $(@D); cp $< $@
$(BUILD)/obj/codecs/%.o: codecs/%.c $(BUILD)/flags $(PUBLIC_H)
	@mkdir -p $(@D)
	$(CC) -I$(BUILD)/include -Icodecs -MMD -MP $(CFLAGS_ALL) $(call simd_flags,$<) -c $< -o $@
define codec_rule
$(BUILD)/codecs/$(1).so: $(patsubst %.c,$(BUILD)/obj/%.o,$(sort $(wildcard codecs/$(1)/*.c)))
	@mkdir -p $$(@D)
	$$(CC) $(SAN) -shared -o $$@ $$^ -lm
endef
$(foreach c,$(CODECS),$(eval $(call codec_rule,$(c))))

# Tests: each tests/<tier>/test_*.c is one Criterion program.
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c tests/kernels/test_*.c tests/conformance/test_*.c tests/golden/test_*.c))
TEST_BIN := $(TEST_SRC:tests/%.c=$(BUILD)/tests/%)
LONG_BIN := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/long/test_*.c)))
$(BUILD)/tests/%: tests/%.c $(BUILD)/libqinsbench.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(PKG_CFLAGS) $(CFLAGS_ALL) -Itests $< $(TEST_OBJ) -o $@ $(BUILD)/libqinsbench.a $(LDLIBS_ALL) -lcriterion
# A codec's kernels are not in the library: their test links them.
$(BUILD)/tests/kernels/test_qins8_kernels: TEST_OBJ = $(filter %.o,$^)
$(BUILD)/tests/kernels/test_qins8_kernels: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard codecs/qins8/*.c))
tests: $(TEST_BIN) $(BUILD)/tests/fuzz/replay
long: $(LONG_BIN)

# ---- plugins that the conformance tests load: planted faults, and the example from outside by its own Makefile ----

PLANTED := $(patsubst tests/conformance/%.c,$(BUILD)/%.so,$(sort $(wildcard tests/conformance/planted/*.c)))
$(BUILD)/planted/%.so: tests/conformance/planted/%.c tests/conformance/planted/planted.h $(PUBLIC_H) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -I$(BUILD)/include $(filter-out $(SAN),$(CFLAGS_ALL)) -shared $< -o $@ -lm
$(BUILD)/outside/example.so: tests/conformance/outside/example.c tests/conformance/outside/Makefile $(BUILD)/include/codec.h
	@mkdir -p $(@D)
	$(MAKE) -C tests/conformance/outside CC="$(CC)" CODEC_H=$(abspath $(BUILD)/include) OUT=$(abspath $@)
planted: $(PLANTED) $(BUILD)/outside/example.so

# ---- fuzzing (docs/fuzzing.md): tests/fuzz as a program that replays files, and under libFuzzer by clang ----

FUZZ_SRC := $(sort $(wildcard tests/fuzz/*.c))
FUZZ_DEPS := $(FUZZ_SRC) tests/fuzz/fuzz.h tests/model_files.h tests/readers.h
FUZZ_CC = $(CC) $(CPPFLAGS_ALL) $(PKG_CFLAGS) $(CFLAGS_ALL) -Itests
$(BUILD)/tests/fuzz/replay: $(FUZZ_DEPS) $(BUILD)/libqinsbench.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(FUZZ_CC) -DFUZZ_REPLAY $(FUZZ_SRC) -o $@ $(BUILD)/libqinsbench.a $(LDLIBS_ALL)
$(BUILD)/tests/fuzz/fuzz $(BUILD)/tests/fuzz/planted: $(BUILD)/tests/fuzz/%: $(FUZZ_DEPS) $(BUILD)/libqinsbench.a $(BUILD)/flags
	@mkdir -p $(@D)
	$(FUZZ_CC) $(if $(filter planted,$*),-DFUZZ_PLANTED) -fsanitize=fuzzer $(FUZZ_SRC) -o $@ $(BUILD)/libqinsbench.a $(LDLIBS_ALL)
fuzzers: codecs $(BUILD)/tests/fuzz/fuzz $(BUILD)/tests/fuzz/planted

# Fuzzes the readers of strangers' files, 60 s each: make fuzz, make fuzz T=gguf TIME=3600.
fuzz:
	@scripts/setup.sh test lint
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=build-fuzz CC=clang OPT="-O1 -g -fno-omit-frame-pointer" \
		SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" fuzzers
	@BUILD=$(BUILD) TIME=$(or $(TIME),60) tests/fuzz/run.sh $(T)

# ---- the README's two commands ----

RESULTS ?= results
JOBS ?= $(shell nproc)

# Installs the Debian packages that build and tests need.
setup:
	@scripts/setup.sh build test

# Sets up, builds, runs the source suite, prints the claims ledger, draws the figures.
repro:
	@scripts/setup.sh build
	@$(MAKE) --no-print-directory -s -j$(JOBS) all
	@scripts/repro.sh $(BUILD)/qinsbench $(RESULTS)

# Fetches SmolLM2-135M-Instruct for suite `real`.
models:
	@scripts/models.sh

# Sets up and runs every test that a change must pass.
test:
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory -s -j$(JOBS) all tests planted
	@BUILD=$(BUILD) tests/run.sh

ifeq ($(filter check,$(MAKECMDGOALS))$(strip $(T)),check)
$(error check: no test is named: make check T=unit/test_text)
endif
# Builds and runs the tests that T names: make check T=unit/test_text, T="cli/gate golden/test_kv".
check: all planted $(if $(filter cli/fuzz_inputs,$(T)),$(BUILD)/tests/fuzz/replay) $(patsubst %,$(BUILD)/tests/%,$(filter-out cli/%,$(T)))
	@BUILD=$(BUILD) tests/run.sh $(T)

# The long rest: other seeds, fuzzing, kill -9 at many moments.
test-long:
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory -s -j$(JOBS) all tests planted long
	@BUILD=$(BUILD) tests/run.sh --long

# gcc loses track of value ranges under the sanitizers and then warns of truncation that cannot happen.

# Every test under the address and undefined-behaviour sanitizers.
asan:
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=build-asan OPT="-O1 -g -fno-omit-frame-pointer" \
		SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined -Wno-format-truncation" all tests planted
	@BUILD=build-asan SANITIZED=1 tests/run.sh

# Refuses warnings of clang and what clang-format would write otherwise.
lint:
	@scripts/setup.sh test lint
	@$(MAKE) --no-print-directory -s -j$(JOBS) BUILD=build-clang CC=clang all tests
	@clang-format --dry-run --Werror $(shell git ls-files '*.c' '*.h')
	@echo "lint: clean with $$(clang --version | head -n 1)"

# ---- installation ----

# Program, codecs, headers, data, manual page, documents and bash completion, under PREFIX.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/qinsbench/codecs $(DESTDIR)$(PREFIX)/lib/pkgconfig \
		$(DESTDIR)$(PREFIX)/include/qinsbench $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/qinsbench \
		$(DESTDIR)$(PREFIX)/share/doc/qinsbench/docs/examples $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/qinsbench/peers
	install $(BUILD)/qinsbench $(DESTDIR)$(PREFIX)/bin/
	install $(CODEC_SO) $(DESTDIR)$(PREFIX)/lib/qinsbench/codecs/
	install -m 644 $(PUBLIC_H:$(BUILD)/include/%=harness/codec/%) $(DESTDIR)$(PREFIX)/include/qinsbench/
	install -m 644 docs/qinsbench.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/qinsbench/
	install -m 644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/qinsbench/docs/
	install -m 644 docs/examples/* $(DESTDIR)$(PREFIX)/share/doc/qinsbench/docs/examples/
	install -m 644 data/completion/qinsbench.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/qinsbench
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' scripts/qinsbench-codec.pc.in \
		> $(DESTDIR)$(PREFIX)/lib/pkgconfig/qinsbench-codec.pc
	cp -R data/variants data/new-codec data/gate data/baselines data/claims data/models data/corpus data/shapes data/tasks experiments/suites \
		reports/figures reports/templates $(DESTDIR)$(PREFIX)/share/qinsbench/
	install -m 644 scripts/peers/llama_cpp_bench.py $(DESTDIR)$(PREFIX)/share/qinsbench/peers/

# Changing compiler or flags rebuilds everything.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(CC) $(CFLAGS_ALL) $(VERSION)' | cmp -s - $@ || printf '%s\n' '$(CC) $(CFLAGS_ALL) $(VERSION)' > $@
FORCE:

# Removes what was built.
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all help codecs tests planted long fuzzers fuzz setup repro models check test test-long asan lint install clean FORCE
