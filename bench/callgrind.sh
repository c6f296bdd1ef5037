#!/usr/bin/env bash
# callgrind.sh: instructions a message, by stage and by function.
#
#	script/bench callgrind		writes bench/out/CALLGRIND.md and prints it
#
# The whole server runs in valgrind's callgrind, so that the figures are the
# same on a busy machine: they are to be compared before and after a change.
# Arguments: the working directory of script/bench, in which all is built.
# Environment: CALLGRIND_MESSAGES (4000); CALLGRIND_BEFORE, the CALLGRIND.md of
# an earlier state, whose figures are put beside.

set -eu

work=$1
here=$(realpath "$(dirname "$0")")
count=${CALLGRIND_MESSAGES:-4000}
bin=$("$PG_CONFIG" --bindir)
mkdir -p "$work/callgrind" "$work/out"

cat >"$work/postgres.callgrind" <<SCRIPT
#!/bin/sh
exec valgrind --quiet --tool=callgrind --separate-threads=no \\
	--callgrind-out-file='$work/callgrind/%p' '$bin/postgres' "\$@"
SCRIPT
chmod +x "$work/postgres.callgrind"

BENCH_POSTGRES=$work/postgres.callgrind \
	perl "$here/callgrind.pl" "$work" "$work/bin" "$count" >&2

# Instructions of each function alone: "count name object".  A process begins
# with what the postmaster had counted when it was forked.
self_cost()
{
	callgrind_annotate --threshold=100 --auto=no --show=Ir --tree=none "$1" 2>/dev/null |
		sed -nE 's/^ *([0-9,]+) \([^)]*\) +([^ ]*):([^ ]+)( \[(.*)\])?.*$/\1 \3 \5/p' |
		tr -d ,
}

# Inclusive instructions of each function, of all processes: "count name".  One
# that has code of several files in it is listed for each: the first is whole.
grep -lE ' (iomsg_drainer_main|iomsg_api_enqueue_timestamptz)$' "$work"/callgrind/* |
	while read -r file; do
		callgrind_annotate --inclusive=yes --threshold=100 --auto=no --show=Ir \
			--tree=none "$file" 2>/dev/null |
			sed -nE 's/^ *([0-9,]+) \([^)]*\) +[^ ]*:([A-Za-z_0-9]+)([. ].*)?$/\1 \2/p' |
			tr -d , | awk '!seen[$2]++'
	done | awk '{n[$2] += $1} END {for (f in n) print n[f], f}' |
	sort -rn >"$work/callgrind.functions"

# stage, what of it, the function
stages='
enqueue	io_enqueue_message, whole call	iomsg_api_enqueue_timestamptz
turn	the drainer'\''s loop, all of it	iomsg_drainer_main
claim	looking for what is due	iomsg_probe
claim	choosing	iomsg_turn_pick
claim	the mark	iomsg_claim_mark
claim	reading the content	iomsg_claim_load
send	starting calls	iomsg_calls_start
send	serving connections	iomsg_http_run
send	judging answers	iomsg_calls_collect
settle	writing outcomes	iomsg_settle_write
settle	noting what is in flight	iomsg_outbox_write_in_flight
settle	leaving our hands	iomsg_settle_committed
commit	beginning a transaction	iomsg_outbox_begin
commit	committing it	iomsg_outbox_commit
once	planning, of this	pg_plan_query
'
{
	echo "# Instructions a message"
	echo
	echo "$count messages, 50 in flight, answers at once, profiles known; valgrind's callgrind."
	echo "Inclusive: a function counts with all that it calls. See bench/callgrind.sh."
	echo
	echo "| stage | what | ${CALLGRIND_BEFORE:+before | }instructions a message |"
	echo "| --- | --- | ${CALLGRIND_BEFORE:+---: | }---: |"
	while IFS=$'\t' read -r stage what function; do
		[ -n "$stage" ] || continue
		before=
		[ -z "${CALLGRIND_BEFORE:-}" ] ||
			before=$(awk -F ' *[|] *' -v s="$stage" -v w="$what (" \
				'$2 == s && index($3, w) == 1 {print $4; exit}' "$CALLGRIND_BEFORE")
		awk -v f="$function" -v s="$stage" -v w="$what" -v c="$count" \
			-v b="${before:+$before | }" \
			'$2 == f {n = $1} END {printf "| %s | %s (%s) | %s%d |\n", s, w, f, b, n / c}' \
			"$work/callgrind.functions"
	done <<<"$stages"
	echo
	echo "## Where they go: the drainer, each function alone"
	echo
	echo "| instructions a message | function | of |"
	echo "| ---: | --- | --- |"
	drainer=$(ls -S $(grep -lE ' iomsg_drainer_main$' "$work"/callgrind/*) | head -n 1)
	smallest=$(ls -Sr "$work"/callgrind/* | head -n 1)
	self_cost "$smallest" >"$work/callgrind.inherited"
	self_cost "$drainer" |
		awk -v c="$count" 'NR == FNR {inherited[$2] = $1; next}
			{n = ($1 - inherited[$2]) / c}
			n >= 150 {sub(/.*\//, "", $3); printf "%d %s %s\n", n, $2, $3}' \
			"$work/callgrind.inherited" - | sort -rn | head -n 60 |
		awk '{printf "| %d | %s | %s |\n", $1, $2, $3}'
} | tee "$work/out/CALLGRIND.md"
