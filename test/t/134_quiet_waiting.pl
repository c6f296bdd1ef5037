# A drainer that can do nothing does nothing: it sleeps while its database is
# paused, while the quota is used up and while an answer is awaited, and obeys
# a stop at once.  What is enqueued meanwhile does not start one drainer each.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgFlow;
use IoMsgTest;

plan skip_all => 'needs /proc' unless -r "/proc/$$/status";

my $node = iomsg_node('main',
	'log_min_messages' => 'debug1',
	'io_msg.idle_exit' => '10s',
	'io_msg.sweep' => '1h',
	'io_msg.poll_delay' => '1h',
	'io_msg.shutdown_grace' => '10min');
my $io = start_sandbox(quota => 0);

add_services($node, $io, tari => {}, slow => { account => 'slow' });
know_profile($node, 'slow', 1 .. 100);

# What a process has done so far: times that it went to sleep or was sent
# there, hundredths of a second of CPU time.
sub effort
{
	my ($pid) = @_;
	my @stat = split / /, slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;
	my $switches = 0;

	$switches += $_ foreach slurp_file("/proc/$pid/status") =~ /ctxt_switches:\s+(\d+)/g;
	return ($switches, $stat[11] + $stat[12]);
}

sub transactions
{
	return $node->safe_psql('template1', q{SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'});
}

# A loop without rest goes round thousands of times in two seconds.
sub is_quiet
{
	my ($pid, $what) = @_;

	# What has just come may take its turn first.
	sleep(0.5);
	my @before = effort($pid);
	my $committed = transactions();
	sleep(2);
	my @after = effort($pid);
	cmp_ok($after[0] - $before[0], '<', 200, "$what: it sleeps");
	cmp_ok($after[1] - $before[1], '<', 100, "$what: it takes hardly any CPU time");
	cmp_ok(transactions() - $committed, '<', 200, "$what: it begins hardly any transaction");
	return;
}

sub the_drainer { my ($pid) = drainer_pids($node); return $pid; }

subtest 'paused while a profile is asked for' => sub
{
	$io->fault(kind => 'hang', path => 'profile');
	my $id = enqueue($node, 1, service => 'tari');
	ok(poll_until(sub { $io->stats->{in_flight} == 1 }), 'the call is under way');
	my $pid = the_drainer();
	$node->safe_psql('postgres', 'SELECT io_pause()');
	is_quiet($pid, 'while the answer is awaited');
	$io->clear_faults;
	$io->release;
	ok(poll_until(sub { calls_to($io, 1, 'profile') }), 'the answer has come');
	ok(poll_until(sub { !grep { $_ eq $pid } drainer_pids($node) }), 'then the worker leaves the paused database');
	is(posts_to($io, 1), 0, 'nothing is sent');
	is(status_of($node, $id), 'queued', 'the message waits');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($node, $id, 'sent');
	is(posts_to($io, 1), 1, 'once resumed it is sent, once');
};

subtest 'a stop while a profile is asked for' => sub
{
	$io->fault(kind => 'hang', path => 'profile');
	my $id = enqueue($node, 2, service => 'tari');
	ok(poll_until(sub { $io->stats->{in_flight} == 1 }), 'the call is under way');
	my $pid = the_drainer();
	$node->safe_psql('postgres', 'SELECT io_pause()');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(poll_until(sub { !grep { $_ eq $pid } drainer_pids($node) }), 'such a call need not be waited for');
	$io->clear_faults;
	$io->release;
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_for_status($node, $id, 'sent');
};

subtest 'one answer is awaited, and nothing else' => sub
{
	$io->fault(kind => 'hang', path => 'message');
	my $id = enqueue($node, 1, service => 'slow');
	ok(poll_until(sub { $io->stats->{in_flight} == 1 }), 'the message is being sent');
	is_quiet(the_drainer(), 'a message without answer');
	$io->clear_faults;
	$io->release;
	wait_for_status($node, $id, 'sent');
};

subtest 'the quota is used up' => sub
{
	$node->safe_psql('postgres',
		q{UPDATE io_msg.account SET quota_calls = 1, quota_period = '1 h' WHERE name = 'slow'});
	my @ids = enqueue_many($node, 11, 60, service => 'slow');
	my $later = enqueue($node, 61, service => 'slow', send_after => \"clock_timestamp() + interval '1 s'");
	wait_until($node, "SELECT due_at < clock_timestamp() - interval '100 ms' FROM io_msg.outbox WHERE id = $later",
		'another message has become due behind many');
	is_quiet(the_drainer(), 'no call may leave');
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE id >= $ids[0] AND status = 'queued'"),
		'>=', 50, 'the messages wait');
	$node->safe_psql('postgres',
		q{UPDATE io_msg.account SET quota_calls = 4096, quota_period = '1 s' WHERE name = 'slow'});
	wait_until($node, q{SELECT bool_and(status = 'sent') FROM io_msg.outbox}, 'with a larger quota all is sent');
};

subtest 'many commits while the database is paused' => sub
{
	$node->safe_psql('postgres', 'SELECT io_pause()');
	my $from = -s $node->logfile;
	foreach my $n (101 .. 140)
	{
		enqueue($node, $n, service => 'tari');
	}
	my $log = slurp_file($node->logfile, $from);
	my $starts = () = $log =~ /starting background worker process "io_msg drainer/g;
	cmp_ok($starts, '<=', 4, 'they start a drainer or two');
	$node->safe_psql('postgres', 'SELECT io_resume()');
	wait_until($node, q{SELECT bool_and(status = 'sent') FROM io_msg.outbox}, 'once resumed all is sent');
};

is(scalar(() = $io->ledger), 1 + 1 + 1 + 51 + 40, 'each once');
$node->stop;
done_testing();
