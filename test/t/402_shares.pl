# A service whose answers do not come has no more than its share of the
# connections while others want some, however much of it is queued.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('shares', 'io_msg.max_in_flight' => 16);
my $io = start_sandbox(quota => 0);
my @well = map { "well$_" } 1 .. 3;
my $each = 60;

add_services($node, $io, silent => {}, map { ($_ => {}) } @well);
$io->fault(kind => 'hang', service => 'silent', path => 'message');
$io->fault(kind => 'latency', ms => 20, service => $_, path => 'message') foreach @well;

# All begin at once, each with more than there are connections.
$node->safe_psql('postgres', 'SELECT io_pause()');
my $n = 0;
foreach my $service ('silent', @well)
{
	enqueue_many($node, $n + 1, $n + $each, service => $service);
	$n += $each;
}
$node->safe_psql('postgres', 'SELECT io_resume()');
wait_until($node, "SELECT count(*) = 3 * $each FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id
	WHERE s.name ~ '^well' AND status = 'sent'", 'the others are sent');
cmp_ok($io->stats->{in_flight}, '>', 0, 'while the silent one is silent');
$io->clear_faults;
$io->release;
wait_until($node, "SELECT count(*) = 4 * $each FROM io_msg.outbox WHERE status = 'sent'", 'all are sent');
settle_requests($io);

# While the others had much left: sixteen connections for four services.
my @posts = sort { $a->{real_us} <=> $b->{real_us} } grep { $_->{path} eq 'message' } $io->journal;
my @others = grep { $_->{service} ne 'silent' } @posts;
my $late = $others[ int(0.7 * @others) ]{real_us};
my $silent = grep { $_->{service} eq 'silent' && $_->{real_us} < $late } @posts;
cmp_ok($silent, '>=', 1, 'the silent service had its turn');
cmp_ok($silent, '<=', 4, 'and its share');

# One that is silent alone has three quarters; another that comes leaves some, too.
$io->fault(kind => 'hang', service => $_, path => 'message') foreach 'silent', 'well1';
foreach my $case ([ 'silent', 12 ], [ 'well1', 15 ])
{
	my ($service, $taken) = @$case;

	enqueue_many($node, $n + 1, $n + $each, service => $service);
	$n += $each;
	ok(poll_until(sub { $io->stats->{in_flight} >= $taken }), "$service waits for its answers");
}
wait_for_status($node, enqueue($node, ++$n, service => 'well2'), 'sent');
$io->clear_faults;
$io->release;
wait_until($node, "SELECT count(*) = $n FROM io_msg.outbox WHERE status = 'sent'", 'all are sent');

log_is_clean($node);
$node->stop;
done_testing();
