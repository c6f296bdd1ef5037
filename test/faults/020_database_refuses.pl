# The database may refuse any statement or commit of the worker for a while, for
# a full disk, a conflict, a cancelled statement: the worker stays, keeps what
# IO has said, and writes it later.  Nothing is sent twice.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my %state = (
	'40001' => 'a serialization failure',
	'40P01' => 'a deadlock',
	'57014' => 'a cancelled statement',
	'53100' => 'a full disk',
	'54000' => 'a limit of the server',
	'23505' => 'a unique violation');
my @points = qw(before_key_read before_claim after_claim before_mark_commit
  before_content before_result_commit);

my $io = start_sandbox(quota => 0);
my $node = fault_node('refuses',
	'log_statement' => 'none',
	'log_min_error_statement' => 'panic',
	'io_msg.max_in_flight' => 4,
	'io_msg.idle_exit' => '1h');
add_service($node, 'tari', $io, quota_calls => 4096);
my $citizen = 0;

sub posts { return scalar grep { $_->{path} eq 'message' } $io->journal; }

# The first message brings up the worker that must stay.
my $first = enqueue($node, ++$citizen);
wait_for_status($node, $first, 'sent');
my ($worker) = drainer_pids($node);

# Each state in turn at one point; the first is the one that the log tells.
sub refuse
{
	my ($point, @states) = @_;
	my $name = "refused at $point";
	my @citizens = map { ++$citizen } 1 .. 6;
	my $from = -s $node->logfile;

	know_profile($node, 'tari', @citizens);
	order($node, join ', ', map { "$point:error=$states[$_]:" . ($_ + 1) } 0 .. $#states);
	my @ids = enqueue_many($node, $citizens[0], $citizens[-1]);
	ok(poll_until(sub { times_met($node, $point) >= @states }), "$name, by $state{$states[0]} first");
	ok(poll_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox
		 WHERE status = 'sent' AND id IN (" . join(',', @ids) . ')') == 6 }), "$name: all are sent");
	is(join(' ', drainer_pids($node)), $worker, "$name: the worker stays");
	is(join(' ', map { accepted_for($io, $_) } @citizens), '1 1 1 1 1 1', "$name: IO has each once");
	ok(log_has($node, qr/failed with SQLSTATE $states[0] and is tried again/, $from), "$name: the log says so");
	order($node, '');
	return;
}

my @states = sort keys %state;
foreach my $point (@points)
{
	refuse($point, @states);
	push @states, shift @states;
}
settle_requests($io);
is(posts(), $citizen, 'as many POSTs as messages');

# What IO has said is in memory only, for as long as the database refuses it.
order($node, 'before_result_commit:error=53100');
my @citizens = map { ++$citizen } 1 .. 4;
know_profile($node, 'tari', @citizens);
my @ids = enqueue_many($node, $citizens[0], $citizens[-1]);
ok(poll_until(sub { 4 == grep { accepted_for($io, $_) } @citizens }), 'IO accepts four');
ok(poll_until(sub { times_met($node, 'before_result_commit') >= 6 }), 'the disk stays full');
is($node->safe_psql('postgres', 'SELECT DISTINCT status FROM io_msg.outbox WHERE id IN (' . join(',', @ids) . ')'),
	'queued', 'nothing of it is written');
order($node, '');
wait_for_status($node, $_, 'sent') foreach @ids;
settle_requests($io);
is(posts(), $citizen, 'and no second POST was made');
is(join(' ', drainer_pids($node)), $worker, 'by the same worker');
log_is_clean($node);

# Also where it judges what a dead worker has left.
$io->fault(kind => 'hang', path => 'message');
$citizen++;
know_profile($node, 'tari', $citizen);
my $orphan = enqueue($node, $citizen);
ok(poll_until(sub { accepted_for($io, $citizen) }), 'a message is under way');
order($node, 'before_orphans:error=53100:1-2, before_orphan_commit:error=40001:1-2');
my $from = -s $node->logfile;
kill('KILL', $worker);
ok(poll_until(sub { log_has($node, qr/all server processes terminated; reinitializing/, $from) }), 'the worker is killed');
await_server($node);
wait_for_status($node, $orphan, 'uncertain');
is(times_met($node, $_) >= 3 ? 1 : 0, 1, "$_ was refused twice") foreach qw(before_orphans before_orphan_commit);
is(accepted_for($io, $citizen), 1, 'IO has it once');
$io->clear_faults;
$io->release;
$node->stop;
done_testing();
