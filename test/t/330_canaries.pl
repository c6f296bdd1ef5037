# Three canaries, a fiscal code, a message's texts and a key, fly through all
# that can go well or wrong.  Afterwards they are where they belong and nowhere
# else: the key in its file, the rest in the rows of the messages.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use File::Find;
use JSON::PP;
use Test::More;

use PostgreSQL::Test::Utils;

use IoMsgFlow;
use IoMsgHostile;
use IoMsgTest;

my $citizen = 4242424;
my $cf = fiscal_code($citizen);
my ($subject, $text) = ('zqsubjectcanary of somebody', 'zqtextcanary ' . 'word ' x 30);
my %canaries = ('fiscal code' => qr/$cf/i, text => qr/zq(?:subject|text)canary/i, key => qr/zqkeycanary/i);
my $true = JSON::PP::true;
my $all = "$cf zqsubjectcanary zqtextcanary zqkeycanary";

my $node = hostile_node('canaries',
	'log_min_messages' => 'debug5', 'log_min_error_statement' => 'error', 'log_statement' => 'none',
	'log_error_verbosity' => 'verbose', 'log_parameter_max_length_on_error' => -1, 'log_connections' => 'on',
	'restart_after_crash' => 'on', 'wal_level' => 'replica', 'max_wal_senders' => 4, 'track_activity_query_size' => 65536,
	'io_msg.answer_timeout' => '2s', 'io_msg.max_attempts' => 2);
PostgreSQL::Test::Utils::append_to_file($node->data_dir . '/pg_hba.conf', "local replication all trust\nhost replication all 127.0.0.1/32 trust\n");
$node->reload;
my $io = start_sandbox(quota => 0, processing_delay_ms => 0);
my $count = 0;

# So many services, each with keys that are canaries.
sub services
{
	my ($n) = @_;
	my @names = map { 's' . ++$count } 1 .. $n;
	my %keys = map { ($_ => [ "zqkeycanary-primary-$_", "zqkeycanary-secondary-$_" ]) } @names;

	add_services($node, $io, map { ($_ => { keys => $keys{$_} }) } @names);
	$io->set_keys($_, primary => $keys{$_}[0], secondary => $keys{$_}[1]) foreach @names;
	return @names;
}

sub send_one
{
	my ($service, %more) = @_;

	return enqueue($node, $citizen, service => $service, subject => $subject, markdown => $text, %more);
}

# Says what of the canaries a text has, but for those that may be in it.
sub is_free
{
	my ($what, $found, @but) = @_;
	my %may = map { ($_ => 1) } @but;

	foreach my $name (sort keys %canaries)
	{
		next if $may{$name};
		my ($line) = $found =~ /^(.*$canaries{$name}.*)$/m;
		is(defined $line ? substr($line, 0, 300) : undef, undef, "$what: no $name");
	}
	return;
}

# What processes show of themselves while something is under way.
sub look_at_processes
{
	my ($what) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @pids = ($postmaster, split /\s+/, qx(pgrep -P $postmaster));
	my $seen = $node->safe_psql('postgres', q{SELECT a FROM pg_stat_activity a WHERE pid <> pg_backend_pid();
		SELECT s FROM pg_stat_ssl s; SELECT r FROM pg_stat_replication r; SELECT b FROM pg_stat_bgwriter b;
		SELECT p FROM pg_prepared_statements p; SELECT l FROM pg_locks l; SELECT d FROM pg_stat_database d;
		SELECT s FROM pg_settings s; SELECT t FROM pg_stat_all_tables t; SELECT f FROM pg_stat_user_functions f});

	foreach my $pid (@pids)
	{
		foreach my $file (qw(cmdline environ comm))
		{
			next unless open(my $fh, '<', "/proc/$pid/$file");
			local $/;
			$seen .= ($fh->getline // '') . "\n";
		}
	}
	is_free($what, $seen);
	return;
}

# Who is told is told nothing personal.
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN io_msg_uncertain; LISTEN io_msg; LISTEN io_msg_sent');

subtest 'all goes well' => sub
{
	my ($service) = services(1);
	my $id = send_one($service);
	wait_for_status($node, $id, 'sent');
	$io->fault(kind => 'hang', path => 'message', when => 'before');
	$id = send_one($service);
	ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'a message is under way');
	look_at_processes('on the way');
	$io->clear_faults;
	$io->release;
	wait_for_status($node, $id, 'sent');
};

# Each answer gives back all the canaries, wherever it can.
my %echo = (title => $all, detail => "value [$all] is not valid");
my @answers = (
	map({ { kind => 'error', status => $_, shape => 'problem', %echo } } 400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504),
	map({ { kind => 'error', status => $_, shape => 'gateway', detail => $all } } 400, 401, 403, 404, 413, 429, 500, 503),
	map({ { kind => 'answer', status => $_, body => "<html>$all</html>", content_type => 'text/html' } } 200, 400, 403, 500, 503),
	{ kind => 'error', status => 403, shape => 'problem', title => 'Recipient forbidden', detail => $all },
	{ kind => 'error', status => 500, shape => 'problem', title => 'Internal server error', detail => "Unexpected token $all in JSON at position 3" },
	{ kind => 'answer', status => 201, accepted => $true, body => { id => $all, fiscal_code => $cf, title => $all }, headers => { Location => "/api/v1/messages/$cf/$all" } },
	{ kind => 'redirect', status => 302, location => "http://127.0.0.1:9/$cf?key=zqkeycanary&t=zqtextcanary" },
	{ kind => 'redirect', status => 303, location => "http://127.0.0.1:9/$cf?key=zqkeycanary&t=zqtextcanary" },
	{ kind => 'rate_limit', value => $all }, { kind => 'rate_limit', dialect => 'seconds', value => $all, detail => $all },
	{ kind => 'raw', body => "$all\r\n$all\r\n" }, { kind => 'raw', body => "HTTP/1.1 $all\r\n$all: $all\r\n\r\n$all" },
	{ kind => 'raw', head => "HTTP/1.1 201 $all\r\nContent-Length: $all\r\n\r\n", accepted => $true },
	{ kind => 'raw', head => "HTTP/1.1 201 OK\r\nTransfer-Encoding: chunked\r\n\r\n$all\r\n", accepted => $true },
	{ kind => 'close', when => 'after_accepting' }, { kind => 'close', when => 'after_reading', reset => $true }, { kind => 'truncated', after => 'headers' },
	{ kind => 'hang', when => 'before' }, { kind => 'hang', when => 'after' }, { kind => 'endless' }, { kind => 'headers' });

foreach my $path (qw(message profile status))
{
	subtest "each answer to a $path call" => sub
	{
		my @names = services(scalar @answers);

		$io->clear_faults;
		$io->admin('POST', 'faults', [ map { { path => $path, service => $names[$_], count => 3, %{ $answers[$_] } } } 0 .. $#answers ]);
		set_and_reload($node, 'io_msg.poll_delay' => $path eq 'status' ? '1ms' : '1h');
		foreach my $name (@names)
		{
			know_profile($node, $name, $citizen) unless $path eq 'profile';
			send_one($name);
		}
		my %met;
		ok(poll_until(sub {
			%met = map { ($_->{id} => $_->{fired}) } @{ $io->faults->{faults} };
			return !grep { $_ == 0 } values %met; }), 'all are met');
		settle_requests($io);
		wait_until($node, q{SELECT count(*) = 0 FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id
			WHERE status = 'queued' AND attempts = 0 AND reason IS NULL AND NOT EXISTS (SELECT FROM io_msg.service_stop t WHERE t.service_id = s.id)},
			'and all have ended') if $path eq 'message';
		look_at_processes("after $path calls");
	};
}
is(scalar(keys %{ stopped_services($node) }) > 10 ? 1 : 0, 1, 'services have stopped');

subtest 'no connection' => sub
{
	my @names = services(2);
	my $url = $io->base_url =~ s/:\d+/:1/r;

	$node->safe_psql('postgres', "INSERT INTO io_msg.account (name, base_url, proxy) VALUES ('gone', '$url', NULL), ('tls', '"
		  . ($io->base_url =~ s/^http:/https:/r) . "', NULL);
		UPDATE io_msg.service SET account = 'gone' WHERE name = '$names[0]'; UPDATE io_msg.service SET account = 'tls' WHERE name = '$names[1]'");
	my @ids = map { send_one($_) } @names;
	ok(poll_until(sub { log_has($node, qr/io_msg cannot reach "\Q$url\E"/) }), 'the log has it');
	$node->safe_psql('postgres', "SELECT io_cancel($_)") foreach @ids;
};

subtest 'the worker dies' => sub
{
	my ($service) = services(1);
	know_profile($node, $service, $citizen);
	$io->clear_faults;
	$io->fault(kind => 'hang', path => 'message', service => $service, count => 1);
	my $id = send_one($service);
	ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'a message is under way');
	my $told = $listener->query_safe('SELECT 1');
	like($told, qr/"io_msg_uncertain"/, 'there were notifications');
	is_free('notifications', $told);
	$listener->quit;
	kill('KILL', drainer_pids($node));
	ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 && status_of($node, $id) eq 'uncertain' }), 'it is uncertain after the crash');
	$io->release;
	like(explanation($node, $id), qr/uncertain|may have/i, 'and explained');
	is_free('explanations', $node->safe_psql('postgres', 'SELECT io_explain(id) FROM io_msg.outbox; SELECT io_health()'));
};

subtest 'clients make mistakes' => sub
{
	my $md = "'zqtextcanary ' || repeat('m', 80)";
	my $good = "'$cf', 'zqsubjectcanary', $md";
	my $paused = (services(1))[0];
	$node->safe_psql('postgres', "SELECT io_pause('$paused')");
	$node->safe_psql('postgres', "SELECT io_enqueue_message($good, service => '$paused', dedup_key => 'k')");
	my @errors = (
		"io_enqueue_message('${cf}X', 'zqsubjectcanary', $md)", "io_enqueue_message('$cf', 'zqsubjectcanary $cf', $md)",
		"io_enqueue_message('$cf', 'zqsubjectcanary', 'zqtextcanary')", "io_enqueue_message('$cf', 'zqsubjectcanary' || repeat('x', 200), $md)",
		"io_enqueue_message($good, '$cf zqtextcanary', service => '$paused')", "io_enqueue_message($good, service => '$cf')",
		"io_enqueue_message('$cf', 'zqsubjectcanary', $md || 'zqtextcanary', service => '$paused', dedup_key => 'k')",
		"io_enqueue_message('{\"fiscal_code\": \"$cf\", \"content\": {\"zqtextcanary\": 1}}'::jsonb, service => '$paused')",
		"io_enqueue_message($good, service => '$paused', feature_level_type => 'zqtextcanary')",
		"io_check_profile('${cf}X')", "io_payment_data(1, 'zqtextcanary')", "io_third_party_data('zqtextcanary', '$cf')");
	my $failed = 0;
	foreach my $call (@errors)
	{
		foreach my $sql ("SELECT $call", "DO \$\$ BEGIN PERFORM $call; END \$\$", "BEGIN; SELECT $call; COMMIT", "PREPARE p AS SELECT $call; EXECUTE p")
		{
			my ($status, undef, $err) = $node->psql('postgres', $sql, on_error_stop => 1);
			$failed++ if $status;
			my ($line) = $err =~ /^(.*(?:ERROR|DETAIL|HINT):.*(?:$cf|zq\w+canary).*)$/mi;
			diag($sql) if defined $line;
			is($line, undef, 'an error shows nothing') if defined $line;
		}
	}
	cmp_ok($failed, '>=', 40, 'there were errors enough');
	foreach my $limit (qw(lock_timeout statement_timeout))
	{
		my $holder = $node->background_psql('postgres');
		$holder->query_safe('BEGIN');
		$holder->query_safe("SELECT io_enqueue_message($good, service => '$paused', dedup_key => 'held $limit')");
		my (undef, undef, $err) = $node->psql('postgres', "SET $limit = '100ms'; SELECT io_enqueue_message($good, service => '$paused', dedup_key => 'held $limit')");
		like($err, qr/timeout/, $limit);
		$holder->query_safe('ROLLBACK');
		$holder->quit;
	}
};

# Where nothing may be: the log first.
is_free('the log', slurp_file($node->logfile));
my $statistics = q{SELECT s FROM pg_statistic s; SELECT s FROM pg_statistic_ext_data s};
$node->safe_psql('postgres', 'ANALYZE; CHECKPOINT');
is_free('what the planner knows', $node->safe_psql('postgres', $statistics));

# Tables and views: the people's data are in these alone.
my %theirs = map { ("io_msg.$_" => 1) } qw(outbox body profile message);
my @relations = split /\n/, $node->safe_psql('postgres', q{SELECT quote_ident(nspname) || '.' || quote_ident(relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'v', 'm', 'S', 'p')
	AND nspname NOT LIKE 'pg\_toast%' AND nspname <> 'information_schema' AND relname NOT IN ('pg_stat_activity', 'pg_locks')});
cmp_ok(scalar(@relations), '>', 100, 'there are relations to look at');
foreach my $relation (@relations)
{
	my ($status, $rows) = $node->psql('postgres', "SELECT t FROM $relation t");
	next if $status != 0 || $rows !~ /canary|$cf/i;
	is_free($relation, $rows, $theirs{ $relation =~ tr/"//dr } ? ('fiscal code', 'text') : ());
}
isnt($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE fiscal_code = '$cf'"), 0, 'the fiscal code is where it belongs');

# The files of the server, by what each belongs to.
$node->safe_psql('postgres', 'CHECKPOINT');
my %of = map { split /\|/ } split /\n/, $node->safe_psql('postgres', q{SELECT pg_relation_filepath(c.oid) || '|' ||
	coalesce((SELECT t.oid::regclass::text FROM pg_class t WHERE t.reltoastrelid = coalesce(i.indrelid, c.oid)), i.indrelid::regclass::text, c.oid::regclass::text)
	FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE pg_relation_filepath(c.oid) IS NOT NULL}) =~ tr/"//dr;
my ($looked, $theirs_found) = (0, 0);

sub look_at_files
{
	my ($what, $top) = @_;
	my @hits;

	find({ no_chdir => 1, wanted => sub {
		return unless -f $_;
		open(my $fh, '<:raw', $_) or return;
		local $/;
		my $bytes = <$fh> // '';
		$looked++;
		(my $path = $_) =~ s{^\Q$top\E/}{};
		my $owner = $of{ $path =~ s/(\d)(?:\.\d+|_\w+)$/$1/r } // '';
		my $may = $theirs{$owner} || $path =~ m{(?:^|/)pg_wal/};
		foreach my $name (sort keys %canaries)
		{
			$theirs_found++ if $theirs{$owner} && $bytes =~ $canaries{$name};
			push @hits, "$path ($owner): $name" if $bytes =~ $canaries{$name} && !($may && $name ne 'key');
		} } }, $top);
	is_deeply(\@hits, [], $what);
	return;
}
look_at_files('the data directory', $node->data_dir);
my $backup = PostgreSQL::Test::Utils::tempdir() . '/backup';
command_ok([ 'pg_basebackup', '-D', $backup, '-h', $node->host, '-p', $node->port, '-c', 'fast', '-X', 'fetch' ], 'a base backup');
look_at_files('the base backup', $backup);
cmp_ok($looked, '>', 1000, 'there were files');
cmp_ok($theirs_found, '>', 3, 'and those of the messages have the messages');
my $wal = join '', map { slurp_file($_) } glob($node->data_dir . '/pg_wal/0*');
like($wal, qr/zqsubjectcanary/, 'the WAL has what the tables have');
my $dump = "$backup.sql";
command_ok([ 'pg_dumpall', '-h', $node->host, '-p', $node->port, '-f', $dump ], 'a dump');
my $dumped = slurp_file($dump);
like($dumped, $canaries{'fiscal code'}, 'which has the messages');
is_free('the dump', $dumped, 'fiscal code', 'text');

look_at_processes('in the end');
is_free('attempts and what people did', $node->safe_psql('postgres', 'SELECT a FROM io_msg.audit a; SELECT a FROM io_msg.attempt a'))
  if $node->safe_psql('postgres', q{SELECT to_regclass('io_msg.attempt') IS NOT NULL}) eq 't';
$node->stop;
is_free('the log to its end', slurp_file($node->logfile));
look_at_files('the data directory after all', $node->data_dir);
done_testing();
