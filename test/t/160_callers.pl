# Whatever a caller does to its transaction, and however many call at once, the
# server stands, one key is one message, and no caller is refused for what the
# worker does meanwhile.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('callers',
	'restart_after_crash' => 'on',
	'max_connections' => 100,
	'io_msg.max_in_flight' => 8,
	'io_msg.poll_delay' => '100ms');

# Whatever the server, the database or the role has, the worker's writes are counted.
$node->safe_psql('postgres', 'ALTER ROLE CURRENT_USER IN DATABASE postgres SET track_counts = on');
$node->restart;
add_service($node, 'tari', $io, quota_calls => 4096);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# What pgbench says after its clients have each called so often; a failed
# transaction is counted, not tried again.
sub bench
{
	my ($name, $clients, $transactions, $script) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . "/$name.sql";

	append_to_file($file, $script);
	my ($out, $err) = run_command([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', $clients,
			'-j', 2, '-t', $transactions, '-f', $file, 'postgres' ]);
	unlike($err, qr/ERROR|FATAL|aborted/, "$name: nobody is refused") or diag($err);
	return $out;
}

# A call of the citizens' codes, of which $code is SQL for one.
sub call
{
	my ($code, $more) = @_;

	return "SELECT io_enqueue_message($code, 'Call me on 333 1234567', repeat('m', 80)" . ($more // '') . ");\n";
}

$node->safe_psql('postgres', 'CREATE TABLE citizen (n integer PRIMARY KEY, code text); INSERT INTO citizen VALUES '
	  . join(', ', map { "($_, '" . fiscal_code($_) . "')" } 1 .. 3000));

# What is worth a warning, enqueued in vain and then not in vain, on many levels.
my ($rc, $out, $err) = $node->psql('postgres', q{
	CREATE FUNCTION nest(levels integer) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM io_enqueue_message('} . fiscal_code(1) . q{', 'Call me on 333 1234567', repeat('m', 80));
		IF levels > 0 THEN PERFORM nest(levels - 1); END IF;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END $$;
	CREATE FUNCTION in_vain() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM nest(0);
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END $$;
	UPDATE io_msg.service SET paused = true;
} . "SELECT in_vain(); BEGIN; SELECT in_vain(); SELECT nest(6); COMMIT; SELECT in_vain();
	SELECT nest(6) FROM generate_series(1, 3);\n" x 30);
is($rc, 0, 'messages enqueued in vain harm nobody') or diag($err);
is(scalar(() = $err =~ /WARNING:  7 messages of this/g), 30, 'and are not counted');
is(scalar(() = $err =~ /WARNING:  21 messages of this/g), 30, 'in whichever transaction');
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'"), 30 * 28,
	'what was committed is queued');
$node->safe_psql('postgres', "SELECT count(io_cancel(id)) FROM io_msg.outbox; UPDATE io_msg.service SET paused = false");

# Strict isolation, while the worker writes the same tables.
$io->fault(kind => 'latency', ms => 5);
foreach my $level ('SERIALIZABLE', 'REPEATABLE READ')
{
	my $said = bench(lc($level =~ s/ /_/r), 8, 50, "\\set n random(1, 3000)\nBEGIN ISOLATION LEVEL $level;\n"
		  . call('(SELECT code FROM citizen WHERE n = :n)') . "SELECT count(*) FROM citizen WHERE n = :n;\nEND;\n");
	like($said, qr/number of transactions actually processed: 400/, "$level: all transactions");
	like($said, qr/number of failed transactions: 0 /, "$level: none failed");
}

# 64 sessions with one key, then with eight.
bench('one_key', 64, 2, call("'" . fiscal_code(1) . "'", ", dedup_key => 'one'"));
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE dedup_key = 'one'"), 1,
	'64 sessions with one key: one message');
bench('eight_keys', 64, 4, "\\set n random(1, 8)\n" . call('(SELECT code FROM citizen WHERE n = :n)', ", dedup_key => 'k' || :n"));
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE dedup_key ~ '^k'"), 8, 'with eight keys: eight');
wait_until($node, "SELECT count(*) = 809 FROM io_msg.outbox WHERE io_status = 'PROCESSED'", 'all are sent');
is(scalar(() = $io->ledger), 809, 'and accepted once each');

# What the worker writes is seen by the statistics, so by autovacuum.
wait_until($node, q{SELECT sum(n_tup_upd) >= 809 AND sum(n_tup_del) >= 809 FROM pg_stat_user_tables
	WHERE schemaname = 'io_msg' AND relname IN ('outbox', 'pending')}, 'autovacuum knows what the worker writes');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'it is the same server');

# A session that ends in the midst of a call; then one that is killed.
my $cut = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $cut->query_safe('SELECT pg_backend_pid()');
$cut->query_safe("BEGIN; " . call("'" . fiscal_code(4001) . "'"));
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
wait_until($node, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)", 'a session is cut off');
my $killed = $node->background_psql('postgres', on_error_stop => 0);
$pid = $killed->query_safe('SELECT pg_backend_pid()');
$killed->query_safe("BEGIN; " . call("'" . fiscal_code(4002) . "'"));
my $kept = enqueue($node, 4003);
my $from = -s $node->logfile;
kill('KILL', $pid);
ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }), 'another is killed');
ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
wait_until($node, "SELECT status IN ('sent', 'uncertain') FROM io_msg.outbox WHERE id = $kept", 'what was committed is there');
is_deeply([ grep { $_->{fiscal_code} eq fiscal_code(4001) || $_->{fiscal_code} eq fiscal_code(4002) } $io->ledger ], [],
	'nothing of theirs was sent');
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE fiscal_code IN ('"
		  . fiscal_code(4001) . "', '" . fiscal_code(4002) . "')"), 0, 'nor queued');
$node->stop;
done_testing();
