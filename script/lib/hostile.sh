# hostile.sh: the suites under settings that would break an ordinary session.
# Sourced by suites.sh.
#
#   hostile                each set of hostile_sets, on the server; then all of
#                          them together, set in each of three places
#   hostile SET…           only these; SET@database, SET@role for another place
#   hostile short rows     all together on the server, a few files; the same files
#                          with no row in reach but by SQL: what the plain
#                          script/test does
#
# A set is set with the tests' own sessions in mind: what these cannot live
# with is taken back for them by PGOPTIONS, and reaches the worker alone.
# HOSTILE_TAP=files, HOSTILE_SUITES="regress isolation tap" run others.

# What a worker does in its life.
hostile_life='test/t/10[13]_*.pl test/t/11[0134]_*.pl test/t/12[13]_*.pl
	test/t/13[14]_*.pl test/t/30[012]_*.pl test/t/310_*.pl'

# Files that have settings of their own or no server.
hostile_not='01[0-9]_|112_|8[01]0_|900_'

# name | settings | for the tests' sessions | for those of pg_regress too
hostile_sets()
{
	cat <<-'SETS'
	synchronous_commit | synchronous_commit=off | synchronous_commit=on
	read_only | default_transaction_read_only=on | default_transaction_read_only=off
	serializable | default_transaction_isolation=serializable | default_transaction_isolation=read committed
	repeatable_read | default_transaction_isolation=repeatable read | default_transaction_isolation=read committed
	deferrable | default_transaction_deferrable=on;default_transaction_isolation=serializable;default_transaction_read_only=on | default_transaction_isolation=read committed;default_transaction_read_only=off
	lock_timeout | lock_timeout=1ms | lock_timeout=0
	statement_timeout | statement_timeout=1ms | statement_timeout=0
	idle_timeout | idle_in_transaction_session_timeout=1ms;idle_session_timeout=1ms | idle_in_transaction_session_timeout=0;idle_session_timeout=0
	replica | session_replication_role=replica | session_replication_role=origin
	search_path | search_path=hostile, pg_catalog, public | search_path="$user", public
	row_security | row_security=off
	formats | DateStyle=German, DMY;IntervalStyle=sql_standard;bytea_output=escape;TimeZone=Pacific/Apia;extra_float_digits=-15;xmlbinary=hex;xmloption=document | DateStyle=ISO, MDY;extra_float_digits=1 | TimeZone=UTC;bytea_output=hex
	strings | standard_conforming_strings=off;backslash_quote=off;escape_string_warning=off;array_nulls=off;transform_null_equals=on;quote_all_identifiers=on | array_nulls=on | standard_conforming_strings=on;transform_null_equals=off;quote_all_identifiers=off
	client_encoding | client_encoding=LATIN1 | client_encoding=UTF8
	functions | check_function_bodies=off;plpgsql.extra_errors=all;plpgsql.print_strict_params=on;plpgsql.variable_conflict=use_column
	plans | plan_cache_mode=force_custom_plan;enable_indexscan=off;enable_indexonlyscan=off;enable_bitmapscan=off;enable_nestloop=off;enable_sort=off;enable_hashagg=off;enable_material=off;geqo_threshold=2;from_collapse_limit=1;join_collapse_limit=1;constraint_exclusion=on;jit=off
	parallel | force_parallel_mode=on;parallel_setup_cost=0;parallel_tuple_cost=0;min_parallel_table_scan_size=0;min_parallel_index_scan_size=0
	jit | jit=on;jit_above_cost=0;jit_inline_above_cost=0;jit_optimize_above_cost=0 | jit=off
	memory | work_mem=64kB;maintenance_work_mem=1MB;temp_buffers=800kB;shared_buffers=2MB;wal_buffers=32kB;max_stack_depth=100kB;max_files_per_process=64;max_locks_per_transaction=10
	tracking | track_activities=off;track_counts=off;track_functions=all;track_io_timing=on;track_commit_timestamp=on;track_activity_query_size=1MB;compute_query_id=on
	logging | log_min_messages=debug5;debug_print_parse=on;debug_print_plan=on;log_executor_stats=on;log_lock_waits=on;deadlock_timeout=1ms;log_parameter_max_length=0
	commits | commit_delay=10000;commit_siblings=0;wal_compression=on;full_page_writes=off;wal_writer_delay=10s
	errors | exit_on_error=on | exit_on_error=off
	views | restrict_nonsystem_relation_kind=view, foreign-table | restrict_nonsystem_relation_kind=
	tablespaces | default_tablespace=nowhere;temp_tablespaces=nowhere
	libraries | auto_explain.log_min_duration=0;auto_explain.log_nested_statements=on;auto_explain.log_analyze=on;pg_stat_statements.track=all | auto_explain.log_min_duration=-1
	statements | hostile.statements=on
	workers | max_worker_processes=3;max_parallel_workers_per_gather=0
	SETS
}

# Sets that go together badly, or cost too much beside others.
hostile_alone='jit|commits|workers|parallel|logging|statements'

# hostile_column SET COLUMN: of one set, or of all that go together.
hostile_column()
{
	if [ "$1" = combined ] || [ "$1" = short ]; then
		hostile_sets | awk -F' *[|] *' -v column="$2" -v alone="^($hostile_alone)$" '
			$1 !~ alone && !/repeatable_read/ && $column != "" {
				printf "%s%s", joined++ ? ";" : "", $column}'
	elif [ "$1" = rows ]; then
		hostile_column statements "$2"
	elif [ "$1" = role ]; then
		[ "$2" = 2 ] && echo 'role=pg_monitor' || echo 'role=none'
	else
		hostile_sets | awk -F' *[|] *' -v column="$2" -v name="$1" \
			'$1 == name {print $column}'
	fi
}

# "a=b;c=d e" as psql's PGOPTIONS.
hostile_options()
{
	printf '%s' "$1" | sed 's/ /\\ /g' | awk -v RS=';' '{printf "-c %s ", $0}'
}

# Those of the server cannot be set in a database or for a role, where a place
# that is not there makes each session begin with a warning.
hostile_settings()
{
	local settings

	settings=$(hostile_column "$1" 2)
	[ "$2" = server ] || settings=$(tr ';' '\n' <<<"$settings" |
		grep -vE '^(commit_delay|default_tablespace|temp_tablespaces|full_page|wal_|shared_buffers|max_|track_activity_query|track_commit|pg_stat_statements|auto_explain)' |
		paste -sd ';')
	printf '%s' "$settings"
}

run_hostile_sets()
{
	local sets=("$@") set

	if [ ${#sets[@]} -eq 0 ]; then
		mapfile -t sets < <(hostile_sets | sed 's/ .*//')
		sets+=(role@database role@role
			combined combined@database combined@role)
	fi
	for set in "${sets[@]}"; do
		run_hostile "$set"
	done
	[ ! -s "$work/hostile" ] || { echo; sort "$work/hostile"; echo; }
}

# One set: the suites, their counts under its name, a line for the table.
run_hostile()
{
	local set=${1%@*} where=server suites tap start=$SECONDS from clients
	case $1 in *@*) where=${1#*@} ;; esac

	IOMSG_HOSTILE=$(hostile_settings "$set" "$where")
	[ -n "$IOMSG_HOSTILE" ] || { fail "hostile: no set $set"; return; }
	echo "  -- $1: $IOMSG_HOSTILE"
	suites=${HOSTILE_SUITES:-regress isolation tap}
	# Their database is made by pg_regress.
	[ "$where" != database ] || suites=tap
	tap=${HOSTILE_TAP:-$hostile_life}
	case $set in
		short|rows) suites='regress tap'
			tap='test/t/101_*.pl test/t/110_*.pl' ;;
		combined) tap=${HOSTILE_TAP:-test/t/*.pl} ;;
	esac
	from=$(wc -l <"$counts")
	clients=$(hostile_column "$set" 3)
	(
		export IOMSG_HOSTILE IOMSG_HOSTILE_WHERE=$where
		export IOMSG_HOSTILE_PRELOAD=
		case $set in libraries|combined)
			IOMSG_HOSTILE_PRELOAD='auto_explain, pg_stat_statements, ' ;;
		esac
		failed_dir=$failed_dir/$1
		mkdir -p "$failed_dir"
		run_hostile_suites "$suites" "$tap"
		rmdir "$failed_dir" 2>/dev/null
	)
	awk -v from="$from" -v set="$1" -v file="$work/hostile" -v s=$((SECONDS - start)) '
		NR > from {p += $1; f += $2; $0 = $0 " [" set "]"} {print}
		END {printf "  %-24s %5d passed %3d failed %5d s\n", set, p, f, s >>file}' \
		"$counts" >"$counts.new"
	mv "$counts.new" "$counts"
}

run_hostile_suites()
{
	local suites=$1 files suite

	for suite in $suites; do
		lines_before=$(wc -l <"$counts")
		export PGOPTIONS
		PGOPTIONS=$(hostile_options "$clients")
		[ "$suite" = tap ] ||
			PGOPTIONS+=$(hostile_options "$(hostile_column "$set" 4)")
		files=()
		# shellcheck disable=SC2086
		[ "$suite" != tap ] || mapfile -t files < <(
			expand $2 | grep -vE "/($hostile_not)")
		"suite_$suite" ${files[@]+"${files[@]}"}
	done
}
