# A launcher that is ended comes back by itself: what is under way goes on, what
# was committed meanwhile is sent, all of it once.  One that is killed takes the
# server's processes with it, as any process does: what was on the wire then is
# uncertain, all else flows.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $LAUNCHERS = "pg_stat_activity WHERE backend_type = 'io_msg launcher'";
my $io = start_sandbox(quota => 0);
# No sweep is to be of any help.
my $node = iomsg_node('main',
	'restart_after_crash' => 'on',
	'io_msg.sweep' => '1h',
	'io_msg.idle_exit' => '300ms',
	'io_msg.max_in_flight' => 8);
add_service($node, 'tari', $io, quota_calls => 4096);

sub launcher { return $node->safe_psql('postgres', "SELECT pid FROM $LAUNCHERS"); }

sub another_than
{
	my ($pid) = @_;

	return ok(poll_until(sub { my $now = launcher(); $now ne '' && $now ne $pid }), 'a launcher comes back by itself');
}

# So many messages that IO accepts and does not answer.
sub hang
{
	my ($from, $to) = @_;
	my $before = () = $io->ledger;

	$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($_)) foreach $from .. $to;
	my @ids = enqueue_many($node, $from, $to);
	ok(poll_until(sub { scalar(() = $io->ledger) == $before + @ids }), 'POSTs are under way');
	return @ids;
}

# What enqueues a message to the n-th citizen.
sub call
{
	my ($n) = @_;

	return 'io_enqueue_message(fiscal_code => ' . sql_literal(fiscal_code($n))
	  . q{, subject => 'Test message', markdown => repeat('Invented. ', 10))};
}

sub go_on
{
	$io->clear_faults;
	$io->release;
	return;
}

sub each_once
{
	my ($all) = @_;
	my %accepted;

	$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
	is(scalar(keys %accepted), $all, 'IO has each');
	is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
	return;
}

# While answers are awaited.
my @slow = hang(1, 4);
my ($drainer) = drainer_pids($node);
my $pid = launcher();
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'the launcher is ended');
ok(poll_until(sub { launcher() ne $pid }), 'it goes');
my @more = enqueue_many($node, 5, 14);
wait_for_status($node, $_, 'sent') foreach @more;
is_deeply([ drainer_pids($node) ], [$drainer], 'the worker has gone on');
another_than($pid);
wait_for_status($node, enqueue($node, 15), 'sent');
is_deeply([ drainer_pids($node) ], [$drainer], 'with the same worker');
go_on();
wait_for_status($node, $_, 'sent') foreach @slow;
ok(poll_until(sub { !drainer_pids($node) }), 'then it leaves');
wait_for_status($node, enqueue($node, 16), 'sent');
ok(poll_until(sub { !drainer_pids($node) }), 'and another after it');

# Before a commit that a worker is to be started for: long before it, and in
# the same breath.
$pid = launcher();
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
my $id = $session->query_safe('SELECT ' . call(17));
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok(poll_until(sub { launcher() ne $pid }), 'without a launcher');
$session->query_safe('COMMIT');
$session->quit;
another_than($pid);
wait_for_status($node, $id, 'sent');
ok(poll_until(sub { !drainer_pids($node) }), 'the worker has left');
$pid = launcher();
$id = $node->safe_psql('postgres', 'SELECT ' . call(18) . " FROM pg_terminate_backend($pid)");
another_than($pid);
wait_for_status($node, $id, 'sent');

# While it starts one.  Nothing tells when that is, so at several moments.
foreach my $n (19 .. 21)
{
	ok(poll_until(sub { !drainer_pids($node) }), 'the worker has left');
	$pid = launcher();
	($id) = split /\n/, $node->safe_psql('postgres', 'SELECT ' . call($n)
		  . '; SELECT FROM pg_sleep(' . 0.001 * ($n - 19) . "), pg_terminate_backend($pid)");
	wait_for_status($node, $id, 'sent');
	another_than($pid);
}
is_deeply(statuses($node), { sent => 21 }, 'all are sent, nothing is uncertain');
each_once(21);
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_health() WHERE code IN ('worker_failing', 'no_launcher', 'crash_loop')}), 0,
	'nothing is amiss');

# Killed, while eight messages are under way and others wait behind them.
@slow = hang(31, 38);
@more = enqueue_many($node, 39, 58);
my @later = enqueue_many($node, 59, 60, send_after => \"clock_timestamp() + interval '3 s'");
my $from = -s $node->logfile;
$pid = launcher();
kill('KILL', $pid);
ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }), 'the launcher is killed');
ok(log_has($node, qr/background worker "io_msg launcher" \(PID $pid\) was terminated by signal 9/, $from), 'the log says who it was');
ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 }), 'the server is back');
another_than($pid);
wait_for_status($node, $_, 'uncertain') foreach @slow;
wait_for_status($node, $_, 'sent') foreach @more, @later;
wait_for_status($node, enqueue($node, 61), 'sent');
is_deeply(statuses($node), { sent => 44, uncertain => 8 }, 'uncertain is what was on the wire, all else is sent');
each_once(52);
is($node->safe_psql('postgres', 'SELECT in_flight, orphans FROM io_msg.drainer'), '{}|{}', 'nothing is left over');
go_on();
$node->stop;
done_testing();
