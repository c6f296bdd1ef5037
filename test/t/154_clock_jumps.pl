# The server's clock jumps by days, forth and back, while messages are under
# way: none is lost and none is sent twice.  What is due by a clock that was
# wrong waits until it is that time.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main', start => 0, 'io_msg.max_in_flight' => 8, 'io_msg.retry_delay' => '20ms',
	'io_msg.sweep' => '300ms', 'io_msg.poll_delay' => '1h', 'autovacuum' => 'off');
my $clock = PostgreSQL::Test::Utils::tempdir . '/clock';
my $library = "$clock.so";

system_or_bail('cc', '-O1', '-shared', '-fPIC', '-o', $library, tree_dir() . '/test/lib/moved_clock.c');
append_to_file($clock, pack('q', 0));

# Seconds that the server's clock is off from now on.
sub set_clock
{
	my ($offset) = @_;

	# In one write, since the server reads it from memory.
	open(my $fh, '+<:raw', $clock) or die "$clock: $!\n";
	syswrite($fh, pack('q', $offset)) == 8 or die "$clock: $!\n";
	close($fh);
	return;
}

sub is_off_by_days
{
	my ($days) = @_;
	my $now = time;

	return poll_until(sub { $node->safe_psql('postgres',
		"SELECT abs(EXTRACT(epoch FROM clock_timestamp()) - $now - $days * 86400) < 3600") eq 't' });
}

{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{MOVED_CLOCK} = $clock;
	$node->start;
}
$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, quota_calls => 4096);
$io->fault(kind => 'latency', ms => 30);

my $citizen = 0;
foreach my $days (3, -3, 0, -3, 3, 0, 3)
{
	my $before = () = $io->ledger;

	enqueue_many($node, $citizen + 1, $citizen + 30);
	$citizen += 30;
	poll_until(sub { (() = $io->ledger) > $before }, 2);
	set_clock($days * 86400);
	ok(is_off_by_days($days), "the clock is off by $days days");
	enqueue($node, ++$citizen);
}
wait_until($node, q{SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued'}, 'all are settled');
is_deeply(statuses($node), { sent => $citizen }, 'all are sent, none is uncertain');
is($node->safe_psql('postgres', q{SELECT max(settled_at) - min(settled_at) > interval '5 days' FROM io_msg.outbox}), 't',
	"the worker's clock has jumped, too");
my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(keys %accepted), $citizen, 'IO has each');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
$node->stop;
done_testing();
