# Makefile of io_msg, for PGXS
#
#   make                    build the extension
#   make install            install it for the server of $(PG_CONFIG)
#   make installcheck       test it on a running server that preloads io_msg
#   make sandbox            build sandbox/io-sandbox, the local IO
#   make unit               build and run the unit tests of src/core and http.c
#
#   PG_CONFIG=/path/to/pg_config   which server (default: the one in PATH)
#   WERROR=1                       warnings are errors
#   FAULTS=1                       with the points of src/fault.c, for tests only
#
# script/test runs everything on a throw-away server and installs nothing.

EXTENSION = io_msg
MODULE_big = io_msg

# The control file is the one place where the version stands.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" $(EXTENSION).control)

# What makes things go wrong on purpose is in no ordinary library.
FAULT_SOURCES = src/fault.c src/http_fault.c
SOURCES := $(sort $(wildcard src/*.c src/core/*.c))
ifneq ($(FAULTS),1)
SOURCES := $(filter-out $(FAULT_SOURCES),$(SOURCES))
endif
OBJS = $(SOURCES:.c=.o)

# sql/io_msg.sql is the schema of this version, with the files that it names
# by \ir put in their places; upgrade scripts stand beside it as
# sql/io_msg--A--B.sql.
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)
SCHEMA = $(filter-out sql/$(EXTENSION)--%,$(wildcard sql/*.sql))

PG_CPPFLAGS = -Isrc -DIOMSG_VERSION='"$(EXTVERSION)"' \
	'-DPGDLLEXPORT=__attribute__((visibility("default")))' \
	$(shell curl-config --cflags) -MMD -MP
PG_CFLAGS = -fvisibility=hidden -Wextra -Wno-unused-parameter \
	-Wno-sign-compare -Werror=implicit-function-declaration
SHLIB_LINK = $(shell curl-config --libs)

ifeq ($(FAULTS),1)
PG_CPPFLAGS += -DIOMSG_FAULTS
endif

# clang does not know all of the flags that a server built with gcc hands on.
ifneq (,$(findstring clang,$(CC)))
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes
endif
ifeq ($(WERROR),1)
PG_CFLAGS += -Werror
endif

# pg_regress and isolation look for expected/ beside sql/ and specs/.
REGRESS = $(sort $(basename $(notdir $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --load-extension=io_msg
REGRESS_PREP = test/expected
ISOLATION = $(sort $(basename $(notdir $(wildcard test/specs/*.spec))))
ISOLATION_OPTS = --inputdir=test --load-extension=io_msg
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = test/expected $(OBJS:.o=.d) $(FAULT_SOURCES:.c=.o) \
	$(FAULT_SOURCES:.c=.d) $(DATA_built).new results output_iso

# No bitcode: it would ask for the server's clang at build time, and nothing
# here is worth inlining into a query.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A changed header, version or flag rebuilds what depends on it.
-include $(OBJS:.o=.d)
$(OBJS): Makefile $(EXTENSION).control

sql/$(EXTENSION)--$(EXTVERSION).sql: sql/$(EXTENSION).sql $(SCHEMA) \
		$(EXTENSION).control
	awk '$$1 != "\\ir" {print; next} \
		{n = 0; while ((getline line < ("sql/" $$2)) > 0) {print line; n++}} \
		n == 0 {print "nothing in sql/" $$2 >"/dev/stderr"; exit 1}' $< >$@.new
	mv $@.new $@

test/expected:
	ln -s ../expected $@

# The TAP tests talk to the local IO.
ifneq ($(TAP_TESTS),)
installcheck: sandbox
endif

.PHONY: sandbox unit print-cflags
sandbox:
	$(MAKE) -C sandbox

unit:
	$(MAKE) -C test/unit check

# The flags of a compilation, for the static analysers.
print-cflags:
	@printf '%s\n' $(CPPFLAGS) $(filter -std=% -W%,$(PG_CFLAGS))
