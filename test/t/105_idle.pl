# A database with nothing to do has nobody connected: it can be dropped, and
# nothing wakes up but the sweep.  A message for later, or a new one, brings a
# drainer in time.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use File::Temp qw(tempfile);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox(processing_delay_ms => 0);
my $node = iomsg_node('main', extension => 0,
	'io_msg.idle_exit' => '300ms',
	'io_msg.poll_delay' => '200ms',
	'io_msg.sweep' => '10min');

foreach my $db (qw(comune plain))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
}
$node->safe_psql('comune', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, database => 'comune');
my @ids = enqueue_many($node, 1, 20, database => 'comune');
wait_until($node, "SELECT count(*) = 20 FROM io_msg.outbox WHERE io_status = 'PROCESSED'",
	'messages are sent and their status is read', 'comune');
ok(poll_until(sub { !drainer_pids($node) }), 'then the drainer leaves');
is($node->safe_psql('template1',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ '^io_msg' AND datname IS NOT NULL"),
	0, 'nobody of io_msg is connected to a database');

# The launcher's system calls, while nothing is to be done.
my $launcher = $node->safe_psql('template1',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'io_msg launcher'");
SKIP:
{
	my (undef, $trace) = tempfile(UNLINK => 1);

	skip 'no strace', 1 unless system('command -v strace >/dev/null 2>&1') == 0;
	my $tracer = fork // die "fork: $!\n";
	if ($tracer == 0)
	{
		exec 'strace', '-q', '-p', $launcher, '-o', $trace or exit 127;
	}
	my $attached = poll_until(sub { slurp_file("/proc/$launcher/status") =~ /^TracerPid:\s*$tracer$/m }, 5);
	sleep(3);
	kill('INT', $tracer);
	waitpid($tracer, 0);
	skip 'strace may not attach', 1 unless $attached;
	my @calls = grep { !/^(---|\+\+\+|strace:)|<unfinished|<detached|restart_syscall/ } split /\n/, slurp_file($trace);
	is(scalar(@calls), 0, 'the launcher sleeps') or diag(join "\n", @calls);
}

# A message for later.
my $later = enqueue($node, 30, database => 'comune',
	send_after => \"clock_timestamp() + interval '3 s'");
my $due = $node->safe_psql('comune', "SELECT due_at FROM io_msg.outbox WHERE id = $later");
ok(poll_until(sub { !drainer_pids($node) }), 'nobody waits for it');
is(status_of($node, $later, 'comune'), 'queued', 'it is not due');
wait_for_status($node, $later, 'sent', 'comune');
is($node->safe_psql('comune', "SELECT settled_at >= '$due' FROM io_msg.outbox WHERE id = $later"), 't',
	'not before its time');

# A new one.
ok(poll_until(sub { !drainer_pids($node) }), 'the drainer has left again');
my $new = enqueue($node, 31, database => 'comune');
wait_for_status($node, $new, 'sent', 'comune');

# A service that only tries out asks for no status, however long one is due.
set_and_reload($node, 'io_msg.poll_delay' => '1h');
$later = enqueue($node, 33, database => 'comune');
wait_for_status($node, $later, 'sent', 'comune');
$node->safe_psql('comune', "UPDATE io_msg.service SET dry_run = true;
	WITH o AS (UPDATE io_msg.outbox SET due_at = now() - '1 h'::interval WHERE id = $later)
	UPDATE io_msg.poll SET due_at = now() - '1 h'::interval WHERE $later = ANY (ids)");
my $polled = "SELECT io_status = 'PROCESSED' FROM io_msg.outbox WHERE id = $later";
$new = enqueue($node, 34, database => 'comune');
wait_for_status($node, $new, 'cancelled', 'comune');
ok(poll_until(sub { !drainer_pids($node) }), 'a poll is due, and nobody stays for it');
is($node->safe_psql('comune', $polled), 'f', 'nor asks');
$node->safe_psql('comune', 'UPDATE io_msg.service SET dry_run = false');
wait_until($node, $polled, 'once it sends again, IO is asked', 'comune');
set_and_reload($node, 'io_msg.poll_delay' => '200ms');

# DDL on the database itself.
ok(poll_until(sub { !drainer_pids($node) }), 'and again');
$node->safe_psql('postgres', 'ALTER DATABASE comune RENAME TO comune2');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE comune2');
$node->safe_psql('postgres', 'DROP DATABASE comune2');
$node->safe_psql('postgres', 'DROP DATABASE plain');
ok(1, 'the database can be renamed, copied and dropped');

# Right after a message, too: DROP DATABASE waits a little for those who leave.
$node->safe_psql('postgres', 'CREATE DATABASE shortlived');
$node->safe_psql('shortlived', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, database => 'shortlived');
my $last = enqueue($node, 32, database => 'shortlived');
wait_for_status($node, $last, 'sent', 'shortlived');
$node->safe_psql('postgres', 'DROP DATABASE shortlived');
ok(1, 'a database that has just sent can be dropped');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nothing crashed');
$node->stop;
done_testing();
