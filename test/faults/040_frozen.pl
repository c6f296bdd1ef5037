# A worker that is frozen between a mark and its request, as a virtual machine
# may be, sends nothing on the strength of that mark once it has grown old: the
# message is marked anew, and accepted once.  A mark's age counts from when its
# commit has returned, however long that took.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgFaults;
use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = fault_node('frozen', 'io_msg.max_mark_age' => '500ms', 'io_msg.idle_exit' => '1h');
add_service($node, 'tari', $io, quota_calls => 4096);
my $citizen = 1;
wait_for_status($node, enqueue($node, $citizen), 'sent');
my ($worker) = drainer_pids($node);

sub is_stopped { return slurp_file("/proc/$worker/stat") =~ /\) T /; }

foreach my $point (qw(after_mark_commit before_content before_request))
{
	my @citizens = map { ++$citizen } 1 .. 3;

	know_profile($node, 'tari', @citizens);
	order($node, "$point:stop:1");
	my @ids = enqueue_many($node, $citizens[0], $citizens[-1]);
	ok(poll_until(\&is_stopped), "$point: the worker is frozen");
	is(join(' ', map { accepted_for($io, $_) } @citizens), '0 0 0', "$point: nothing has been sent");
	sleep(1);
	kill('CONT', $worker);
	wait_for_status($node, $_, 'sent') foreach @ids;
	cmp_ok(times_met($node, $point), '>', 1, "$point: it was marked anew") if $point ne 'after_mark_commit';
	is(join(' ', map { accepted_for($io, $_) } @citizens), '1 1 1', "$point: IO has each once");
	is(join(' ', map { posts_to($io, $_) } @citizens), '1 1 1', "$point: and had no other call");
	is($node->safe_psql('postgres', 'SELECT max(attempts) FROM io_msg.outbox'), 1, "$point: that was no attempt");
	order($node, '');
}
is_deeply([ drainer_pids($node) ], [$worker], 'it is the same worker all the time');
is_deeply(statuses($node), { sent => $citizen }, 'nothing is uncertain');
$node->stop;
done_testing();
