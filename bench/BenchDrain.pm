# BenchDrain.pm: how fast what is queued leaves, and what that costs.
#
# io_msg beside libcurl alone and a plain worker, each against the same far end;
# every program is warm, with its connections open, when the count begins.

package BenchDrain;

use strict;
use warnings FATAL => 'all';

use IO::Handle;
use IPC::Open2;
use JSON::PP;
use List::Util qw(max);
use Time::HiRes qw(sleep time);

use BenchRun;

# How many messages for about three seconds at a delay and so many in flight.
sub size_of
{
	my ($bench, $ms, $in_flight) = @_;
	my $size = $ms == 0 ? 20000 : 3 * $in_flight * 1000 / $ms;

	$size = 12000 if $size > 12000 && $ms > 0;
	return $bench->count($size, 4 * $in_flight);
}

sub variant { my ($ms, $in_flight, $tls) = @_; return "$ms ms, $in_flight in flight" . ($tls ? ', TLS' : ''); }

# A new drainer, warm: more connections are for a new one only.
sub warm_up
{
	my ($bench, $ms, $in_flight, $tls) = @_;
	my $server = $bench->{server};

	$server->end_drainer;
	(undef, $bench->{connected}) = $bench->{far}->counted;
	$server->set('io_msg.enabled' => 'on', 'io_msg.max_in_flight' => $in_flight);
	$bench->let_go;
	$bench->set_far($ms, $tls);
	$server->sql(BenchRun::enqueue_sql($in_flight * 4));
	$bench->wait_until_sent;
	$bench->hold;
	return;
}

# Drains COUNT messages; returns rate, CPU of all and of the drainer in
# microseconds a message, and notes what else is asked for.
sub run_io_msg
{
	my ($bench, %args) = @_;
	my ($server, $far) = @$bench{qw(server far)};
	my ($ms, $in_flight, $tls) = @args{qw(ms in_flight tls)};
	my $count = $args{count} // size_of($bench, $ms, $in_flight);

	warm_up($bench, $ms, $in_flight, $tls) unless $args{is_warm};
	$bench->queue($count);
	my $lsn = $server->lsn;
	my ($base) = $far->counted;
	my ($cpu, $far_cpu, $start) = ($server->cpu, BenchServer::cpu_of($far->{pid}), time);
	$bench->let_go;
	my $rate = $bench->watch($base, $count);
	my $seconds = time - $start;
	my $far_busy = (BenchServer::cpu_of($far->{pid}) - $far_cpu) / 1e6 / $seconds;
	sleep(0.15);
	my ($all, $drainer) = $server->cpu_between($cpu, $server->cpu);
	$bench->wait_until_sent;
	my (undef, $connections) = $far->counted;
	my %result = (rate => $rate, cpu => $all / $count, drainer => $drainer / $count,
		count => $count, lsn => $lsn, lsn_after => $server->lsn, far_busy => $far_busy,
		connections => max(0, $connections - $bench->{connected} - $in_flight),
		private_kb => BenchServer::private_kb($server->worker('drainer')));
	$bench->hold;
	return \%result;
}

# The rate of a lot that is queued in a database with nothing else in it.
sub rate_of_lot
{
	my ($bench, $ms, $count) = @_;
	my $rate = run_io_msg($bench, ms => $ms, in_flight => 50, is_warm => 1, count => $count)->{rate};

	$bench->empty;
	return $rate;
}

# The median of how a rate compares with another, each taken in turn, since
# rates move with whatever else the machine does.
sub note_ratio
{
	my ($bench, $name, $code, $base) = @_;
	my @ratios;

	foreach (1 .. 5)
	{
		my $by = $base->();

		push @ratios, $code->() / $by;
	}
	$bench->{figures}->add($name, 'x', BenchFigures::median_of(@ratios));
	return;
}

sub run_raw
{
	my ($bench, %args) = @_;
	my ($ms, $in_flight, $tls) = @args{qw(ms in_flight tls)};
	my $count = size_of($bench, $ms, $in_flight);
	my @command = ("$bench->{bin}/raw_curl", $bench->{far}->base_url($ms, $tls) . '/messages',
		$count, $in_flight, $bench->{body_file}, $tls ? $bench->{far}{cert} : ());

	open(my $fh, '-|', @command) or die "raw_curl: $!\n";
	my $line = <$fh> // '';
	close($fh) or die "raw_curl failed\n";
	return decode_json($line);
}

# The plain worker: warm, then COUNT messages.
sub run_plain
{
	my ($bench, %args) = @_;
	my ($server, $far) = @$bench{qw(server far)};
	my $count = size_of($bench, $args{ms}, 100);
	my $queue = "INSERT INTO plain.queue (fiscal_code, body) SELECT fiscal_code, "
	  . BenchRun::body_sql('fiscal_code') . ' FROM people.person WHERE n <= ';
	local $ENV{NODE_PATH} = $bench->{node_path};
	my $pid = open2(my $out, my $in, 'node', $INC{'BenchDrain.pm'} =~ s/BenchDrain\.pm$/plain_worker.js/r,
		$server->{socket}, 'bench', $far->base_url($args{ms}) . '/messages', 100);
	my $ask = sub { print $in "$_[0]\n"; $in->flush; };

	<$out> // die "the plain worker did not start\n";
	$server->sql($queue . 400);
	$ask->(400);
	<$out>;
	$server->sql($queue . $count);
	my ($base) = $far->counted;
	my ($cpu, $node, $lsn) = ($server->cpu, BenchServer::cpu_of($pid), $server->lsn);
	$ask->($count);
	my $rate = $bench->watch($base, $count);
	<$out> // die "the plain worker ended\n";
	my ($all) = $server->cpu_between($cpu, $server->cpu);
	my $lsn_after = $server->lsn;
	my %result = (rate => $rate, cpu => ($all + BenchServer::cpu_of($pid) - $node) / $count,
		wal => wal_bytes($server, $lsn, $lsn_after) / $count);
	close($in);
	waitpid($pid, 0);
	return \%result;
}

# Bytes of records between two places, without images of whole pages.
sub wal_bytes
{
	my ($server, $from, $to) = @_;
	my $bytes = 0;

	$bytes += $_->[2] foreach $server->wal_by_type($from, $to);
	return $bytes;
}

# Old versions of rows that a message leaves behind, and the share of updates
# that stayed on their page.
sub note_tables
{
	my ($bench, $count, $before) = @_;
	my %after = %{ table_figures($bench) };
	my ($dead, $updates, $hot) = map { $after{$_} - $before->{$_} } qw(dead updates hot);

	$bench->{figures}->add('dead rows a message', 'rows', $dead / $count);
	$bench->{figures}->add('updates of outbox that are HOT', '%', 100 * $hot / $updates) if $updates;
	return;
}

sub table_figures
{
	my ($bench) = @_;

	sleep(1.1);    # the drainer reports to pgstat at most once a second
	my @row = split /\|/, $bench->{server}->sql("SELECT sum(n_dead_tup),
		sum(n_tup_upd) FILTER (WHERE relname = 'outbox'), sum(n_tup_hot_upd) FILTER (WHERE relname = 'outbox')
		FROM pg_stat_user_tables WHERE schemaname = 'io_msg'");
	return { dead => $row[0], updates => $row[1], hot => $row[2] };
}

# One round of one variant for io_msg, with what is measured on the way.
sub measure_io_msg
{
	my ($bench, $ms, $in_flight, $tls) = @_;
	my $figures = $bench->{figures};
	my $name = variant($ms, $in_flight, $tls);
	my $is_base = $ms == 0 && $in_flight == 50 && !$tls;

	warm_up($bench, $ms, $in_flight, $tls);
	my $tables = $is_base ? table_figures($bench) : undef;
	my $run = run_io_msg($bench, ms => $ms, in_flight => $in_flight, tls => $tls, is_warm => 1);
	$figures->add("drain, io_msg, $name", 'msg/s', $run->{rate});
	$figures->add("CPU, io_msg with PostgreSQL, $name", 'us/msg', $run->{cpu});
	$figures->add("CPU, drainer alone, $name", 'us/msg', $run->{drainer});
	$figures->add("far end busy, $name", '%', 100 * $run->{far_busy});
	$figures->add("private memory, $name", 'MB', $run->{private_kb} / 1024) if $run->{private_kb};
	$figures->add("connections beyond the first, a 1,000 messages, $name", '', 1000 * $run->{connections} / $run->{count});
	my @wal = $bench->{server}->wal_by_type($run->{lsn}, $run->{lsn_after});
	my ($commits) = map { $_->[0] eq 'Transaction/COMMIT' ? $_->[1] : () } @wal;
	$figures->add("messages a transaction, $name", '', $run->{count} / ($commits || 1));
	if ($is_base)
	{
		my $bytes = 0;
		$bytes += $_->[2] foreach @wal;
		$figures->add('WAL, mark and settle', 'B/msg', $bytes / $run->{count});
		$bench->{tables}{'WAL of mark and settle'} = [ $run->{count}, @wal ];
		note_tables($bench, $run->{count}, $tables);
	}
	return;
}

sub measure_raw
{
	my ($bench, $ms, $in_flight, $tls) = @_;
	my $name = variant($ms, $in_flight, $tls);
	my $run = run_raw($bench, ms => $ms, in_flight => $in_flight, tls => $tls);

	$bench->{figures}->add("drain, libcurl alone, $name", 'msg/s', $run->{rate});
	$bench->{figures}->add("CPU, libcurl alone, $name", 'us/msg', $run->{cpu_us});
	return;
}

sub measure_plain
{
	my ($bench, $ms) = @_;
	my $run = run_plain($bench, ms => $ms);

	$bench->{figures}->add("drain, plain worker 1 x 100, $ms ms", 'msg/s', $run->{rate});
	$bench->{figures}->add("CPU, plain worker with PostgreSQL, $ms ms", 'us/msg', $run->{cpu});
	$bench->{figures}->add("WAL, plain worker, $ms ms", 'B/msg', $run->{wal});
	return;
}

# How long the disk takes for one flush: no mark is quicker than that.
sub measure_flush
{
	my ($bench) = @_;
	my @took;

	open(my $fh, '>', "$bench->{work}/flush") or die "flush: $!\n";
	foreach (1 .. 100)
	{
		my $start = time;

		syswrite($fh, 'x' x 8192) or die "flush: $!\n";
		$fh->sync or die "flush: $!\n";
		push @took, time - $start;
	}
	close($fh);
	$bench->{figures}->add('one flush to disk, median', 'ms', 1000 * BenchFigures::median_of(@took));
	return;
}

# The measures of this file, [group, name, code]; a round runs each once.
sub measures
{
	my ($bench) = @_;
	my @variants = ([ 0, 50 ], [ 0, 200 ], [ 50, 50 ], [ 50, 200 ], [ 200, 50 ], [ 200, 200 ]);
	my @all = ([ 'drain', 'the disk', sub { measure_flush($bench); } ]);

	foreach my $v (@variants)
	{
		push @all, [ 'drain', "io_msg " . variant(@$v), sub { measure_io_msg($bench, @$v); } ],
		  [ 'drain', "libcurl " . variant(@$v), sub { measure_raw($bench, @$v); } ];
		push @all, [ 'drain', "plain worker, $v->[0] ms", sub { measure_plain($bench, $v->[0]); } ]
		  if $v->[1] == 50 && defined $bench->{node_path};
	}
	foreach my $v ([ 0, 50, 1 ], [ 50, 200, 1 ])
	{
		push @all, [ 'tls', "io_msg " . variant(@$v), sub { measure_io_msg($bench, @$v); } ],
		  [ 'tls', "libcurl " . variant(@$v), sub { measure_raw($bench, @$v); } ];
	}
	return @all;
}

1;
