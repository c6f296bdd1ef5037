# mutants.sh: each patch of test/mutants breaks io_msg in one place, and a test
# must notice.  Sourced by suites.sh.
#
# A patch begins with lines that patch(1) skips:
#   # suites: unit regress tap:test/t/030_*.pl
#   # why: what the broken line protects
# The named suites must be green without the patch, and red with it because a
# test failed, not because it does not build.
#
# Those of test/mutants/campaign break the promise itself.  The campaign has
# IOMSG_MUTANT_ROUNDS (50) rounds to find each; the suites named in the patch
# are asked where it has not.

header()
{
	sed -n "s/^# $2: *//p" "$1" | head -n 1
}

run_mutants()
{
	local patches patch names suites=

	mapfile -t patches < <(expand "${@:-test/mutants/*.patch}")
	[ -f "${patches[0]}" ] || return 0

	for patch in "${patches[@]}"; do
		suites="$suites $(header "$patch" suites)"
	done
	# shellcheck disable=SC2086
	suites=$(printf '%s\n' $suites | sort -u | tr '\n' ' ')
	echo "  without a patch: $suites"
	if ! in_copy unpatched "" "$suites"; then
		fail "the unpatched tree: $(names_of_failed unpatched)"
		return
	fi
	for patch in "${patches[@]}"; do
		try_mutant "$patch"
	done
	echo
	column_table
}

# Runs suites in a copy of the tree that has a patch.
in_copy()
{
	local name=$1 patch=$2 suites=$3 dir=$work/m/$1

	rm -rf "$dir"
	mkdir -p "$dir"
	iomsg_copy_tree "$tree" "$dir/tree"
	if [ -n "$patch" ]; then
		patch -d "$dir/tree" -p1 --fuzz=0 <"$patch" >"$dir/log" 2>&1 ||
			{ echo "does not apply" >"$dir/why"; return 2; }
	fi
	# shellcheck disable=SC2086
	( unset server_built; cd "$dir/tree" &&
		PG_CONFIG=$system_pg_config IOMSG_INNER=1 IOMSG_FIRST_FAILURE=1 \
		with_deadline 3600 script/test $suites ) >>"$dir/log" 2>&1
}

names_of_failed()
{
	awk '$2 {$1 = $2 = ""; print}' "$work/m/$1/counts" 2>/dev/null |
		tr '\n' ';' | sed 's/^ *//; s/;$//; s/; */; /g'
}

try_mutant()
{
	local patch=$1 name start=$SECONDS status=0 caught
	name=$(basename "$1" .patch)

	in_copy "$name" "$patch" "$(header "$patch" suites)" || status=$?
	caught=$(names_of_failed "$name")
	if [ $status -eq 1 ] && [ -n "$caught" ] &&
		! grep -q '^ *\(unit: \)\?build' <<<"$caught"; then
		printf '  %-6s %5d s  %s\n' caught $((SECONDS - start)) "$name"
		echo "1 0 mutant $name" >>"$counts"
		echo "$name|$caught" >>"$work/table"
	else
		case $status in
			0) caught='no test noticed' ;;
			2) caught='the patch does not apply' ;;
			*) caught=${caught:-did not run} ;;
		esac
		printf '  %-6s %5d s  %s: %s\n' MISSED $((SECONDS - start)) \
			"$name" "$caught"
		echo "0 1 mutant $name" >>"$counts"
		echo "$name|MISSED: $caught" >>"$work/table"
		cp "$work/m/$name/log" "$failed_dir/mutant-$name.log"
	fi
	[ -n "${KEEP:-}" ] || rm -rf "$work/m/$name"
}

run_defects()
{
	local patches patch suites=

	mapfile -t patches < <(expand "${@:-test/mutants/campaign/*.patch}")
	[ -f "${patches[0]}" ] || return 0

	export IOMSG_CAMPAIGN_ROUNDS=${IOMSG_MUTANT_ROUNDS:-50}
	echo "  without a defect: $IOMSG_CAMPAIGN_ROUNDS rounds"
	if in_copy sound "" campaign; then
		echo "1 0 the campaign without a defect" >>"$counts"
		echo "none|nothing, in $IOMSG_CAMPAIGN_ROUNDS rounds" >>"$work/table"
	else
		fail "the campaign without a defect: $(names_of_failed sound)"
		cp "$work/m/sound/log" "$failed_dir/sound.log"
	fi
	[ -n "${KEEP:-}" ] || rm -rf "$work/m/sound"
	for patch in "${patches[@]}"; do
		try_defect "$patch"
	done
	echo
	column_table
}

# What the campaign said when it stopped.
violation_of()
{
	grep -hoE '^ +round [0-9]+: (lost|ghosts|duplicates|false|left|too|planned|broken)[ :].*' \
		"$work/m/$1/log" | head -n 1 | cut -c 1-100 | sed 's/^ *//'
}

try_defect()
{
	local patch=$1 name start=$SECONDS status=0 caught
	name=$(basename "$1" .patch)

	in_copy "$name" "$patch" campaign || status=$?
	caught=$(violation_of "$name")
	if [ $status -ne 1 ] || [ -z "$caught" ]; then
		echo "  the campaign has not found $name"
		if in_copy sound "" "$(header "$patch" suites)"; then
			try_mutant "$patch"
		else
			fail "the unpatched tree: $(names_of_failed sound)"
		fi
		return
	fi
	printf '  %-6s %5d s  %s\n' caught $((SECONDS - start)) "$name"
	echo "1 0 defect $name" >>"$counts"
	echo "$name|the campaign: $caught" >>"$work/table"
	[ -n "${KEEP:-}" ] || rm -rf "$work/m/$name"
}

column_table()
{
	[ -f "$work/table" ] || return 0
	{
		echo "mutant|turned red"
		cat "$work/table"
	} | awk -F'|' '{printf "  %-28s %s\n", $1, $2}'
	echo
}
