# A commit whose wait for the synchronous standby is cut short, by whatever it
# may be, looks like any other.  The worker asks whether the standby has
# confirmed its mark: where it has not, nothing is sent on its strength.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

# This test's own transactions wait for nobody.
$ENV{PGOPTIONS} = '-c synchronous_commit=local';

my $io = start_sandbox(quota => 0);
my $node = fault_node('unconfirmed', init => [ allows_streaming => 1 ], 'io_msg.idle_exit' => '1h',
	'max_connections' => 20);
add_service($node, 'tari', $io, quota_calls => 4096);
know_profile($node, 'tari', 1 .. 4);
wait_for_status($node, enqueue($node, 1), 'sent');
set_and_reload($node, 'synchronous_standby_names' => 'nobody');
my ($worker) = drainer_pids($node);

# Every commit that marks, and every one that puts back, is cut short.
my $from = -s $node->logfile;
order($node, 'before_mark_commit:cancel, before_result_commit:cancel');
my @ids = enqueue_many($node, 2, 4);
ok(poll_until(sub { times_met($node, 'before_mark_commit') >= 3 }), 'a mark is tried, and tried again');
ok(log_has($node, qr/canceling wait for synchronous replication/, $from), 'the wait for the standby was cut short');
is(posts_to($io, $_), 0, "nothing was sent to $_") foreach 2 .. 4;
is_deeply([ drainer_pids($node) ], [$worker], 'the worker stays');
wait_until($node, 'SELECT bool_or(reason = \'mark_unconfirmed\') FROM io_msg.outbox WHERE id IN ('
	  . join(',', @ids) . ')', 'the reason is there');

# From now on nothing is cut short: it waits.
order($node, '');
ok(poll_until(sub { $node->safe_psql('postgres', "SELECT wait_event FROM pg_stat_activity WHERE pid = $worker") eq 'SyncRep' }),
	'then it waits');
is(posts_to($io, $_), 0, "nothing was sent to $_") foreach 2 .. 4;
set_and_reload($node, 'synchronous_standby_names' => '');
wait_for_status($node, $_, 'sent') foreach @ids;
is(accepted_for($io, $_), 1, "IO has $_ once") foreach 2 .. 4;
is($node->safe_psql('postgres', 'SELECT max(attempts) FROM io_msg.outbox'), 1, 'none of it was an attempt');
$node->stop;
done_testing();
