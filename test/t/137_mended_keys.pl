# A refusal counts against the keys that were used: not against those that have
# been mended while the call was under way, nor, once a person has resumed the
# service, for ever.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('main', 'io_msg.idle_exit' => '1h', 'io_msg.poll_delay' => '1h');
my $io = start_sandbox(quota => 0);

add_services($node, $io, tari => { keys => ['tari-primary-key'] }, imu => {}, steady => {});
know_profile($node, $_, 1 .. 20) foreach qw(tari imu steady);

sub sent_with
{
	my ($n) = @_;

	return join ' ', map { $_->{key} } grep { $_->{fiscal_code} eq fiscal_code($n) } $io->ledger;
}

subtest 'mended while a call is under way' => sub
{
	my $from = -s $node->logfile;

	# The answer to the old key comes late.
	$io->fault(kind => 'latency', ms => 5000, when => 'before', path => 'message', fiscal_code => fiscal_code(1), count => 1);
	$io->fault(kind => 'error', status => 401, shape => 'gateway', path => 'message', fiscal_code => fiscal_code(1), count => 1);
	my $late = enqueue($node, 1, service => 'tari');
	ok(poll_until(sub { $io->stats->{in_flight} == 1 }), 'a call with the old key is under way');
	my ($pid) = drainer_pids($node);

	$io->set_keys('tari', primary => 'tari-new-primary-key');
	write_keys($node, 'postgres tari tari-new-primary-key',
		map { "postgres $_ " . join(' ', $io->keys($_)) } qw(imu steady));
	wait_for_status($node, enqueue($node, 2, service => 'tari'), 'sent');
	is($io->stats->{in_flight}, 1, 'the new key is in use before the old one is refused');

	wait_for_status($node, $late, 'sent');
	is_deeply([ map { $_->{status} } calls_to($io, 1, 'message') ], [ 401, 201 ], 'refused with the old key, sent with the new one');
	is_deeply(stopped_services($node), {}, 'the service has not stopped');
	ok(!log_has($node, qr/service "tari" stops/, $from), 'not even for a moment');
	wait_for_status($node, enqueue($node, 3, service => 'tari'), 'sent');
	is((drainer_pids($node))[0], $pid, 'by one and the same drainer');
};

subtest 'mended before the stop is noted' => sub
{
	my $from = -s $node->logfile;
	my $holder = $node->background_psql('postgres');

	# A person who changes the service keeps the stop from being written.
	$holder->query_safe('BEGIN');
	$holder->query_safe(q{SELECT id FROM io_msg.service WHERE name = 'tari' FOR UPDATE});
	$io->set_keys('tari', revoke => 'all');
	my $id = enqueue($node, 4, service => 'tari');
	ok(poll_until(sub { log_has($node, qr/service "tari" stops/, $from) }), 'the key is refused');
	$io->set_keys('tari', primary => 'tari-third-primary-key');
	write_keys($node, 'postgres tari tari-third-primary-key',
		map { "postgres $_ " . join(' ', $io->keys($_)) } qw(imu steady));
	wait_for_status($node, enqueue($node, 5, service => 'steady'), 'sent');
	$holder->query_safe('COMMIT');
	$holder->quit;

	wait_for_status($node, $id, 'sent');
	is_deeply(stopped_services($node), {}, 'the new key is not stopped for the old one');
};

subtest 'resumed by a person' => sub
{
	my ($pid) = drainer_pids($node);

	# The primary key is refused, the secondary is not.
	$io->set_keys('imu', revoke => 'primary');
	wait_for_status($node, enqueue($node, 11, service => 'imu'), 'sent');
	is(sent_with(11), 'secondary', 'sent with the secondary key');

	# Then both are.
	$io->set_keys('imu', revoke => 'all');
	my $id = enqueue($node, 12, service => 'imu');
	ok(poll_until(sub { (stopped_services($node)->{imu} // '') eq 'key_refused' }), 'both refused: stopped');
	wait_for_status($node, enqueue($node, 13, service => 'steady'), 'sent');
	is(status_of($node, $id), 'queued', 'the message waits');

	# IO takes the primary key again; the file is as it was.
	$io->set_keys('imu', primary => 'imu-primary-key');
	is($node->safe_psql('postgres', "SELECT io_resume('imu')"), 't', 'io_resume');
	wait_for_status($node, $id, 'sent');
	is(sent_with(12), 'primary', 'sent with the primary key');
	is_deeply(stopped_services($node), {}, 'it goes on');
	is((drainer_pids($node))[0], $pid, 'by one and the same drainer');
};

is($node->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE status <> 'sent' OR attempts <> 1}), 0,
	'all is sent, no refusal is an attempt');
log_is_clean($node);
$node->stop;
done_testing();
