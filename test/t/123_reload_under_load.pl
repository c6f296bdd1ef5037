# Settings and keys change while messages flow: no message fails, none is sent
# twice, and the new values count.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgTest;

my $io = start_sandbox(quota => 0, processing_delay_ms => 0);
my $node = iomsg_node('main',
	'io_msg.max_in_flight' => 8,
	'io_msg.poll_delay' => '300ms',
	'io_msg.retry_delay' => '50ms');
add_service($node, 'tari', $io, quota_calls => 4096);
$io->fault(kind => 'latency', ms => 40);
my $base = 0;
my $open = "SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'";

# Does something again and again while 400 messages flow.
sub while_flowing
{
	my ($name, $act) = @_;
	my $from = $base + 1;
	my $times = 0;

	$base += 400;
	enqueue_many($node, $from, $base);
	do
	{
		$act->($times++);
		sleep(0.1);
	} while ($node->safe_psql('postgres', $open) > 0 && $times < 400);
	wait_until($node, "SELECT count(*) = $base FROM io_msg.outbox WHERE status = 'sent'", "$name, $times times: all are sent");
	return;
}

my %values = (
	'io_msg.max_in_flight' => [ 1, 8, 32 ],
	'io_msg.idle_exit' => [ '0', '100ms', '2s' ],
	'io_msg.sweep' => [ '200ms', '1min' ],
	'io_msg.shutdown_grace' => [ '0', '10s' ],
	'io_msg.answer_timeout' => [ '30s', '190s' ],
	'io_msg.connect_timeout' => [ '5s', '10s' ],
	'io_msg.max_mark_age' => [ '10s', '30s' ],
	'io_msg.retry_delay' => [ '50ms', '1s' ],
	'io_msg.poll_delay' => [ '100ms', '1s' ],
	'io_msg.max_attempts' => [ 3, 12 ],
	'io_msg.enabled' => [ 'off', 'on' ],
	'io_msg.allowed_hosts' => [ 'localhost', '127.0.0.1,localhost' ]);
my @names = sort keys %values;
while_flowing('settings change', sub {
	my ($i) = @_;
	my $name = $names[ int($i / 2) % @names ];
	my $list = $values{$name};
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = "
		  . sql_literal($list->[ $i % @$list ]));
	$node->reload;
	if ($i % 2)
	{
		$node->safe_psql('postgres', "ALTER SYSTEM RESET $name");
		$node->reload;
	}
});
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->reload;

# A value that cannot be: the old one stays.
my $from = -s $node->logfile;
$node->append_conf('postgresql.conf', "io_msg.max_in_flight = 100000\n");
$node->reload;
ok(poll_until(sub { log_has($node, qr/100000 is outside the valid range for parameter "io_msg.max_in_flight"/, $from) }),
	'a wrong value is refused');
is($node->safe_psql('postgres', 'SHOW io_msg.max_in_flight'), 8, 'and the old one stays');
$node->append_conf('postgresql.conf', "io_msg.max_in_flight = 8\n");
$node->reload;

# Keys, as one renews them at IO: one of the two is made anew there, the
# drainer takes the other until the file has it.
my %key;
@key{qw(primary secondary)} = $io->keys('tari');
while_flowing('keys change', sub {
	my ($i) = @_;
	my $which = $i % 2 ? 'secondary' : 'primary';

	$key{$which} = "tari-$which-$i";
	$io->set_keys('tari', $which => $key{$which});
	sleep(0.05);
	write_keys($node, "postgres tari $key{primary} $key{secondary}");
});
wait_until($node, "SELECT bool_and(io_status = 'PROCESSED') FROM io_msg.outbox", 'the statuses are read');
is_deeply(statuses($node), { sent => $base }, 'no message has failed');
my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is(scalar(keys %accepted), $base, 'IO has each');
is_deeply([ grep { $accepted{$_} > 1 } keys %accepted ], [], 'none twice');
my $refused = grep { $_->{status} == 401 } $io->journal;
note("$refused calls met a key that was no longer good");
$node->stop;
done_testing();
