# Settings that would keep a worker from coming up, or from reading what it
# needs, or would end it at the first error: it comes up, and stays.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgTest;

$ENV{PGOPTIONS} = session_options('client_encoding' => 'UTF8', 'exit_on_error' => 'off', 'role' => 'none',
	'default_transaction_read_only' => 'off', 'default_transaction_isolation' => 'read committed');

my $io = start_sandbox(quota => 0);
my $node = iomsg_node('main',
	'client_encoding' => 'LATIN1',
	'exit_on_error' => 'on',
	'default_transaction_isolation' => 'serializable',
	'default_transaction_read_only' => 'on',
	'default_transaction_deferrable' => 'on',
	'io_msg.idle_exit' => '100ms',
	'io_msg.sweep' => '500ms');

# A transaction that a deferrable one would wait for.
my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE; CREATE TABLE not_committed (n integer)');

# An encoding that the clients' cannot be converted to, a database that comes
# after the launcher.
$node->safe_psql('postgres', q{CREATE DATABASE west TEMPLATE template0 ENCODING 'LATIN9' LOCALE 'C'});
$node->safe_psql('west', 'CREATE EXTENSION io_msg');
$node->safe_psql('postgres', 'CREATE ROLE weak; ALTER DATABASE west SET role = weak');
$node->safe_psql('postgres', 'ALTER DATABASE west SET search_path = nowhere');
add_service($node, 'tari', $io, database => 'west');
my $id = $node->safe_psql('west', 'SET search_path = public; SELECT io_enqueue_message(' . sql_literal(fiscal_code(1))
	  . ", 'Test message 1', repeat('m', 80))");
wait_for_status($node, $id, 'sent', 'west');

# An error of the worker's is no end of it: its own commit meets a trigger.
$io->fault(kind => 'hang', path => 'message', fiscal_code => fiscal_code(2));
my $slow = $node->safe_psql('west', 'SET search_path = public; SELECT io_enqueue_message(' . sql_literal(fiscal_code(2))
	  . ", 'Test message 2', repeat('m', 80))");
ok(poll_until(sub { scalar(() = $io->ledger) == 2 }), 'a message is under way');
$node->safe_psql('west', q{
	CREATE FUNCTION public.object() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
	CREATE TRIGGER object BEFORE UPDATE OF status ON io_msg.outbox FOR EACH ROW
		WHEN (NEW.status = 'sent') EXECUTE FUNCTION public.object()});
my $from = -s $node->logfile;
$io->clear_faults;
$io->release;
ok(poll_until(sub { log_has($node, qr/an io_msg transaction failed with SQLSTATE P0001/, $from) }), 'the worker meets an error');
$node->safe_psql('west', 'DROP TRIGGER object ON io_msg.outbox');
wait_for_status($node, $slow, 'sent', 'west');
is(scalar(() = $io->ledger), 2, 'IO has each once');
unlike(slurp_file($node->logfile), qr/io_msg.*FATAL|FATAL:.*(?:conversion|io_msg)|terminated by signal/, 'no worker was ended by it');
$open->query_safe('ROLLBACK');
$open->quit;
$node->stop;
done_testing();
