# The extension can come and go as often as one likes, busy or not.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0, 'io_msg.sweep' => '500ms',
	'io_msg.idle_exit' => '200ms', 'log_statement' => 'none');
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $accepted = 0;

foreach my $round (1 .. 10)
{
	$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
	$node->{iomsg_keys} = [];
	add_service($node, 'tari', $io);
	my $id = enqueue($node, 10 * $round);
	# In odd rounds it is dropped in the midst of the work.
	if ($round % 2 == 0)
	{
		wait_for_status($node, $id, 'sent');
		is(scalar(() = $io->ledger), ++$accepted, "round $round: sent once");
	}
	else
	{
		enqueue_many($node, 10 * $round + 1, 10 * $round + 5);
	}
	$node->safe_psql('postgres', 'DROP EXTENSION io_msg');
	ok(poll_until(sub { !drainer_pids($node) }), "round $round: the drainer leaves") if $round % 3 == 0;
	$accepted = poll_until(sub { $io->stats->{in_flight} <= 1 && !drainer_pids($node) })
	  ? scalar(() = $io->ledger) : -1;
}
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'it is the same server');
my $log = slurp_file($node->logfile);
unlike($log, qr/terminated by signal|PANIC/, 'nothing crashed');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'nothing was sent twice');

# As a whole in one transaction, and taken back.
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION io_msg; ROLLBACK');
$node->safe_psql('postgres', 'BEGIN; CREATE EXTENSION io_msg; DROP EXTENSION io_msg; COMMIT');
$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
$node->{iomsg_keys} = [];
add_service($node, 'tari', $io);
my $id = enqueue($node, 1000);
wait_for_status($node, $id, 'sent');
$node->stop;
done_testing();
