# DROP EXTENSION passes at once while requests are under way; what they come to
# goes to the server log, ids only; the server goes on, and so does a new
# extension in its place.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.sweep' => '1s', 'log_statement' => 'none');
add_service($node, 'tari', $io);
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# A DROP that is not committed only holds the drainer up.
$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code(1));
my $id = enqueue($node, 1);
ok(poll_until(sub { scalar(() = $io->ledger) == 1 }), 'a message is under way');
my $dropper = $node->background_psql('postgres');
$dropper->query_safe('BEGIN');
$dropper->query_safe('SET client_min_messages = error');
$dropper->query_safe('DROP EXTENSION io_msg');
$io->clear_faults;
$io->release;
ok(poll_until(sub { $io->stats->{in_flight} <= 1 }), 'its answer comes while a DROP is open');
$dropper->query_safe('ROLLBACK');
$dropper->quit;
wait_for_status($node, $id, 'sent');

# Several under way when it is dropped.
$io->fault(kind => 'hang', path => 'message');
my @ids = enqueue_many($node, 11, 13);
ok(poll_until(sub { scalar(() = $io->ledger) == 4 }), 'three messages are under way');
$node->safe_psql('postgres', 'DROP EXTENSION io_msg');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_namespace WHERE nspname = 'io_msg'"), 0,
	'DROP EXTENSION passes');
is(scalar(drainer_pids($node)), 1, 'while the drainer still waits for answers');

# A new extension, which has work before the old drainer has gone.
$node->safe_psql('postgres', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io);
my $new = enqueue($node, 21);
$io->clear_faults;
$io->release;
my %id_of = map { $_->{fiscal_code} => $_->{id} } $io->ledger;
foreach my $i (0 .. 2)
{
	my ($row, $message_id) = ($ids[$i], $id_of{ fiscal_code(11 + $i) });
	ok(poll_until(sub { log_has($node, qr/LOG:.* row $row ended .*"sent".*"$message_id"/) }),
		"the log has the ids of row $row");
}
wait_for_status($node, $new, 'sent');
my $log = slurp_file($node->logfile);
unlike($log, qr/@{[fiscal_code(11)]}/, 'nothing personal is in the log');
unlike($log, qr/terminated by signal|PANIC|was terminated/, 'nothing crashed');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started,
	'it is the same server');

# Dropped for good.
$node->safe_psql('postgres', 'DROP EXTENSION io_msg');
ok(poll_until(sub { !drainer_pids($node) }), 'without the extension the drainer leaves');
is(scalar(() = $io->ledger), 5, 'each message was accepted once');
$node->stop;
done_testing();
