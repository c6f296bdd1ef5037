# BenchEnqueue.pm: what a message costs the transaction that queues it.
#
# The same insert into a table of notices, with no trigger, with a trigger that
# does plain INSERTs of io_msg's rows into tables of the same shape, and with
# one that calls io_enqueue_message.  The worker is off: it shares no processor
# with the sessions that are timed.

package BenchEnqueue;

use strict;
use warnings FATAL => 'all';

use BenchRun;

my @KINDS = qw(none plain io);
my $PLAIN_INSERTS = <<'SQL';
	WITH o AS (
		INSERT INTO plain.outbox (created_at, service_id, priority, kind, fiscal_code, reference,
			enqueued_by, session_role, generation, timeline, due_at, status)
		SELECT now(), 1, 2, 'message', %1$s, %2$s, current_user, session_user, 1, 1, now(), 'queued' %3$s
		RETURNING id, due_at, fiscal_code),
	b AS (INSERT INTO plain.body SELECT o.id, %4$s FROM o)
	INSERT INTO plain.pending SELECT 1, 1, 1, 2, o.due_at, o.id FROM o
SQL

sub body_of { return BenchRun::body_sql($_[0]); }

# The tables, the triggers, and a role that may use them and no more.
sub prepare
{
	my ($bench) = @_;
	my $plain = sprintf($PLAIN_INSERTS, 'NEW.fiscal_code', 'NEW.code', '', body_of('o.fiscal_code'));

	return if $bench->{enqueue_is_prepared}++;
	$bench->{server}->sql(<<"SQL");
CREATE TABLE plain.outbox (LIKE io_msg.outbox INCLUDING ALL);
CREATE SEQUENCE plain.outbox_id;
ALTER TABLE plain.outbox ALTER id SET DEFAULT nextval('plain.outbox_id');
CREATE TABLE plain.body (id bigint PRIMARY KEY, body jsonb NOT NULL);
CREATE TABLE plain.pending (LIKE io_msg.pending INCLUDING ALL);
CREATE FUNCTION plain.trigger_plain() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	$plain;
	RETURN NULL;
END \$\$;
CREATE FUNCTION plain.trigger_io() RETURNS trigger LANGUAGE plpgsql AS \$\$
BEGIN
	PERFORM io_enqueue_message(service => 'bench', fiscal_code => NEW.fiscal_code,
		subject => '$BenchRun::SUBJECT', markdown => '$BenchRun::MARKDOWN', reference => NEW.code);
	RETURN NULL;
END \$\$;
CREATE ROLE clerk LOGIN;
SELECT io_grant('clerk', 'sender', service => 'bench');
GRANT USAGE ON SCHEMA plain, people TO clerk;
SQL
	foreach my $kind (@KINDS)
	{
		$bench->{server}->sql("CREATE TABLE plain.notice_$kind (id bigserial PRIMARY KEY,
			fiscal_code text NOT NULL, amount bigint NOT NULL, code text NOT NULL)");
		next if $kind eq 'none';
		$bench->{server}->sql("CREATE TRIGGER t AFTER INSERT ON plain.notice_$kind
			FOR EACH ROW EXECUTE FUNCTION plain.trigger_$kind()");
	}
	$bench->{server}->sql('GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA plain, people TO clerk;
		GRANT USAGE ON ALL SEQUENCES IN SCHEMA plain TO clerk');
	foreach my $kind (@KINDS)
	{
		BenchServer::append_file("$bench->{work}/$kind.pgbench",
			"\\set n random(1, $bench->{people})\n"
			  . "INSERT INTO plain.notice_$kind (fiscal_code, amount, code) "
			  . "SELECT fiscal_code, 12050, '3012700000' || n FROM people.person WHERE n = :n;\n");
	}
	return;
}

# pgbench's figures: milliseconds a transaction and transactions a second.
sub run_pgbench
{
	my ($bench, $kind, $options, @args) = @_;

	local $ENV{PGOPTIONS} = $options;
	my $text = join '', BenchServer::output_of('pgbench', '-n', '-M', 'prepared', '-h',
		$bench->{server}{socket}, '-U', 'clerk', '-f', "$bench->{work}/$kind.pgbench", @args, 'bench');
	my ($latency) = $text =~ /latency average = ([\d.]+) ms/;
	my ($tps) = $text =~ /tps = ([\d.]+)/;

	return ($latency, $tps);
}

# Runs each kind in short turns, so that what else the machine does hits all;
# returns the medians of pgbench's figures, [latency, rate], by kind.
sub run_by_turns
{
	my ($bench, $turns, $options, @args) = @_;
	my (%latencies, %rates);

	foreach (1 .. $turns)
	{
		foreach my $kind (@KINDS)
		{
			my ($latency, $rate) = run_pgbench($bench, $kind, $options, @args);

			push @{ $latencies{$kind} }, $latency;
			push @{ $rates{$kind} }, $rate;
		}
	}
	return map { $_ => [ BenchFigures::median_of(@{ $latencies{$_} }),
			BenchFigures::median_of(@{ $rates{$_} }) ] } @KINDS;
}

# What one client waits for, by CPU and locks alone: no flush to wait for.
sub measure_one_client
{
	my ($bench) = @_;
	my ($server, $figures) = @$bench{qw(server figures)};
	my $count = $bench->count(500, 200);
	my @args = ('-c synchronous_commit=off', '-c', 1, '-t', $count);
	my %of = run_by_turns($bench, 7, @args);
	my %bytes;

	foreach my $kind (@KINDS)
	{
		my $from = $server->lsn;
		run_pgbench($bench, $kind, @args);
		my $to = $server->lsn;
		$bytes{$kind} = BenchDrain::wal_bytes($server, $from, $to) / $count;
		$bench->{tables}{'WAL of a transaction that enqueues one message'} =
		  [ $count, $server->wal_by_type($from, $to) ] if $kind eq 'io';
	}
	$figures->add('enqueue, the transaction alone', 'us', 1000 * $of{none}[0]);
	$figures->add('enqueue, added by plain INSERTs', 'us', 1000 * ($of{plain}[0] - $of{none}[0]));
	$figures->add('enqueue, added by io_msg', 'us', 1000 * ($of{io}[0] - $of{none}[0]));
	$figures->add('WAL, added by plain INSERTs', 'B/msg', $bytes{plain} - $bytes{none});
	$figures->add('WAL, added by io_msg', 'B/msg', $bytes{io} - $bytes{none});
	my $body = $server->sql('SELECT avg(pg_column_size(body))::int FROM io_msg.body');
	$figures->add('stored size of a body', 'B', $body);
	return;
}

sub measure_eight_clients
{
	my ($bench) = @_;
	my %of = run_by_turns($bench, $bench->{quick} ? 1 : 3, '', '-c', 8, '-j', 2, '-T', 1);

	$bench->{figures}->add("enqueue, 8 clients, $_", 'tx/s', $of{$_}[1]) foreach @KINDS;
	return;
}

# One statement for all, validation included.
sub measure_bulk
{
	my ($bench) = @_;
	my $count = $bench->count(20000, 2000);
	my $plain = sprintf($PLAIN_INSERTS, 'p.fiscal_code', 'p.n::text',
		"FROM people.person AS p WHERE n <= $count", body_of('o.fiscal_code'));
	my $io = BenchRun::enqueue_sql($count);
	my $server = $bench->{server};

	$bench->{figures}->add('enqueue in bulk, plain INSERTs', 'us/msg',
		1000 * $server->time_ms($plain) / $count);
	my $from = $server->lsn;
	$bench->{figures}->add('enqueue in bulk, io_msg', 'us/msg',
		1000 * $server->time_ms($io, BenchRun::enqueue_sql(10)) / $count);
	$bench->{tables}{'WAL of bulk enqueue'} = [ $count, $server->wal_by_type($from, $server->lsn) ];
	return;
}

sub around
{
	my ($bench, $code) = @_;

	prepare($bench);
	$bench->{server}->set('io_msg.enabled' => 'off');
	$bench->{server}->end_drainer;
	$code->($bench);
	$bench->empty;
	$bench->{server}->sql('TRUNCATE plain.outbox, plain.body, plain.pending');
	return;
}

sub measures
{
	my ($bench) = @_;

	return (
		[ 'enqueue', 'one client', sub { around($bench, \&measure_one_client); } ],
		[ 'enqueue', 'eight clients', sub { around($bench, \&measure_eight_clients); } ],
		[ 'enqueue', 'in bulk', sub { around($bench, \&measure_bulk); } ]);
}

1;
