# A transaction that wrote a result can be durable and raise an error all the
# same.  The worker sees that the row is in flight no more and lets it be:
# nothing is written twice, and what was queued again is sent.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = fault_node('result_raised', 'io_msg.idle_exit' => '100ms');
add_service($node, 'tari', $io, quota_calls => 4096);
know_profile($node, 'tari', 1 .. 3);

sub result_raises
{
	my ($citizen, $name) = @_;

	order($node, 'after_result_commit:error:1');
	my $id = enqueue($node, $citizen);
	ok(poll_until(sub { is_met($node, 'after_result_commit') }), "$name: the commit raises");
	return $id;
}

# What could not be delivered for now is queued again: its row in pending is
# there, and a second one would have the same key.
$io->fault(kind => 'error', status => 500, shape => 'problem', path => 'message', count => 1);
my $id = result_raises(1, 'to be sent again');
wait_for_status($node, $id, 'sent');
is(posts_to($io, 1), 2, 'to be sent again: and was, once');

# What was refused is failed; a person may put it back at once.
$io->fault(kind => 'error', status => 400, shape => 'problem', path => 'message', count => 1);
$id = result_raises(2, 'refused');
wait_for_status($node, $id, 'failed');
$node->safe_psql('postgres', "SELECT io_retry($id)");
wait_for_status($node, $id, 'sent');
is(posts_to($io, 2), 2, 'refused: sent once more, as a person wanted');

$id = result_raises(3, 'accepted');
wait_for_status($node, $id, 'sent');
is(posts_to($io, 3), 1, 'accepted: sent once');

ok(poll_until(sub { !drainer_pids($node) }), 'nothing is left to do');
is($node->safe_psql('postgres', 'SELECT count(*) FROM io_msg.pending'), '0', 'and nothing waits');
is($node->safe_psql('postgres', "SELECT string_agg(class, ',' ORDER BY id) FROM io_msg.attempt"),
	'retry,refused', 'what is kept of the attempts is kept once');
$node->stop;
done_testing();
