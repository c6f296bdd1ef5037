# A worker that is stopped on purpose has not failed: another one takes its
# place at once, however often, and io_health finds nothing amiss.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.idle_exit' => '1h');
add_service($node, 'tari', $io);

foreach my $n (1 .. 4)
{
	wait_for_status($node, enqueue($node, $n), 'sent');
	my ($pid) = drainer_pids($node);
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', "worker $n is stopped");
	ok(poll_until(sub { !grep { $_ eq $pid } drainer_pids($node) }), 'it ends');
	is($node->safe_psql('postgres', 'SELECT failures FROM io_msg.worker_state()'), 0, 'that is no failure');
}
wait_for_status($node, enqueue($node, 5), 'sent');
is($node->safe_psql('postgres', q{SELECT count(*) FROM io_health() WHERE code IN ('worker_failing', 'crash_loop')}), 0,
	'nothing is amiss');
is(scalar(() = $io->ledger), 5, 'each was accepted once');
$node->stop;
done_testing();
