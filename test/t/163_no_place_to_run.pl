# A worker that cannot be had is told of, by io_health at once and by the log a
# few times; it comes up by itself where that is possible.  A pause makes it
# leave its database, which can then be renamed.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

# The settings of this test are the point of it.
delete $ENV{IOMSG_HOSTILE};

sub health
{
	my ($node, $db) = @_;

	return $node->safe_psql($db // 'postgres', "SELECT string_agg(code, ' ') FROM io_health() WHERE severity = 'error'");
}

my $io = start_sandbox(quota => 0);
# The server's own workers take the first place.
my $node = iomsg_node('main', 'max_worker_processes' => 1, 'io_msg.sweep' => '200ms', 'io_msg.idle_exit' => '200ms');
add_service($node, 'tari', $io);
my $id = enqueue($node, 1);
like(health($node), qr/no_launcher/, 'io_health says that there is no launcher');
ok(log_has($node, qr/too many background workers/), 'the log says why');
is(scalar(() = slurp_file($node->logfile) =~ /too many background workers/g), 1, 'once');

$node->append_conf('postgresql.conf', 'max_worker_processes = 2');
$node->restart;
wait_until($node, "SELECT EXISTS (SELECT FROM io_health() WHERE code = 'worker_failing' AND problem ~ '53400')",
	'no place for a worker: io_health says so');
my $lines = () = slurp_file($node->logfile) =~ /io_msg/g;
my $failures = sub { return $node->safe_psql('postgres',
	"SELECT coalesce(substring(problem FROM 'failed (\\d+) times'), '0') FROM io_health() WHERE code = 'worker_failing'") };
my $from = -s $node->logfile;
my $before = $failures->();
ok(poll_until(sub { ($failures->() || 0) >= $before + 2 }), 'it is tried again and again');
is(scalar(() = substr(slurp_file($node->logfile), $from) =~ /(?:WARNING|LOG|ERROR|FATAL):  (?!statement).*(?:io_msg|background)/g), 0,
	'without a line in the log each time');
is(status_of($node, $id), 'queued', 'the message waits');

$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->restart;
wait_for_status($node, $id, 'sent');
unlike(health($node), qr/no_launcher|worker_failing/, 'with a place for it all is well');

# A worker that stays, for an hour if it may.
$node->append_conf('postgresql.conf', q{io_msg.idle_exit = '1h'});
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE comune');
$node->safe_psql('comune', 'CREATE EXTENSION io_msg');
add_service($node, 'tari', $io, database => 'comune');
$node->safe_psql('postgres', 'SELECT io_pause()');
ok(poll_until(sub { !drainer_pids($node, 'postgres') }), 'a pause makes the worker leave');
$id = enqueue($node, 2, database => 'comune');
wait_for_status($node, $id, 'sent', 'comune');
is(scalar(() = drainer_pids($node, 'comune')), 1, 'another worker stays in its database');
$node->safe_psql('comune', 'SELECT io_pause()');
ok(poll_until(sub { !drainer_pids($node, 'comune') }), 'until it is paused');
$id = enqueue($node, 3, database => 'comune');
foreach my $ddl ('ALTER DATABASE comune RENAME TO paese', 'CREATE DATABASE copy TEMPLATE paese', 'DROP DATABASE copy')
{
	is(($node->psql('postgres', $ddl))[0], 0, $ddl);
}
write_keys($node, map { s/^comune /paese /r } @{ $node->{iomsg_keys} });
is(status_of($node, $id, 'paese'), 'queued', 'what was enqueued meanwhile waits');
$node->safe_psql('paese', 'SELECT io_resume()');
wait_for_status($node, $id, 'sent', 'paese');

# A database that lets nobody in any more, and one that goes.
$node->safe_psql('paese', 'SELECT io_pause()');
ok(poll_until(sub { !drainer_pids($node, 'paese') }), 'nobody is in the database');
enqueue($node, 4, database => 'paese');
$from = -s $node->logfile;
$node->safe_psql('postgres', 'ALTER DATABASE paese ALLOW_CONNECTIONS false; SELECT io_resume()');
$id = enqueue($node, 5);
wait_for_status($node, $id, 'sent');
$node->safe_psql('postgres', 'DROP DATABASE paese');
$id = enqueue($node, 6);
wait_for_status($node, $id, 'sent');
cmp_ok(scalar(() = substr(slurp_file($node->logfile), $from) =~ /(?:WARNING|ERROR|FATAL):/g), '<=', 3,
	'the log says little about it');
is(scalar(() = $io->ledger), 5, 'each message was accepted once');
$node->stop;
done_testing();
