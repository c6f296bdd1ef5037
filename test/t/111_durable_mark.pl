# By the time a request reaches IO, its mark is on disk, whatever
# synchronous_commit says and wherever it is said: a server that stops at that
# very moment knows afterwards that the message may have been sent.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

# What has not been flushed stays in memory until the server stops.
my $io = start_sandbox();
my $node = iomsg_node('main',
	'wal_writer_delay' => '10s',
	'wal_writer_flush_after' => '100MB',
	'checkpoint_timeout' => '1h',
	'autovacuum' => 'off');
add_service($node, 'tari', $io);
my $citizen = 0;

# What a session is given that asks for nothing.
sub plain_session
{
	local $ENV{PGOPTIONS} = session_options(synchronous_commit => undef);
	return $node->safe_psql('postgres', 'SHOW synchronous_commit');
}

# The server stops as soon as IO has the message, and its answer never comes.
sub stop_at_arrival
{
	my ($where) = @_;
	my $n = ++$citizen;
	my @before = $io->ledger;

	$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($n));
	is(plain_session(), 'off', "off, by $where");
	my $id = enqueue($node, $n);
	my $arrived = poll_until(sub { scalar(() = $io->ledger) > @before });
	$node->stop('immediate');
	ok($arrived, "$where: IO has message $n");
	$io->clear_faults;
	$io->release;
	$node->start;
	# So many crashes in so short a time would stop it.
	$node->safe_psql('postgres', 'SELECT io_resume()');
	ok(poll_until(sub { status_of($node, $id) ne 'queued' }), "$where: message $n does not wait");
	is(status_of($node, $id), 'uncertain', "$where: message $n may have been sent");
	is(scalar(grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger), 1,
		"$where: message $n was sent once");
	return;
}

$node->safe_psql('postgres', 'ALTER SYSTEM SET synchronous_commit = off');
$node->restart;
stop_at_arrival('ALTER SYSTEM') for 1 .. 3;
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_commit');
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET synchronous_commit = off');
$node->restart;
stop_at_arrival('ALTER DATABASE') for 1 .. 2;
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET synchronous_commit');
my $owner = $node->safe_psql('postgres', 'SELECT current_user');
$node->safe_psql('postgres', qq{ALTER ROLE "$owner" SET synchronous_commit = off});
$node->restart;
stop_at_arrival('ALTER ROLE') for 1 .. 2;

# While a drainer is at work, too.
my $id = enqueue($node, 100);
wait_for_status($node, $id, 'sent');
$node->safe_psql('postgres', 'ALTER SYSTEM SET synchronous_commit = off');
$node->reload;
stop_at_arrival('a reload');
$node->stop;
done_testing();
