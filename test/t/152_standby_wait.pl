# While a mark waits for its synchronous standby nothing can make it count but
# the standby: a cancel is not heard, and each kind of stop ends in time, sends
# nothing, and keeps the answers that have come.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;
use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Utils;

use IoMsgFailover;
use IoMsgTest;

my $GRACE_S = 2;
my $pair = IoMsgFailover->start(synchronous => 1,
	settings => { 'io_msg.shutdown_grace' => "${GRACE_S}s", 'io_msg.idle_exit' => '1h' });
my ($node, $standby, $io) = @$pair{qw(primary standby io)};
my $citizen = 1000;

# This test's own transactions wait for nobody.
$ENV{PGOPTIONS} = session_options(synchronous_commit => 'local');

sub accepted { my ($n) = @_; return scalar grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger; }

# The drainer whose mark waits.
sub waiting_drainer
{
	my $pid = '';

	poll_until(sub {
		$pid = $node->safe_psql('postgres', q{SELECT max(pid) FROM pg_stat_activity
			WHERE backend_type = 'io_msg drainer' AND wait_event = 'SyncRep'});
		$pid ne '' });
	return $pid;
}

# Some POSTs that IO has accepted and not answered; then the standby is gone,
# and the mark of one more message waits for it.
sub begin_waiting
{
	my $before = $pair->accepted_now;
	my @slow = map { ++$citizen } 1 .. 3;

	$io->fault(kind => 'hang', path => 'message');
	my @slow_ids = map { enqueue($node, $_) } @slow;
	ok(poll_until(sub { $pair->accepted_now == $before + 3 }), 'three messages are under way');
	$standby->stop;
	my $id = enqueue($node, ++$citizen);
	my $pid = waiting_drainer();
	ok($pid, 'the mark of a fourth waits');
	return { slow => \@slow_ids, id => $id, pid => $pid, citizen => $citizen };
}

# The server again, and its standby.
sub come_back
{
	$io->clear_faults;
	$io->release;
	$node->start unless -e $node->data_dir . '/postmaster.pid';
	$standby->start;
	return;
}

sub statuses_of
{
	my $ids = join ',', @_;

	return join ' ', split /\n/, $node->safe_psql('postgres',
		"SELECT status FROM io_msg.outbox WHERE id IN ($ids) ORDER BY id");
}

# Does io_health tell that the worker waits for it?
sub health_tells
{
	return $node->safe_psql('postgres',
		q{SELECT count(*) FROM io_health() WHERE severity = 'error' AND code = 'waits_for_standby'});
}

sub stop_timed
{
	my ($mode) = @_;
	my $begin = time;

	$node->stop($mode);
	note(sprintf 'pg_ctl stop -m %s: %.2f s, with a grace of %d s', $mode, time - $begin, $GRACE_S);
	return time - $begin;
}

subtest 'a cancel' => sub
{
	my $offset = -s $node->logfile;
	my $was = begin_waiting();
	my $begin = time;

	ok(poll_until(sub { health_tells() }), 'io_health says that it waits');
	note(sprintf 'waits_for_standby after %.2f s', time - $begin);
	for (1 .. 50)
	{
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($was->{pid}) FROM generate_series(1, 20)");
		kill('INT', $was->{pid});
	}
	is(waiting_drainer(), $was->{pid}, 'it waits still');
	is($node->safe_psql('postgres', "SELECT wait_event FROM pg_stat_activity WHERE pid = $was->{pid}"),
		'SyncRep', 'after a thousand of them');
	ok(!log_has($node, qr/canceling wait for synchronous replication/, $offset), 'and none was heard');
	is(accepted($was->{citizen}), 0, 'nothing was sent');
	come_back();
	wait_for_status($node, $_, 'sent') foreach $was->{id}, @{ $was->{slow} };
	is(accepted($was->{citizen}), 1, 'once the standby is back it is sent');
	ok(poll_until(sub { !health_tells() }), 'and io_health says no more that it waits');
};

foreach my $mode (qw(fast smart))
{
	subtest "a $mode stop, the answers are there" => sub
	{
		my $was = begin_waiting();

		$io->clear_faults;
		$io->release;
		cmp_ok(stop_timed($mode), '<', 60, 'it ends');
		is(accepted($was->{citizen}), 0, 'nothing was sent');
		$node->start;
		is(statuses_of(@{ $was->{slow} }), 'sent sent sent', 'the answers are kept');
		is(statuses_of($was->{id}), 'queued', 'the fourth is queued');
		come_back();
		wait_for_status($node, $was->{id}, 'sent');
		is(accepted($was->{citizen}), 1, 'and sent once');
	};
}

subtest 'a fast stop, no answer comes' => sub
{
	my $was = begin_waiting();

	cmp_ok(stop_timed('fast'), '<', 60, 'it ends');
	is(accepted($was->{citizen}), 0, 'nothing was sent');
	come_back();
	wait_for_status($node, $_, 'uncertain') foreach @{ $was->{slow} };
	wait_for_status($node, $was->{id}, 'sent');
	is(accepted($was->{citizen}), 1, 'the fourth is sent once');
};

subtest 'an immediate stop' => sub
{
	my $was = begin_waiting();

	cmp_ok(stop_timed('immediate'), '<', 60, 'it ends');
	is(accepted($was->{citizen}), 0, 'nothing was sent');
	come_back();
	wait_for_status($node, $_, 'uncertain') foreach @{ $was->{slow} };
	ok(poll_until(sub { statuses_of($was->{id}) =~ /^(?:sent|uncertain)$/ }), 'the fourth is settled');
	is(accepted($was->{citizen}), statuses_of($was->{id}) eq 'sent' ? 1 : 0, 'as it was');
};

subtest 'the standby is given up' => sub
{
	my $was = begin_waiting();

	$io->clear_faults;
	$io->release;
	IoMsgFailover::set_now($node, 'synchronous_standby_names', '');
	wait_for_status($node, $_, 'sent') foreach $was->{id}, @{ $was->{slow} };
	is(accepted($was->{citizen}), 1, 'what waited is sent, once');
	come_back();
};

my ($accepted, $twice) = $pair->read_ledger;
is_deeply($twice, [], 'nothing was accepted twice');
$pair->finish;
done_testing();
