# demo.sh: the servers and the voice of script/demo, which sources it.
#
# Needs: work (the workspace), database, scale (of IO's clock), keep.

tree=$PWD
socket=$work/s
ledger=$work/ledger.jsonl

# People of the story, by their notices.
citizen_of_line()
{
	awk -F, -v n="$1" '$2 == "mensa" && ++i == n {print $4}' \
		examples/notices.csv
}
allowed=$(citizen_of_line 1)
opted_out=$(citizen_of_line 2)
changes_mind=$(citizen_of_line 3)

say()
{
	printf '\n%s\n' "[$SECONDS s] $*"
}

# Ends the demo; the servers' logs are the best that can be shown.
give_up()
{
	local file

	echo "the demo cannot go on: $*" >&2
	for file in build.log server.log sandbox.log; do
		[ ! -s "$work/$file" ] || { echo "--- $file"; tail -n 20 "$work/$file"; }
	done >&2
	exit 1
}

run_psql()
{
	"$bindir/psql" -X -q -P footer=off -v ON_ERROR_STOP=1 -d "$database" "$@"
}

query() { run_psql -At -c "$1"; }

# Runs a file of SQL, its output indented, without the file's own heading.
play()
{
	local file=$1
	shift

	echo "  -- $file"
	run_psql "$@" -f "$file" 2>&1 |
		sed -e '/^\/\*$/,/^ \*\/$/d' -e 's/^/  /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || give_up "$file failed"
}

# Shows SQL and what it answers.
show()
{
	sed 's/^/  | /' <<<"$1"
	run_psql <<<"$1" 2>&1 | sed 's/^/  /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || give_up "SQL failed"
}

wait_for()
{
	local end=$((SECONDS + 120))

	until [ "$(query "$1")" = t ]; do
		[ $SECONDS -lt $end ] || give_up "this did not become true: $1"
		sleep 0.1
	done
}

# A line each second until SQL says that it is done.
progress()
{
	local done_when=$1 what=$2 start=$SECONDS

	while :; do
		query "SELECT format('  %s s: %s sent (%s delivered), %s not allowed, %s waiting, %s uncertain',
			lpad('$((SECONDS - start))', 4),
			lpad((count(*) FILTER (WHERE status = 'sent'))::text, 4),
			count(*) FILTER (WHERE io_status = 'PROCESSED'),
			count(*) FILTER (WHERE status = 'not_allowed'),
			count(*) FILTER (WHERE status IN ('queued', 'sending')),
			count(*) FILTER (WHERE status = 'uncertain'))
			FROM io_msg.message" || give_up "the server does not answer"
		[ "$(query "$done_when")" != t ] || break
		[ $((SECONDS - start)) -lt 120 ] || give_up "it does not drain"
		sleep 1
	done
	echo "  $what"
}

build()
{
	local user_config=$PG_CONFIG

	if ! { iomsg_make_prefix "$work/prefix" &&
		iomsg_build "$tree" sandbox; } >"$work/build.log" 2>&1; then
		give_up "it did not build with $user_config"
	fi
	bindir=$("$PG_CONFIG" --bindir)
}

# Reached by a socket in the workspace only, so that no port can clash.
start_server()
{
	mkdir -m 700 "$socket"
	{
		"$bindir/initdb" -D "$work/data" -U postgres -A trust -E UTF8 \
			--locale=C -N &&
		cat >>"$work/data/postgresql.conf" <<-CONF &&
		listen_addresses = ''
		unix_socket_directories = '$socket'
		port = 5432
		timezone = 'Europe/Rome'
		datestyle = 'ISO, DMY'
		shared_preload_libraries = 'io_msg'
		io_msg.keys_file = '$work/io_msg.keys'
		io_msg.allowed_hosts = '127.0.0.1'
		io_msg.poll_delay = '$((60 / scale)) s'
		CONF
		"$bindir/pg_ctl" -D "$work/data" -l "$work/server.log" -w start &&
		"$bindir/createdb" -h "$socket" -U postgres "$database"
	} >>"$work/build.log" 2>&1 || give_up "the server does not start"
	export PGHOST=$socket PGPORT=5432 PGUSER=postgres
}

# Most citizens are as a hash of their code has it, three as the story needs.
start_sandbox()
{
	local i

	sandbox/io-sandbox --port 0 --port-file "$work/sandbox.port" \
		--pid-file "$work/sandbox.pid" --ledger "$ledger" \
		--clock-scale "$scale" --failed 0.005 \
		--service tari --service multe --service mensa \
		--profile "$allowed=allowed" --profile "$opted_out=opted_out" \
		--profile "$changes_mind=allowed" \
		>"$work/sandbox.log" 2>&1 </dev/null &
	for ((i = 0; i < 300; i++)); do
		[ ! -s "$work/sandbox.port" ] || break
		sleep 0.1
	done
	[ -s "$work/sandbox.port" ] || give_up "the local IO does not start"
	admin_url=http://127.0.0.1:$(<"$work/sandbox.port")/admin
	io_url=${admin_url%/admin}/api/v1
	# This one will opt out after we have asked, so IO rejects the message.
	sandbox_admin PUT "profiles/$changes_mind" '{"outcome": "REJECTED"}' \
		>/dev/null || give_up "the local IO does not answer"
}

# The admin path of the local IO; prints its answer.
sandbox_admin()
{
	perl -MHTTP::Tiny -e '
		my ($method, $url, $body) = @ARGV;
		my $answer = HTTP::Tiny->new(timeout => 30)->request($method, $url,
			defined $body ? {content => $body} : {});
		print $answer->{content};
		exit !$answer->{success};' "$1" "$admin_url/$2" "${@:3}"
}

# Replaces the key file in one step, as an editor does; $1: key of multe.
write_keys()
{
	( umask 077 && cat >"$work/io_msg.keys.new" ) <<-KEYS
	# database service primary [secondary]
	$database tari  tari-primary-key  tari-secondary-key
	$database multe $1
	$database mensa mensa-primary-key mensa-secondary-key
	KEYS
	mv "$work/io_msg.keys.new" "$work/io_msg.keys"
}

# How each recipient stands with the local IO, asked of it, not of io_msg.
list_citizens()
{
	query "SELECT DISTINCT fiscal_code FROM notice ORDER BY 1" |
		perl -MHTTP::Tiny -MJSON::PP -ne '
		BEGIN { $http = HTTP::Tiny->new(timeout => 30); $url = shift }
		chomp;
		my $answer = $http->get("$url/profiles/$_");
		die "$answer->{status}\n" unless $answer->{success};
		print "$_,", decode_json($answer->{content})->{profile}, "\n";' \
		"$admin_url"
}

# The last table; fails where the extension and the ledger differ.
compare()
{
	list_citizens >"$work/citizens.csv" ||
		give_up "the local IO does not answer"
	run_psql -v ledger="$ledger" -v citizens="$work/citizens.csv" \
		-f script/lib/demo_compare.sql | sed 's/^/  /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || return 1
	[ "$(query 'SELECT count(*) = 0 FROM comparison WHERE NOT agrees')" = t ]
}

sandbox_figures()
{
	sandbox_admin GET stats | perl -MJSON::PP -0777 -ne '
		my $s = decode_json($_);
		my ($account) = grep { $_->{calls} } values %{ $s->{accounts} };
		printf "%d calls to the local IO, at most %d of %d in one period, " .
			"%d refused by the quota.", $s->{calls},
			$account->{max_window_calls}, $account->{quota_calls},
			$s->{rate_limited};'
}

note_how_to_go_on()
{
	cat <<-TEXT

	It is still running.
	To play on:      $bindir/psql -h $socket -U postgres $database
	                 (from $tree, where examples/ lies)
	The local IO:    $io_url, admin path $admin_url, ledger $ledger
	The key file:    $work/io_msg.keys
	The server log:  $work/server.log
	TEXT
}
