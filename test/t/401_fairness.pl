# No service waits for another: not for one that is silent, dead, throttled,
# paused or stopped, however much of it is queued.  Two messages to one person
# keep their order.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use JSON::PP;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $node = flow_node('fair', 'io_msg.poll_delay' => '1h', 'io_msg.max_in_flight' => 8,
	'io_msg.retry_delay' => '200ms');
my $io = start_sandbox(quota => 0);
my $dead = start_sandbox(quota => 0, service => 'dead');
my @good = map { "good$_" } 1 .. 4;

add_services($node, $dead, dead => { account => 'dead' });
$dead->stop;
add_services($node, $io, silent => {}, failing => {}, refused => {}, throttled => { account => 'throttled' },
	paused => { paused => 't' }, keyless => { keys => [] }, map { ($_ => {}) } @good);
$io->service('refused', suspended => JSON::PP::true);
$io->admin('POST', 'faults', [
	{ kind => 'hang', service => 'silent' },
	{ kind => 'error', status => 500, service => 'failing', path => 'message' },
	{ kind => 'rate_limit', seconds => 3600, service => 'throttled' } ]);

# How often the worker has read what services there are.
sub looks_at_services
{
	return $node->safe_psql('postgres', q{SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelid = 'io_msg.service_pkey'::regclass});
}

# All the trouble is queued first, more of it than there are connections.
my @bad = qw(silent failing refused throttled paused keyless dead);
my %from;
@from{@bad} = map { $_ * 1000 } 1 .. @bad;
enqueue_many($node, $from{$_} + 1, $from{$_} + 40, service => $_) foreach @bad;
ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'the silent service is being waited for');

my $n = 20_000;
foreach my $round (1 .. 3)
{
	my @ids = map { my $service = $_; map { enqueue($node, ++$n, service => $service) } 1 .. 5 } @good;

	wait_until($node, 'SELECT count(*) = ' . @ids . " FROM io_msg.outbox WHERE status = 'sent' AND id IN (" . join(',', @ids) . ')',
		"round $round: the others' messages are sent");
	cmp_ok($io->stats->{in_flight}, '>', 0, "round $round: while the silent one is silent");
}
is($node->safe_psql('postgres', "SELECT count(*) FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id
	WHERE s.name IN ('refused', 'throttled', 'paused', 'keyless', 'dead') AND (status <> 'queued' OR attempts > 0)"), 0,
	'the rows of those that cannot send wait, none has lost an attempt');
is_deeply(stopped_services($node), { refused => 'key_refused' }, 'IO has stopped one');

# What was in the way goes away: all of it is sent.
$io->clear_faults;
$io->release;
$io->service('refused', suspended => JSON::PP::false);
$dead->restart;
# To the worker another address, so that it does not wait for its next look.
$node->safe_psql('postgres', "UPDATE io_msg.account SET base_url = base_url || '/' WHERE name = 'dead'");
write_keys($node, @{ $node->{iomsg_keys} }, 'postgres keyless keyless-primary-key');
$node->safe_psql('postgres', "SELECT io_resume('refused'), io_resume('paused')");
wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox o JOIN io_msg.service s ON s.id = service_id
	WHERE s.name IN ('silent', 'refused', 'paused', 'keyless', 'dead') AND status = 'queued'", 'all that waited has left');

# Two messages to one person: the second waits for the answer to the first.
my $person = 30_000;
know_profile($node, 'good1', $person);
$io->fault(kind => 'latency', ms => 400, path => 'message', fiscal_code => fiscal_code($person), count => 1);
my @two = map { enqueue($node, $person, service => 'good1', subject => "Test message $_") } 1 .. 3;
wait_for_status($node, $_, 'sent') foreach @two;
settle_requests($io);
my @posts = calls_to($io, $person, 'message');
is_deeply([ map { $_->{id} } @posts ], [ map { row_of($node, $_)->{message_id} } @two ], 'in their order');
foreach my $i (1, 2)
{
	cmp_ok($posts[$i]{real_us}, '>=', $posts[ $i - 1 ]{real_us} + $posts[ $i - 1 ]{took_us} - 5000, 'and none before the answer to the one before');
}

# Nor for one to another person, however many are queued for the first one; and
# not for the worker's next look at what services there are.
my $held = ++$person;
my $citizen = sql_literal(fiscal_code($held));
$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code($held), count => 1);
my $first = enqueue($node, $held, service => 'good1');
ok(poll_until(sub { $io->stats->{in_flight} > 0 }), 'an answer does not come');
my $looks = looks_at_services();
$node->safe_psql('postgres', "SELECT count(io_enqueue_message($citizen, 'Test message ' || g, repeat('m', 80), service => 'good1'))
	FROM generate_series(1, 500) AS g");
wait_for_status($node, enqueue($node, ++$person, service => 'good1'), 'sent');
cmp_ok(looks_at_services() - $looks, '<', 4, 'another person is sent to meanwhile');
$node->safe_psql('postgres', "SELECT count(io_cancel(id)) FROM io_msg.outbox WHERE fiscal_code = $citizen AND id <> $first");
$io->release;
wait_for_status($node, $first, 'sent');

my %times;
$times{ $_->{fiscal_code} . $_->{content}{subject} }++ foreach $io->ledger, $dead->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'no message was accepted twice');

log_is_clean($node);
$node->stop;
done_testing();
