# A server recovered to an earlier time does not know what it has sent since:
# what was queued then is held, new rows flow at once, and nobody had to arm it.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Cluster;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', init => [ allows_streaming => 1, has_archiving => 1 ]);

add_service($node, 'tari', $io);
wait_for_status($node, enqueue($node, 1), 'sent');
$node->backup('base');

# Queued at the point in time, sent afterwards, and then all is lost.
$node->safe_psql('postgres', 'SELECT io_pause()');
my @old = enqueue_many($node, 2, 6);
$node->safe_psql('postgres', q{SELECT pg_create_restore_point('before')});
$node->safe_psql('postgres', 'SELECT io_resume()');
wait_for_status($node, $old[-1], 'sent');
wait_until($node, q{SELECT count(*) = 6 FROM io_msg.outbox WHERE status = 'sent'}, 'all are sent');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');

$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf',
	"recovery_target_name = 'before'\nrecovery_target_action = promote\narchive_mode = off\n");
$restored->start;
wait_until($restored, 'SELECT NOT pg_is_in_recovery()', 'recovered');
is($restored->safe_psql('postgres', q{SELECT count(*) FROM io_msg.outbox WHERE status = 'queued'}), 5,
	'five are queued as they were then');
$restored->safe_psql('postgres', 'SELECT io_resume()');

my $new = enqueue($restored, 10);
wait_for_status($restored, $new, 'sent');
is(status_of($restored, $_), 'queued', "row $_ is held") foreach @old;
like($restored->safe_psql('postgres', "SELECT io_explain($old[0])"),
	qr/held: it was enqueued before this server was promoted or recovered to an earlier time/,
	'io_explain says why');
ok(poll_until(sub { log_has($restored, qr/io_msg holds messages in database "\w+"/) }), 'the log too');
wait_until($restored, q{SELECT bool_and(held) FROM io_msg.message WHERE status = 'queued'}, 'the view too');
is(scalar($io->ledger), 7, 'IO got each message once');
is($restored->safe_psql('postgres', "SELECT io_release(ids => ARRAY[$old[0]])"), 1,
	'a person can let one go');
wait_for_status($restored, $old[0], 'sent');
is(scalar($io->ledger), 8, 'and only that');

done_testing();
