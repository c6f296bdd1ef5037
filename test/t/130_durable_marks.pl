# A message leaves only on the strength of a mark that is as durable as the
# server was told when the drainer came up: a stop that meets the mark's wait
# for a standby sends nothing, and a reload cannot lower what marks wait for.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

# What has not been flushed stays in memory until the server stops.
my $io = start_sandbox();
my $node = iomsg_node('main',
	init => [ allows_streaming => 1 ],
	'synchronous_commit' => 'remote_apply',
	'io_msg.idle_exit' => '1h',
	'wal_writer_delay' => '10s',
	'wal_writer_flush_after' => '100MB',
	'checkpoint_timeout' => '1h',
	'autovacuum' => 'off');
add_service($node, 'tari', $io);
know_profile($node, 'tari', 1 .. 20);

sub messages_at_io { return scalar grep { $_->{path} eq 'message' } $io->journal; }

# Does the server say so, to a session that does not say otherwise itself?
sub server_commits
{
	my ($level) = @_;
	local $ENV{PGOPTIONS} = session_options(synchronous_commit => undef);

	return $node->safe_psql('postgres', 'SHOW synchronous_commit') eq $level;
}

# The drainer that is up waits for a standby that does not exist.
sub waiting_drainer
{
	my ($pid) = @_;

	poll_until(sub {
		($pid) = split /\n/, $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity
			   WHERE backend_type = 'io_msg drainer' AND wait_event = 'SyncRep'});
		$pid });
	return $pid;
}

subtest 'a reload does not lower it' => sub
{
	wait_for_status($node, enqueue($node, 1), 'sent');
	my ($before) = drainer_pids($node);
	$node->safe_psql('postgres', 'ALTER SYSTEM SET synchronous_commit = off');
	$node->reload;
	for my $n (2 .. 3)
	{
		ok(poll_until(sub { server_commits('off') }), 'now it is off');
		is((drainer_pids($node))[0], $before, 'for a drainer that came up before') if $n == 2;
		$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($n));
		my $id = enqueue($node, $n);
		my $arrived = poll_until(sub { accepted_for($io, $n) });
		$node->stop('immediate');
		ok($arrived, "IO has message $n");
		$io->clear_faults;
		$io->release;
		$node->start;
		ok(poll_until(sub { status_of($node, $id) ne 'queued' }), "message $n does not wait");
		is(status_of($node, $id), 'uncertain', "message $n may have been sent");
		is(accepted_for($io, $n), 1, "message $n was sent once");
		next if $n > 2;

		# The next drainer, too, comes up with more than it has later.
		$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_commit');
		$node->restart;
		wait_for_status($node, enqueue($node, 10), 'sent');
		$node->safe_psql('postgres', 'ALTER SYSTEM SET synchronous_commit = off');
		$node->reload;
	}
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_commit');
	$node->restart;
};

subtest 'a stop that meets the wait for a standby' => sub
{
	my $before = messages_at_io();

	# This test's own transactions wait for nobody.
	local $ENV{PGOPTIONS} = session_options(synchronous_commit => 'local');
	wait_for_status($node, enqueue($node, 11), 'sent');
	my ($up) = drainer_pids($node);
	$node->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
	$node->reload;
	ok(poll_until(sub { $node->safe_psql('postgres', 'SHOW synchronous_standby_names') eq 'nobody' }),
		'a standby that does not exist is to confirm');

	my $id = enqueue($node, 12);
	for my $round (1 .. 3)
	{
		my $pid = waiting_drainer();
		ok($pid, "stop $round: the mark waits");
		is($pid, $up, 'of a drainer that was up before') if $round == 1;
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
		ok(poll_until(sub { !grep { $_ eq $pid } drainer_pids($node) }), "stop $round: it is gone");
		is(messages_at_io(), $before + 1, "stop $round: nothing was sent");
		is(status_of($node, $id), 'queued', "stop $round: the message is queued");
		is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.pending WHERE id = $id"), 1,
			"stop $round: and can be sent");
	}

	ok(waiting_drainer(), 'another one waits');
	$node->stop('fast');
	is(messages_at_io(), $before + 1, 'the server has stopped, and nothing was sent');
	$node->append_conf('postgresql.auto.conf', q{synchronous_standby_names = ''});
	$node->start;
	wait_for_status($node, $id, 'sent');
	is(messages_at_io(), $before + 2, 'in the end it is sent, once');
	is($node->safe_psql('postgres', "SELECT attempts FROM io_msg.outbox WHERE id = $id"), 1,
		'and no stop counts as an attempt');
};

$node->stop;
done_testing();
