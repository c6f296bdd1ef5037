# A standby sends nothing and takes nothing.  Once promoted it sends what is
# enqueued on it; what the old primary had queued is held, since the old one
# may have sent it, until a person releases it.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $primary = iomsg_node('primary', init => [ allows_streaming => 1 ],
	'io_msg.sweep' => '500ms', 'io_msg.idle_exit' => '200ms');
add_service($primary, 'tari', $io);
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my @sent = enqueue_many($primary, 1, 5);
wait_for_status($primary, $_, 'sent') foreach @sent;
$primary->safe_psql('postgres', 'ALTER SYSTEM SET io_msg.enabled = off');
$primary->reload;
my @old = enqueue_many($primary, 11, 13);
$primary->wait_for_catchup($standby);

is(status_of($standby, $old[0]), 'queued', 'the standby has the queue');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^io_msg'"),
	0, 'and no launcher');
my (undef, undef, $stderr) = $standby->psql('postgres',
	"\\set VERBOSITY verbose\nSELECT io_enqueue_message('" . fiscal_code(20) . "', 'On the standby', repeat('m', 80))");
like($stderr, qr/ERROR:  25006:/, 'enqueuing there fails, SQLSTATE 25006');
unlike($stderr, qr/^(?:ERROR|DETAIL|HINT).*@{[fiscal_code(20)]}/m, 'without the fiscal code');
like($standby->safe_psql('postgres', "SELECT io_explain($old[0])"), qr/standby/, 'io_explain says why nothing leaves');
is($standby->safe_psql('postgres', "SELECT count(*) FROM io_health() WHERE code = 'standby'"), 1, 'so does io_health');

$primary->stop;
$standby->promote;
ok(poll_until(sub {
	$standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'io_msg launcher'") == 1;
}), 'after its promotion it has a launcher');
is($standby->safe_psql('postgres', 'SELECT timeline FROM io_msg.identity()'), 2, 'on a new timeline');
my $new = enqueue($standby, 21);
wait_for_status($standby, $new, 'sent');
my $next = enqueue($standby, 22);
wait_for_status($standby, $next, 'sent');
is($standby->safe_psql('postgres', 'SELECT string_agg(status || held, \' \' ORDER BY id) FROM io_msg.message WHERE id IN ('
	  . join(', ', @old) . ')'), join(' ', ('queuedtrue') x 3), 'what was queued before is held');
like($standby->safe_psql('postgres', "SELECT io_explain($old[0])"), qr/io_release/, 'io_explain says so');
ok(poll_until(sub { log_has($standby, qr/io_msg holds messages in database "\w+"/) }), 'so does the log');

is($standby->safe_psql('postgres', "SELECT io_release(ids => ARRAY[$old[0]])"), 1, 'one is released');
wait_for_status($standby, $old[0], 'sent');
is(status_of($standby, $old[1]), 'queued', 'that one alone');
is($standby->safe_psql('postgres', 'SELECT io_release()'), 2, 'the others are released');
wait_for_status($standby, $_, 'sent') foreach @old;

my %accepted;
$accepted{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply(\%accepted, { map { fiscal_code($_) => 1 } 1 .. 5, 11 .. 13, 21, 22 }, 'each once');
$standby->stop;
done_testing();
