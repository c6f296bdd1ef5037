# A drainer that stands still, with its machine or alone, and goes on after its
# marks have grown old: answers that have come are recorded, nothing is sent
# twice, and nothing on the strength of an old mark.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main',
	'io_msg.max_mark_age' => '100ms',
	'io_msg.max_in_flight' => 4,
	'io_msg.retry_delay' => '50ms');
add_service($node, 'tari', $io, quota_calls => 4096);

# Stands still while answers are awaited.
$io->fault(kind => 'hang', path => 'message');
my @ids = enqueue_many($node, 1, 4);
ok(poll_until(sub { scalar(() = $io->ledger) == 4 }), 'four POSTs are under way');
my ($pid) = drainer_pids($node);
kill('STOP', $pid);
push @ids, enqueue_many($node, 5, 8);
$io->clear_faults;
$io->release;
sleep(0.5);
kill('CONT', $pid);
wait_for_status($node, $_, 'sent') foreach @ids;

# At odd moments under load: between the mark and the POST, too.
my $stops = 0;
$io->fault(kind => 'latency', ms => 5);
enqueue_many($node, 1001, 1400);
($pid) = drainer_pids($node);
while (scalar(() = $io->ledger) < 400 && kill('STOP', $pid))
{
	sleep(0.15);
	kill('CONT', $pid);
	$stops++;
	sleep(rand(0.05));
}
$io->clear_faults;
note("$stops stops");
wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'", 'all are settled');
my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(keys %accepted), 408, 'IO has each');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
is_deeply(statuses($node), { sent => 408 }, 'and each is known to be sent');
$node->stop;
done_testing();
