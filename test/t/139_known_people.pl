# Whether IO has just been asked about a person or has been before, a message
# that they cannot get ends with the same words.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('main', 'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);
my $citizen = 0;

add_services($node, $io, tari => {});

my %reasons = (unknown => 'no_profile', inbox_off => 'no_profile', opted_out => 'sender_not_allowed');
foreach my $profile (sort keys %reasons)
{
	my $n = ++$citizen;
	my @ids;

	$io->profile(fiscal_code($n), profile => $profile);
	push @ids, enqueue($node, $n);
	wait_for_status($node, $ids[0], 'not_allowed');
	settle_requests($io);
	is(scalar calls_to($io, $n, 'profile'), 1, "$profile: IO was asked");

	push @ids, enqueue($node, $n);
	wait_for_status($node, $ids[1], 'not_allowed');
	is(scalar calls_to($io, $n), 1, "$profile: IO was not asked again");
	is(row_of($node, $_)->{reason}, $reasons{$profile}, "$profile: the reason of row $_") foreach @ids;
}

# Two at once for one person.
my $n = ++$citizen;
$io->profile(fiscal_code($n), profile => 'unknown');
$io->fault(kind => 'latency', ms => 500, path => 'profile', count => 1);
my @ids = enqueue_many($node, $n, $n);
push @ids, enqueue($node, $n), enqueue($node, $n);
wait_for_status($node, $_, 'not_allowed') foreach @ids;
is_deeply([ map { row_of($node, $_)->{reason} } @ids ], [ ('no_profile') x 3 ], 'those that wait for one answer share it');
is(scalar(() = $io->ledger), 0, 'nothing was sent');

log_is_clean($node);
$node->stop;
done_testing();
