# A table that is rewritten while the worker waits for it looks empty to whoever
# looked too early; columns that others have added get values of their own; an
# index in another order, or by another collation, is not the key's.  A list
# that cannot be read now is read later.

use strict;
use warnings FATAL => 'all';

use lib 'test/t';

use PostgreSQL::Test::Utils;
use Test::More;

use IoMsgFlow;
use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', 'io_msg.idle_exit' => '1h', 'io_msg.poll_delay' => '100ms');
my $citizen = 0;

sub sql { my ($sql) = @_; return $node->safe_psql('postgres', $sql); }

sub enqueue_some { my ($count) = @_; my $from = $citizen + 1; return enqueue_many($node, $from, $citizen += $count); }

# Does the worker wait for a lock?
sub waits
{
	return sql(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'io_msg drainer' AND datname = 'postgres' AND wait_event_type = 'Lock'});
}

add_service($node, 'tari', $io);
wait_for_status($node, $_, 'sent') foreach enqueue_some(1);

foreach my $table (qw(body outbox pending poll profile attempt drainer))
{
	sql('UPDATE io_msg.service SET paused = true');
	my @ids = enqueue_some(5);
	my $session = $node->background_psql('postgres');

	$session->query_safe("BEGIN; ALTER TABLE io_msg.$table ADD COLUMN extra double precision DEFAULT random()");
	sql('UPDATE io_msg.service SET paused = false');
	ok(poll_until(sub { waits() }), "the worker waits for $table");
	$session->query_safe('COMMIT');
	$session->quit;
	wait_for_status($node, $_, 'sent') foreach @ids;
	sql("ALTER TABLE io_msg.$table DROP COLUMN extra");
}
is(sql(q{SELECT count(*) FROM io_msg.outbox WHERE status <> 'sent'}), 0, 'nothing has failed');

# Values that only SQL gives.
sql('ALTER TABLE io_msg.poll ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();
	ALTER TABLE io_msg.pending ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();
	ALTER TABLE io_msg.outbox ADD COLUMN settled_on date GENERATED ALWAYS AS ((settled_at AT TIME ZONE \'UTC\')::date) STORED');
my @ids = enqueue_some(5);
wait_for_status($node, $_, 'sent') foreach @ids;
is(sql('SELECT count(*) FROM io_msg.outbox WHERE settled_on IS DISTINCT FROM (settled_at AT TIME ZONE \'UTC\')::date'), 0,
	'a generated column is kept');
wait_until($node, q{SELECT count(*) = 0 FROM io_msg.outbox WHERE io_status IS DISTINCT FROM 'PROCESSED'}, 'IO is asked about all');

# Statements name a row by its place, which is one row's only in one table.
sql('CREATE TABLE child () INHERITS (io_msg.pending)');
my ($rc, undef, $err) = $node->psql('postgres', "SELECT io_enqueue_message('" . fiscal_code(999) . "', 'Avviso di pagamento', repeat('m', 80))");
like($err, qr/table "io_msg\.pending" must be an ordinary table without partitions or children/, 'a table with children is refused');
sql('DROP TABLE child');
wait_for_status($node, $_, 'sent') foreach enqueue_some(1);

# The key's index, made anew in another order: what is due later comes first.
sql('ALTER TABLE io_msg.pending DROP CONSTRAINT pending_pkey;
	CREATE UNIQUE INDEX pending_pkey ON io_msg.pending (generation, timeline, service_id, priority, due_at DESC, id)');
sql("SELECT io_enqueue_message('" . fiscal_code(998) . "', 'Avviso di pagamento', repeat('m', 80), send_after => now() + '1 hour'::interval)");
wait_for_status($node, $_, 'sent') foreach enqueue_some(1);
sql('CREATE DATABASE utf8 TEMPLATE template0 ENCODING \'UTF8\'');
$node->safe_psql('utf8', q{CREATE EXTENSION io_msg; INSERT INTO io_msg.service (name, paused) VALUES ('tari', true);
	CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	ALTER TABLE io_msg.service DROP CONSTRAINT service_name_key;
	CREATE UNIQUE INDEX service_name_key ON io_msg.service (name COLLATE any_case)});
my $enqueue = "SELECT io_enqueue_message('" . fiscal_code(999) . "', 'Avviso di pagamento', repeat('m', 80), service =>";
($rc, undef, $err) = $node->psql('utf8', "$enqueue 'TARI')");
like($err, qr/there is no such service/, 'names of services differ by case');
like($node->safe_psql('utf8', "$enqueue 'tari')"), qr/^\d+$/, 'the service is found by its own');
# A list that is stored apart, while that place is being rebuilt: a worker that
# has it cannot read it, however often, nor can one that has not.
sql("UPDATE io_msg.service SET only_recipients = ARRAY['" . join("', '", map { fiscal_code($_) } 1 .. 5000) . "']");
wait_for_status($node, $_, 'sent') foreach enqueue_some(1);
my $toast = sql(q{SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'io_msg.service'::regclass});
cmp_ok(sql("SELECT pg_relation_size('$toast')"), '>', 0, 'the list is stored apart');
my $started = sql('SELECT pg_postmaster_start_time()');
foreach my $who ('one that has it', 'a new one')
{
	my $is_new = $who eq 'a new one';
	my $session = $node->background_psql('postgres');

	if ($is_new)
	{
		set_and_reload($node, 'io_msg.enabled' => 'off');
		ok(poll_until(sub { !drainer_pids($node) }), 'the worker leaves');
	}
	@ids = enqueue_some(3);
	$session->query_safe("BEGIN; REINDEX TABLE $toast");
	$is_new ? set_and_reload($node, 'io_msg.enabled' => 'on') : sql('UPDATE io_msg.service SET paused = false');
	foreach my $time (1 .. 3)
	{
		ok(poll_until(sub { waits() }), "$who waits for it, $time");
		ok(poll_until(sub { !waits() }), "and gives up, $time");
	}
	$session->query_safe('COMMIT');
	$session->quit;
	wait_for_status($node, $_, 'sent') foreach @ids;
}
is(sql('SELECT pg_postmaster_start_time()'), $started, 'it is the same server');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'and no worker has crashed');
my %times;
$times{ $_->{fiscal_code} }++ foreach $io->ledger;
is_deeply([ grep { $times{$_} > 1 } keys %times ], [], 'nothing was accepted twice');
$node->stop;
done_testing();
