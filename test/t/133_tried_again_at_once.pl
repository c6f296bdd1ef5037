# A row that is to be tried again is found when it is due, even if it is due
# before rows that are read meanwhile: nothing waits for the next look at
# everything, which comes every few seconds.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $rounds = 6;
my $node = iomsg_node('main', 'io_msg.retry_delay' => '1ms', 'io_msg.sweep' => '1h', 'io_msg.idle_exit' => '1h',
	'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);
my $citizen = 0;

add_services($node, $io, map { ("s$_" => {}) } 1 .. 2 * $rounds);
know_profile($node, "s$_", 2 * $_ - 1, 2 * $_) foreach 1 .. 2 * $rounds;

# An answer that makes a row due again, and a commit of another row, for the
# same person every other time, that the drainer finds both at once.  Returns
# the seconds until the first is sent.
sub meet
{
	my ($service, %answer) = @_;
	my $first = ++$citizen;
	my $second = ++$citizen % 4 ? $citizen : $first;
	my %which = (path => 'message', fiscal_code => fiscal_code($first), count => 1);

	$io->fault(kind => 'latency', ms => 300, when => 'before', %which);
	$io->fault(kind => 'error', %answer, %which);
	my $again = enqueue($node, $first, service => $service);
	poll_until(sub { $io->stats->{in_flight} == 1 }) or die "no call came\n";
	my ($pid) = drainer_pids($node);

	# It sleeps, and holds no lock, when it is stopped.
	poll_until(sub { $node->safe_psql('postgres', "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $pid") eq 'Extension' })
	  or die "the drainer does not sleep\n";
	kill('STOP', $pid);
	poll_until(sub { calls_to($io, $first, 'message') }) or die "no answer was given\n";
	my $other = enqueue($node, $second, service => $service);
	kill('CONT', $pid);
	wait_for_status($node, $_, 'sent') foreach $other, $again;
	return $node->safe_psql('postgres', "SELECT extract(epoch FROM a.settled_at - o.created_at)
		FROM io_msg.outbox a, io_msg.outbox o WHERE a.id = $again AND o.id = $other");
}

# All rounds together take a tenth of a second; were the rows left to the next
# look, ten or twenty.
my $seconds = 0;
$seconds += meet("s$_", status => 500, shape => 'problem') foreach 1 .. $rounds;
note("IO's internal errors: $seconds s");
cmp_ok($seconds, '<', deadline_s() / 12, 'after an internal error of IO');

$seconds = 0;
$seconds += meet("s$_", status => 401, shape => 'gateway') foreach $rounds + 1 .. 2 * $rounds;
note("refused keys: $seconds s");
cmp_ok($seconds, '<', deadline_s() / 12, 'after a refused key, with the other one');
is(scalar(grep { $_->{key} eq 'secondary' } $io->ledger) >= $rounds, 1, 'which is used then');

is(scalar(() = $io->ledger), 4 * $rounds, 'each is sent once');
$node->stop;
done_testing();
