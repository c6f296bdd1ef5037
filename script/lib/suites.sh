# suites.sh: the suites of script/test, sourced by it.
#
# Each appends "passed failed name" lines to $counts and leaves the logs of
# what failed in $failed_dir.  Each has a deadline many times its usual
# duration, so that a hang is a failure.

# One failure that is no test's: a build, a server that does not start.
fail()
{
	echo "  FAILED  $1"
	echo "0 1 $1" >>"$counts"
}

# run_suites SPEC…: a spec is a suite or suite:files.  The specs of a suite are
# run together.
run_suites()
{
	local suite spec files

	for suite in style unit model fuzz regress isolation tap faults campaign hostile \
		valgrind mutants-small mutants; do
		files=()
		case " $* " in *" $suite "*|*" $suite:"*) ;; *) continue ;; esac
		for spec in "$@"; do
			[ "${spec%%:*}" = "$suite" ] && [ "$spec" != "$suite" ] &&
				files+=("${spec#*:}")
		done
		echo "$suite"
		lines_before=$(wc -l <"$counts")
		"suite_${suite//-/_}" ${files[@]+"${files[@]}"}
		# Nothing run is not a success.
		if [ "$(wc -l <"$counts")" -eq "$lines_before" ]; then
			fail "$suite: no test was run"
		fi
	done
}

# Words with * become the files that they match.
expand()
{
	local word

	for word in "$@"; do
		# shellcheck disable=SC2086
		printf '%s\n' $word
	done
}

with_deadline()
{
	timeout --kill-after=20 "$@"
	local status=$?
	[ $status -ne 124 ] && [ $status -ne 137 ] ||
		echo "  the deadline of $1 s passed"
	return $status
}

# The private server with the extension and the sandbox in it, once.
need_server()
{
	if [ -z "${server_built:-}" ]; then
		build_server "$prefix" "$tree" sandbox || return
		server_built=1
	fi
	use_server "$prefix"
}

# The same with the points of src/fault.c, built in a copy of the tree: for the
# suites that have things go wrong.
need_fault_server()
{
	if [ -z "${fault_server_built:-}" ]; then
		iomsg_copy_tree "$tree" "$work/faults-tree"
		IOMSG_MAKE_FLAGS="FAULTS=1 ${IOMSG_MAKE_FLAGS:-}" \
			build_server "$work/faults-prefix" "$work/faults-tree" || return
		make -s -j2 -C "$tree" sandbox || { fail "sandbox"; return 1; }
		fault_server_built=1
	fi
	use_server "$work/faults-prefix"
}

# build_server PREFIX TREE [sandbox]
build_server()
{
	local log=$failed_dir/build.log root=$1
	shift

	echo "  building"
	PG_CONFIG=$system_pg_config
	if ! { iomsg_make_prefix "$root" && iomsg_build "$@"; } \
		>"$log" 2>&1; then
		tail -n 30 "$log"
		fail "build"
		return 1
	fi
	rm -f "$log"
}

# Whose programs the suites that follow run.
use_server()
{
	PG_CONFIG=$system_pg_config
	PATH=$system_path
	iomsg_use_prefix "$1" || return
	pgxs=$("$PG_CONFIG" --pgxs)
	pgxs=${pgxs%/makefiles/pgxs.mk}
}

run_tap()
{
	local name=$1 deadline=$2 jobs=$3 file
	shift 3

	if ! with_deadline "$deadline" perl script/lib/run_tap.pl --jobs "$jobs" \
		--counts "$counts" --logs "$failed_dir/$name" "$@"; then
		for file in "$@"; do
			grep -q " $file\$" "$counts" ||
				fail "$file (did not run to its end)"
		done
	fi
}

suite_style()
{
	local files

	mapfile -t files < <(expand "${@:-test/style/*.pl}")
	run_tap style 1800 1 "${files[@]}"
}

suite_unit()
{
	local log=$failed_dir/unit-build.log files

	echo "  building"
	# A program that does not build is a failure; the others still run.
	if with_deadline 900 make -s -k -j2 -C test/unit all >"$log" 2>&1; then
		rm -f "$log"
	else
		grep -E 'rror' "$log" | head -n 20
		fail "unit: build"
	fi
	# unit:core_polls stands for its program.
	mapfile -t files < <(expand "${@:-test/unit/build/*.t}" |
		sed 's|^[^/]*$|test/unit/build/&.t|')
	[ -x "${files[0]}" ] || return
	run_tap unit 1200 "$jobs" "${files[@]}"
}

# The protocol, verified by Spin; with each defect it must not verify.
suite_model()
{
	run_tap model 900 1 test/model/verify.pl
}

# A few seconds of each fuzz target.
suite_fuzz()
{
	local log=$failed_dir/fuzz.log line

	with_deadline 3600 env FUZZ_SECONDS="${FUZZ_SECONDS:-3}" \
		FUZZ_OUT="$work/fuzz" script/fuzz "$@" | tee "$log" | sed 's/^/  /'
	while read -r line; do
		case $line in
			ok*) set -- $line; echo "1 0 fuzz:$2" >>"$counts" ;;
			FAILED*) fail "fuzz: ${line#FAILED }" ;;
		esac
	done <"$log"
	if grep -q '^FAILED' "$log"; then
		cp -r "$work/fuzz/found" "$failed_dir/fuzz-found"
	else
		rm -f "$log"
	fi
}

suite_tap()
{
	local files

	need_server || return
	mapfile -t files < <(expand "${@:-test/t/*.pl}")
	tap_environment
	run_tap tap "${TAP_DEADLINE:-3600}" "$jobs" "${files[@]}"
	collect_server_logs tap
}

# What must hold wherever a worker ends: each fault point, each way to end.
suite_faults()
{
	local files

	need_fault_server || return
	mapfile -t files < <(expand "${@:-test/faults/*.pl}")
	tap_environment
	export PERL5LIB=$PERL5LIB:$tree/test/faults
	run_tap faults "${FAULTS_DEADLINE:-2400}" "$jobs" "${files[@]}"
	collect_server_logs faults
}

# Random load, random faults, and whether three journals agree.
suite_campaign()
{
	local rounds=${IOMSG_CAMPAIGN_ROUNDS:-20}

	need_fault_server || return
	tap_environment
	export PERL5LIB=$PERL5LIB:$tree/test/faults:$tree/test/campaign
	mkdir -p "$failed_dir/campaign"
	with_deadline $((rounds * 30 + 900)) perl test/campaign/campaign.pl \
		--counts "$counts" --logs "$failed_dir/campaign" ||
		grep -q '^0 1 campaign' "$counts" ||
		fail "campaign (did not run to its end)"
	rmdir "$failed_dir/campaign" 2>/dev/null
	return 0
}

# The servers' logs of the TAP files that failed.
collect_server_logs()
{
	local name

	awk 'NR > n && $2 {print $3}' n="$lines_before" "$counts" |
		while read -r name; do
			name=$(basename "$name" .pl)
			find "$tree/tmp_check/log" -name "*$name*" \
				-exec cp {} "$failed_dir/$1/" \; 2>/dev/null
		done
}

tap_environment()
{
	export PERL5LIB=$pgxs/test/perl:$tree/test/t
	export PG_REGRESS=$pgxs/test/regress/pg_regress
	export IO_SANDBOX=$tree/sandbox/io-sandbox
	export TESTDIR=$tree TESTDATADIR=$work/tmp_check
	rm -rf "$tree/tmp_check"
	mkdir -p "$tree/tmp_check"
}

suite_regress()
{
	pg_regress_suite regress "ISOLATION= TAP_TESTS=" REGRESS \
		test/sql sql "$@"
}

suite_isolation()
{
	pg_regress_suite isolation "REGRESS= TAP_TESTS=" ISOLATION \
		test/specs spec "$@"
}

# pg_regress and its twin for isolation, by way of make installcheck, on a
# cluster that preloads io_msg.
pg_regress_suite()
{
	local name=$1 off=$2 list=$3 dir=$4 ext=$5 data=$work/pg-$1 sock=$work/s
	local log=$failed_dir/$name.log tests=
	shift 5

	[ -n "$(ls "$dir"/*."$ext" 2>/dev/null)" ] || return
	if [ $# -gt 0 ]; then
		tests=$(for t in "$@"; do basename "$t" ".$ext"; done | tr '\n' ' ')
	fi
	need_server || return
	start_cluster "$data" "$sock" || { fail "$name: server"; return; }

	# shellcheck disable=SC2086
	with_deadline 900 env PGHOST="$sock" PGPORT=5432 PGUSER=postgres \
		make -C "$tree" PG_CONFIG="$PG_CONFIG" $off \
		${tests:+"$list=$tests"} installcheck 2>&1 |
		tee "$log" | awk -v counts="$counts" -v suite="$name" -f "$tree/script/lib/pg_regress.awk"
	if [ "${PIPESTATUS[0]}" -eq 0 ]; then
		rm -f "$log"
	else
		[ "$(awk 'NR > n && $2' n="$lines_before" "$counts")" ] ||
			fail "$name: $(tail -n 1 "$log")"
		collect_differences "$name" "$data"
	fi
	with_deadline 60 pg_ctl -D "$data" -m fast -w stop >/dev/null 2>&1 ||
		fail "$name: the server did not stop"
	rm -rf "$data"
}

collect_differences()
{
	local name=$1 data=$2 file

	for file in regression.diffs output_iso/regression.diffs; do
		[ -s "$tree/$file" ] || continue
		mv "$tree/$file" "$failed_dir/$name.diffs"
		head -n 60 "$failed_dir/$name.diffs"
	done
	cp "$data/server.log" "$failed_dir/$name.server.log"
}

# A cluster without TCP, so that no port can clash.
start_cluster()
{
	local data=$1 sock=$2

	rm -rf "$data"
	mkdir -p "$sock"
	initdb -D "$data" -U postgres -A trust -E UTF8 --locale=C -N \
		>"$work/initdb.log" 2>&1 || { cat "$work/initdb.log"; return 1; }
	if [ -n "${IOMSG_HOSTILE:-}" ]; then
		perl script/lib/hostile.pl "$data" || return 1
	fi
	: >"$work/io_msg.keys"
	chmod 600 "$work/io_msg.keys"
	cat >>"$data/postgresql.conf" <<-CONF
	listen_addresses = ''
	unix_socket_directories = '$sock'
	port = 5432
	fsync = off
	shared_preload_libraries = '${IOMSG_HOSTILE_PRELOAD:-}io_msg'
	io_msg.keys_file = '$work/io_msg.keys'
	max_prepared_transactions = 10
	log_line_prefix = '%m [%p] %b %d '
	CONF
	if ! pg_ctl -D "$data" -l "$data/server.log" -w -t 60 start \
		>/dev/null 2>&1; then
		tail -n 20 "$data/server.log"
		cp "$data/server.log" "$failed_dir/"
		return 1
	fi
}

# The server under valgrind: initdb and the like run without it, to save time.
suite_valgrind()
{
	local files bindir logs=$failed_dir/valgrind

	need_server || return
	bindir=$("$PG_CONFIG" --bindir)
	mkdir -p "$logs"
	[ -f "$bindir/postgres.real" ] ||
		mv "$bindir/postgres" "$bindir/postgres.real"
	sed -e "s|@LOGS@|$logs|" -e "s|@TREE@|$tree|" \
		-e "s|@REAL@|$bindir/postgres.real|" \
		script/lib/valgrind_postgres.in >"$bindir/postgres"
	chmod +x "$bindir/postgres"
	tap_environment
	export PG_TEST_TIMEOUT_DEFAULT=900 PGCTLTIMEOUT=600
	export IOMSG_TEST_PATIENCE=10
	mapfile -t files < <(expand "${@:-test/t/101_*.pl test/t/30*.pl}")
	run_tap valgrind-tap 3600 1 "${files[@]}"
	collect_server_logs valgrind-tap
	perl script/lib/valgrind_report.pl --counts "$counts" --tree "$tree" "$logs"
	mv "$bindir/postgres.real" "$bindir/postgres"
}

suite_hostile()
{
	. script/lib/hostile.sh
	need_server || return
	run_hostile_sets "$@"
}

suite_mutants_small()
{
	. script/lib/mutants.sh
	run_mutants "$@"
}

suite_mutants()
{
	. script/lib/mutants.sh
	run_defects "$@"
}
