# A message whose content crashes the worker: it is marked before its content is
# looked at, so each such message costs one restart of the server and no more,
# and all others flow.

use strict;
use warnings FATAL => 'all';

use lib 'test/t', 'test/faults';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFaults;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = fault_node('poison', 'io_msg.max_in_flight' => 1);
add_service($node, 'tari', $io, quota_calls => 4096);
order($node, 'content:crash');

my $poison = '[io_msg fault] ' . 'x' x 100;
my $citizen = 0;

sub crashes
{
	my $log = slurp_file($node->logfile);

	return scalar(() = $log =~ /terminated by signal 11/g);
}

# Messages of a first, a poisonous and three more citizens.
sub try_poison
{
	my ($nth) = @_;

	# The session that queues it is not to be cut off by the crash.
	$node->safe_psql('postgres', 'SELECT io_pause()');
	my @good = enqueue_many($node, $citizen + 1, $citizen + 2);
	my $bad = enqueue($node, $citizen + 3, markdown => $poison);

	attempt($node, 'SELECT io_resume()');
	ok(poll_until(sub { crashes() >= $nth }), "poison $nth crashes the worker");
	await_server($node);
	push @good, enqueue_many($node, $citizen + 4, $citizen + 6);
	wait_for_status($node, $_, 'sent') foreach @good;
	is(status_of($node, $bad), 'uncertain', "poison $nth is uncertain");
	is(scalar(grep { $_->{fiscal_code} eq fiscal_code($citizen + 3) } $io->ledger), 0, 'IO has not got it');
	is(crashes(), $nth, 'it has crashed the worker once');
	$citizen += 6;
	return;
}

try_poison($_) foreach 1 .. 2;

# Where many are marked together, no more are uncertain than connections.
$node->append_conf('postgresql.conf', 'io_msg.max_in_flight = 4');
$node->restart;
resume($node);
$node->safe_psql('postgres', 'SELECT io_pause()');
my @ids = enqueue_many($node, 101, 106);
push @ids, enqueue($node, 107, markdown => $poison), enqueue_many($node, 108, 112);
attempt($node, 'SELECT io_resume()');
ok(poll_until(sub { crashes() >= 3 }), 'a poison among others');
await_server($node);
resume($node);
wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'", 'the others flow');
is(crashes(), 3, 'one crash');
my $uncertain = $node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox WHERE status = 'uncertain'
	 AND id IN (" . join(',', @ids) . ')');
cmp_ok($uncertain, '<=', 4, 'no more are uncertain than connections');
cmp_ok($uncertain, '>=', 1, 'the poison is');
my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(grep { $_ > 1 } values %accepted), 0, 'IO has none twice');
$node->stop;
done_testing();
