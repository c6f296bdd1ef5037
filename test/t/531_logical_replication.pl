# A server to which all tables are published, those of io_msg included, and
# which has io_msg, is armed and has the keys, too: rows that come by
# replication are of another generation and never leave from there, and what
# becomes of them on the publisher is seen there.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $publisher = iomsg_node('publisher', init => [ allows_streaming => 'logical' ], 'io_msg.sweep' => '500ms');
my $subscriber = iomsg_node('subscriber', init => [ allows_streaming => 'logical' ],
	'io_msg.sweep' => '500ms', 'io_msg.idle_exit' => '200ms');
my ($primary_key, $secondary_key) = $io->keys('tari');

# The key tells who sent: the services themselves come by replication.
add_service($publisher, 'tari', $io, keys => [$primary_key]);
write_keys($subscriber, "postgres tari $secondary_key");
$subscriber->safe_psql('postgres', q{SELECT setval('io_msg.outbox_id_seq', 1000000)});
wait_for_status($publisher, enqueue($publisher, 1), 'sent');
$publisher->safe_psql('postgres', 'SELECT io_pause()');
my @before = enqueue_many($publisher, 2, 6);

# Each server has a row of its own in installation and in drainer: these two
# stay as they are.
my $own = $subscriber->safe_psql('postgres', 'SELECT generation FROM io_msg.installation');
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
# The subscriber's connections have no limits, whatever the publisher's server
# gives to others.
$publisher->safe_psql('postgres', join ';', 'CREATE ROLE mirror LOGIN SUPERUSER',
	map { "ALTER ROLE mirror SET $_ = 0" } qw(lock_timeout statement_timeout idle_session_timeout idle_in_transaction_session_timeout));
$subscriber->safe_psql('postgres', 'CREATE SUBSCRIPTION everything CONNECTION '
	  . sql_literal($publisher->connstr('postgres') . ' user=mirror') . ' PUBLICATION everything');
wait_until($subscriber, q{SELECT count(*) = 6 FROM io_msg.outbox}, 'the rows come');
wait_until($subscriber, q{SELECT count(*) = 0 FROM pg_subscription_rel
	WHERE srsubstate <> 'r' AND srrelid NOT IN ('io_msg.installation'::regclass, 'io_msg.drainer'::regclass)},
	'and all tables that can');
is($subscriber->safe_psql('postgres', 'SELECT generation FROM io_msg.installation'), $own,
	'the subscriber is who it was');
ok($subscriber->safe_psql('postgres', 'SELECT armed FROM io_msg.present()') eq 't', 'and armed');

# Those that come later, too.
my @after = enqueue_many($publisher, 7, 9);
wait_until($subscriber, 'SELECT count(*) = 8 FROM io_msg.pending', 'what can be sent comes, too');

sub posts_with
{
	my ($key) = @_;

	return join ' ', sort map { $_->{fiscal_code} } grep { $_->{key} eq $key } $io->ledger;
}

# A message of its own flows, so its worker has been there.
my $new = enqueue($subscriber, 20);
wait_for_status($subscriber, $new, 'sent');
wait_until($subscriber, q{SELECT count(*) = 8 FROM io_msg.message WHERE held}, 'what has come is held');
like($subscriber->safe_psql('postgres', "SELECT io_explain($before[0])"),
	qr/held: it was enqueued in another copy/, 'io_explain says why');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM io_health() WHERE code = 'held'}), 1, 'so does io_health');
ok(poll_until(sub { log_has($subscriber, qr/io_msg holds messages in database/) }), 'so does the log');
is(posts_with('secondary'), fiscal_code(20), 'and nothing else has left from there');

# The publisher goes on; its results are seen on the other side.
$publisher->safe_psql('postgres', 'SELECT io_resume()');
wait_for_status($publisher, $_, 'sent') foreach @before, @after;
wait_until($subscriber, q{SELECT count(*) = 10 FROM io_msg.outbox WHERE status = 'sent'}, 'both know of all that was sent');
wait_for_status($subscriber, enqueue($subscriber, 21), 'sent');
is(posts_with('primary'), join(' ', sort map { fiscal_code($_) } 1 .. 9), 'the publisher has sent its own, each once');
is(posts_with('secondary'), join(' ', sort map { fiscal_code($_) } 20, 21), 'the subscriber its own');

$subscriber->stop;
$publisher->stop;
done_testing();
