# A transaction that marked a message can be durable and raise an error all
# the same.  The worker finds its own mark then: the message is nobody's
# orphan, goes back unsent and is sent once, whatever its service wants done
# with uncertain ones and whatever settings are read in between.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = fault_node('raised', 'io_msg.idle_exit' => '100ms');
add_service($node, 'tari', $io, quota_calls => 4096);

my $n = 0;
foreach my $policy ('hold', 'resend')
{
	foreach my $first (1, 0)
	{
		my $when = "$policy, " . ($first ? 'a worker that has just come' : 'one that has been at work');

		know_profile($node, 'tari', ++$n, $n + 1);
		$node->safe_psql('postgres', "UPDATE io_msg.service SET on_uncertain = '$policy'");
		ok(poll_until(sub { !drainer_pids($node) }), "$when: nobody is there");
		wait_for_status($node, enqueue($node, $n + 1), 'sent') unless $first;
		order($node, 'before_mark_commit:sleep=1000:1, after_mark_commit:error:1');
		my $id = enqueue($node, $n);
		ok(poll_until(sub { is_met($node, 'before_mark_commit') }), "$when: it marks");
		# What it reads anew right after the error.
		$node->safe_psql('postgres', 'UPDATE io_msg.service SET paused = paused');
		ok(poll_until(sub { is_met($node, 'after_mark_commit') }), "$when: the commit raises");
		wait_for_status($node, $id, 'sent');
		$node->safe_psql('postgres', 'SELECT io_msg.wake()');
		ok(poll_until(sub { !drainer_pids($node) }), "$when: nothing is left to do");
		is(posts_to($io, $n), 1, "$when: it was sent once");
		is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.pending WHERE id = $id"), '0', "$when: and cannot be again");
		is($node->safe_psql('postgres', "SELECT string_agg(class || ' ' || reason, ',') FROM io_msg.attempt WHERE id = $id"),
			'not_sent mark_interrupted', "$when: what is kept of it");
		order($node, '');
		$n++;
	}
}
$node->stop;
done_testing();
