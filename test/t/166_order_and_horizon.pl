# Messages of one service to one person never overlap, however often IO says
# 429; and a transaction that stays open for long, so that nothing can be
# vacuumed, keeps nobody from being sent to.  What that costs is reported, not
# judged: IOMSG_PINNED is the number of messages (300).

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;
use Time::HiRes qw(time);

use IoMsgFlow;
use IoMsgTest;

my $people = 40;
my $messages = $ENV{IOMSG_PINNED} // 300;
my $io = start_sandbox(quota => 0);
my $node = flow_node('order', 'io_msg.max_in_flight' => 16, 'io_msg.poll_delay' => '1h', 'log_min_messages' => 'warning');

add_services($node, $io, tari => {});
know_profile($node, 'tari', 1 .. $people);
$io->fault(kind => 'latency', ms => 10, path => 'message');
$io->fault(kind => 'rate_limit', path => 'message', seconds => 1, count => 1, fiscal_code => fiscal_code($_))
  foreach map { 13 * $_ } 1 .. 3;
$node->safe_psql('postgres', 'SELECT count(io_enqueue_message(v.cf, format(\'Test message %s\', g), repeat(\'m\', 80)))
	FROM generate_series(1, 3) AS g, (VALUES ' . join(', ', map { '(' . sql_literal(fiscal_code($_)) . ')' } 1 .. $people) . ') AS v (cf)');
wait_until($node, 'SELECT count(*) = ' . 3 * $people . " FROM io_msg.outbox WHERE status = 'sent'", 'all are sent');
settle_requests($io);

my ($overlaps, $refused) = (0, 0);
foreach my $person (1 .. $people)
{
	my @calls = sort { $a->{real_us} <=> $b->{real_us} } calls_to($io, $person, 'message');

	$refused += grep { $_->{status} == 429 } @calls;
	# The sandbox's two clocks are read one after the other.
	$overlaps += grep { $calls[$_]{real_us} < $calls[ $_ - 1 ]{real_us} + $calls[ $_ - 1 ]{took_us} - 5000 } 1 .. $#calls;
}
cmp_ok($refused, '>', 0, 'IO said 429');
is($overlaps, 0, 'no message was on its way while another to the same person was');
my %times;
$times{ $_->{fiscal_code} . $_->{content}{subject} }++ foreach $io->ledger;
is(scalar(keys %times), 3 * $people, 'IO has each');
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'once');

# Seconds that a campaign takes.
my $base = 1000;

sub campaign
{
	my $from = $base + 1;

	$base += $messages;
	know_profile($node, 'tari', $from .. $base);
	my $start = time;
	my @ids = enqueue_many($node, $from, $base);
	wait_until($node, "SELECT count(*) = 0 FROM io_msg.outbox WHERE status = 'queued' AND id >= $ids[0]", "$messages messages are sent");
	return time - $start;
}

$io->clear_faults;
my $free = campaign();
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
my @pinned = map { campaign() } 1 .. 2;
note(sprintf('%d messages: %.2f s, with an old transaction %s s', $messages, $free, join(', ', map { sprintf('%.2f', $_) } @pinned)));
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'io_msg drainer' AND backend_xmin IS NOT NULL AND state <> 'active'}), 0,
	'the worker itself pins nothing');
is($node->safe_psql('postgres', q{SELECT pg_relation_size('io_msg.drainer') > current_setting('block_size')::integer}), 't',
	"versions of the worker's row have moved to another page");
$node->safe_psql('postgres', q{CREATE EXTENSION amcheck;
	SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relnamespace = 'io_msg'::regnamespace});
pass('each row is in its indexes');
my (undef, undef, $err) = $node->psql('postgres', 'INSERT INTO io_msg.drainer (slot, epoch) VALUES (0, 0)');
like($err, qr/duplicate key value violates unique constraint "drainer_pkey"/, 'once');
$old->query_safe('COMMIT');
$old->quit;
is($io->stats->{accepted}, 3 * $people + 3 * $messages, 'all were accepted');
$node->stop;
done_testing();
