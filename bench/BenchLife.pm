# BenchLife.pm: what a message costs after it is sent, what io_msg does when
# there is nothing to do, and whether it stays as fast as tables grow.

package BenchLife;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

use BenchDrain;
use BenchRun;

# The log of asking for statuses, once all messages have been sent.
sub measure_polls
{
	my ($bench) = @_;
	my ($server, $figures) = @$bench{qw(server figures)};
	my $count = $bench->count(4000, 500);
	my $delay_s = $bench->{quick} ? 6 : 15;    # all are to be sent by then

	BenchDrain::warm_up($bench, 0, 50);
	$server->set('io_msg.poll_delay' => "${delay_s}s");
	$server->sql(BenchRun::enqueue_sql($count));
	$bench->let_go;
	$bench->wait_until_sent;
	my $early = $server->sql("SELECT count(*) FROM io_msg.outbox WHERE io_status = 'PROCESSED'");
	my $from = $server->lsn;
	my $cpu = $server->cpu;
	$server->wait_for("SELECT count(*) >= $count FROM io_msg.outbox WHERE io_status = 'PROCESSED'", 120);
	my ($all) = $server->cpu_between($cpu, $server->cpu);
	my @wal = $server->wal_by_type($from, $server->lsn);
	my $bytes = 0;
	$bytes += $_->[2] foreach @wal;
	$figures->add('WAL, a status poll', 'B/msg', $bytes / ($count - $early));
	$figures->add('CPU, a status poll, with PostgreSQL', 'us/msg', $all / ($count - $early));
	$bench->{tables}{'WAL of status polls'} = [ $count - $early, @wal ];
	$server->set('io_msg.poll_delay' => '1d');
	$bench->empty;
	return;
}

# Nothing to do: who is there, and how often does somebody wake up?
sub measure_idle
{
	my ($bench) = @_;
	my ($server, $figures) = @$bench{qw(server figures)};
	my $seconds = $bench->{quick} ? 10 : 65;
	my %seen;

	$server->end_drainer;
	$server->set('io_msg.enabled' => 'on', 'io_msg.idle_exit' => '2s');
	$bench->let_go;
	$server->sql(BenchRun::enqueue_sql(10));
	$bench->wait_until_sent;
	my $gone = time;
	sleep(0.05) while $server->worker('drainer') && time < $gone + 30;
	$figures->add('a drainer leaves an idle database after', 's', time - $gone);
	my $launcher = $server->worker('launcher');
	my $woken = BenchServer::wakeups($launcher);
	my $until = time + $seconds;
	while (time < $until)
	{
		my $drainer = $server->worker('drainer');
		$seen{$drainer} = 1 if $drainer;
		sleep(0.1);
	}
	$figures->add("wake-ups of the launcher in $seconds idle seconds", '',
		BenchServer::wakeups($launcher) - $woken);
	$figures->add("drainers started in $seconds idle seconds (the sweep)", '', scalar keys %seen);
	$server->set('io_msg.idle_exit' => '10min');
	$bench->empty;
	return;
}

sub rate_now
{
	my ($bench) = @_;

	return BenchDrain::run_io_msg($bench, ms => 0, in_flight => 50, is_warm => 1)->{rate};
}

# Rows that were finished long ago.
sub add_old_rows
{
	my ($bench, $count) = @_;

	$bench->{server}->sql("INSERT INTO io_msg.outbox (created_at, service_id, priority, kind, fiscal_code,
			enqueued_by, session_role, generation, timeline, due_at, settled_at, attempts, status,
			message_id, io_status)
		SELECT now() - '1 year'::interval, 1, 2, 'message', 'AAAAAA00A00A000A', 'a', 'a', i.generation, 1,
			now() - '1 year'::interval, now() - '1 year'::interval, 1, 'sent', 'OLD' || g, 'PROCESSED'
		FROM generate_series(1, $count) AS g, io_msg.installation AS i");
	$bench->{server}->sql('VACUUM ANALYZE io_msg.outbox');
	return;
}

# A session that holds a snapshot; returns what ends it.
sub pin_snapshot
{
	my ($bench) = @_;

	open(my $fh, '|-', $bench->{server}->psql_command(undef, '-o', '/dev/null')) or die "psql: $!\n";
	print $fh "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM io_msg.drainer;\n";
	$fh->flush;
	$bench->{server}->wait_for("SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE state = 'idle in transaction' AND backend_xmin IS NOT NULL)");
	return sub { print $fh "COMMIT;\n"; close($fh) or die "psql failed\n"; };
}

# A client that queues so many messages a second, five at a time.
sub feed
{
	my ($bench, $seconds, $rate) = @_;
	my $turns = $seconds * $rate / 5;
	my $people = $bench->{people} - 5;
	my $pause = 5 / $rate;

	$bench->{server}->sql(<<"SQL");
DO \$\$
DECLARE start timestamptz := clock_timestamp();
BEGIN
	FOR i IN 1 .. $turns LOOP
		PERFORM io_enqueue_message(fiscal_code, '$BenchRun::SUBJECT', '$BenchRun::MARKDOWN', service => 'bench')
		   FROM people.person WHERE n > 5 * i % $people AND n <= 5 * i % $people + 5;
		COMMIT;
		PERFORM pg_sleep(greatest(0, $pause * i - extract(epoch FROM clock_timestamp() - start)));
	END LOOP;
END \$\$
SQL
	return $turns * 5;
}

# A snapshot that is kept while messages come and go: how many of them leave in
# the last tenth of the time, and how fast a lot drains afterwards.
sub measure_pinned
{
	my ($bench) = @_;
	my ($server, $figures) = @$bench{qw(server figures)};
	my $seconds = $ENV{BENCH_PINNED} // 60;
	my $rate = 500;
	my $name = "a snapshot pinned for $seconds s at $rate msg/s";
	my $empty = $bench->another('empty');

	$bench->empty;
	BenchDrain::warm_up($_, 0, 50) foreach $empty, $bench;
	my $unpin = pin_snapshot($bench);
	$bench->let_go;
	feed($bench, $seconds * 0.9, $rate);
	my ($before) = $bench->{far}->counted;
	my $start = time;
	feed($bench, $seconds / 10, $rate);
	my ($after) = $bench->{far}->counted;
	$figures->add("rate of leaving, of what comes, $name", 'x', ($after - $before) / (time - $start) / $rate);
	$figures->add("oldest message that waits, $name", 's', $server->sql('SELECT coalesce(extract(epoch FROM
		clock_timestamp() - min(due_at)), 0) FROM io_msg.pending'));
	$bench->wait_until_sent;
	$bench->hold;
	BenchDrain::note_ratio($bench, "rate of a lot after that, $name", sub { rate_now($bench) },
		sub { BenchDrain::rate_of_lot($empty, 0, $bench->count(20000)) });
	$unpin->();
	$bench->empty;
	$empty->drop;
	return;
}

# The rate with full tables, and under a snapshot that keeps all old versions.
sub measure_growth
{
	my ($bench) = @_;
	my ($server, $figures) = @$bench{qw(server figures)};
	my $old = $bench->count(500000, 20000);
	my $queued = $bench->count($ENV{BENCH_QUEUED} // 100000, 5000);
	my $empty = $bench->another('empty');
	my $lot = sub { rate_now($bench) };
	my $base = sub { BenchDrain::rate_of_lot($empty, 0, $bench->count(20000)) };

	$bench->empty;
	BenchDrain::warm_up($_, 0, 50) foreach $empty, $bench;
	my $unpin = pin_snapshot($bench);
	rate_now($bench) foreach 1 .. 2;
	BenchDrain::note_ratio($bench, 'rate under a pinned snapshot, after two lots', $lot, $base);
	$unpin->();
	$bench->empty;
	add_old_rows($bench, $old);
	BenchDrain::note_ratio($bench, "rate with $old old rows", $lot, $base);
	$bench->empty;
	$bench->vacuum;
	BenchDrain::warm_up($bench, 0, 50);
	$figures->add('drain, empty tables', 'msg/s', my $rate = $base->());
	$bench->queue($queued);
	my ($requests) = $bench->{far}->counted;
	$bench->let_go;
	# The first tenth fills caches and opens connections.
	$bench->watch($requests, int($queued / 10));
	my $before_kb = BenchServer::private_kb($server->worker('drainer'));
	my $before_fds = BenchServer::descriptors($server->worker('drainer'));
	$figures->add("rate with $queued queued", 'x', $bench->watch($requests, $queued, 600) / $rate);
	$bench->wait_until_sent;
	$figures->add("private memory, more after $queued messages", 'kB',
		BenchServer::private_kb($server->worker('drainer')) - $before_kb);
	$figures->add("descriptors, more after $queued messages", '',
		BenchServer::descriptors($server->worker('drainer')) - $before_fds);
	$figures->add("messages not sent of $queued", '',
		$server->sql("SELECT count(*) FROM io_msg.outbox WHERE status <> 'sent'"));
	$figures->add('disk, a message with its body and indexes', 'B',
		$bench->disk / $server->sql('SELECT count(*) FROM io_msg.outbox'));
	$bench->empty;
	$empty->drop;
	return;
}

sub measures
{
	my ($bench) = @_;

	return ([ 'polls', 'status polls', sub { measure_polls($bench); } ]);
}

sub once
{
	my ($bench) = @_;

	return (($bench->{quick} ? () : [ 'growth', 'full tables, a pinned snapshot', sub { measure_growth($bench); } ]),
		($bench->{quick} ? () : [ 'pinned', 'a snapshot pinned for long', sub { measure_pinned($bench); } ]),
		[ 'idle', 'nothing to do', sub { measure_idle($bench); } ]);
}

1;
