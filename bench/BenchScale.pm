# BenchScale.pm: whether io_msg stays as fast with much of everything: queued
# messages, services, databases.
#
# A rate is compared with that of a database with nothing else in it, on the
# same server and in turns, since rates move with whatever the machine does.

package BenchScale;

use strict;
use warnings FATAL => 'all';

use List::Util qw(min);
use POSIX qw(WNOHANG _exit);

use BenchDrain;
use BenchFigures;
use BenchRun;
use BenchWake;

my $SERVICES = 1000;
my $DATABASES = 4;

# The rate at which COUNT of the messages leave that are queued in several
# databases or for several services; those left over stay.
sub rate_of_some
{
	my ($count, $which, @benches) = @_;
	my ($base) = $benches[0]{far}->counted;

	$_->let_go($which) foreach @benches;
	my $rate = $benches[0]->watch($base, $count);
	$_->hold($which) foreach @benches;
	$_->{server}->wait_for("SELECT in_flight = '{}' FROM io_msg.drainer") foreach @benches;
	return $rate;
}

# Queues COUNT messages, a million in a transaction.
sub fill
{
	my ($bench, $count) = @_;

	for (my $left = $count; $left > 0; $left -= 1000000)
	{
		my $lot = min($left, 1000000);

		print STDERR "  $left to be queued\n";
		$bench->{server}->sql("SELECT count(io_enqueue_message(p.fiscal_code, '$BenchRun::SUBJECT',
			'$BenchRun::MARKDOWN', service => 'bench')) FROM generate_series(1, $lot) AS g
			JOIN people.person AS p ON p.n = 1 + g % $bench->{people}");
	}
	return;
}

# How long messages of another service take from COMMIT to their far end, 20 a
# second, beside what goes on in the database meanwhile.
sub note_trickle
{
	my ($bench, $beside, $count) = @_;
	my ($replied) = BenchWake::time_messages($bench, 'trickle', 'trickle', $count, 50);

	$bench->{figures}->add("trickle beside $beside, median", 'ms', BenchFigures::median_of(@$replied) / 1000);
	$bench->{figures}->add("trickle beside $beside, 99 %", 'ms', BenchFigures::percentile_of(0.99, @$replied) / 1000);
	return;
}

# The same while COUNT messages are queued.
sub note_trickle_beside_filling
{
	my ($bench, $count, $trickle) = @_;
	my $pid = fork // die "fork: $!\n";

	if ($pid == 0)
	{
		_exit(eval { fill($bench, $count); 1 } ? 0 : 1);
	}
	note_trickle($bench, 'transactions of a million', $trickle);
	print STDERR "  the transactions had ended before\n" if waitpid($pid, WNOHANG) != 0;
	waitpid($pid, 0);
	return;
}

# A database with millions of messages, all queued.
sub measure_queue
{
	my ($bench) = @_;
	my $figures = $bench->{figures};
	my $count = $bench->count($ENV{BENCH_ROWS} // 1000000, 100000);
	my $trickle = min(1000, int($count / 5000));
	my $lot = $bench->count(20000);
	my $much = $bench->another('much', 'trickle');
	my $worker;

	BenchDrain::warm_up($bench, 0, 50);
	$much->add_services('trickle', 1001, 'trickle');
	$much->hold;
	note_trickle_beside_filling($much, $count, $trickle);
	$bench->{server}->sql('CHECKPOINT');
	rate_of_some($lot, '^bench$', $much);
	$worker = $much->{server}->worker('drainer');
	my $before_kb = BenchServer::private_kb($worker);
	BenchDrain::note_ratio($bench, "rate with $count queued", sub { rate_of_some($lot, '^bench$', $much); },
		sub { BenchDrain::rate_of_lot($bench, 0, $lot); });
	$much->set_far(50);
	$much->let_go;
	note_trickle($much, "$count queued that leave at 50 ms", $trickle);
	$much->hold;
	$figures->add("private memory, more after a part of $count", 'kB', BenchServer::private_kb($worker) - $before_kb);
	$figures->add("disk of $count messages, each", 'B', $much->disk / $count);
	$much->drop;
	return;
}

# A message for each of a thousand services, many times.
sub measure_services
{
	my ($bench) = @_;
	my @names = map { "many$_" } 1 .. $SERVICES;
	my $many = $bench->another('many', @names);
	my $each = $bench->count(20, 5);
	my $count = $each * $SERVICES;

	$many->add_services('far', $each, @names);
	BenchDrain::warm_up($many, 0, 50);
	$many->hold('.');
	BenchDrain::note_ratio($bench, "rate with $SERVICES services, of one", sub {
			$many->{server}->sql("SELECT count(io_enqueue_message(p.fiscal_code, '$BenchRun::SUBJECT',
				'$BenchRun::MARKDOWN', service => 'many' || g))
				FROM people.person AS p, generate_series(1, $SERVICES) AS g WHERE p.n <= $each");
			my $rate = rate_of_some($count, '^many', $many);
			$many->empty;
			return $rate;
		}, sub { BenchDrain::rate_of_lot($many, 0, $count); });
	$many->drop;
	return;
}

# Several databases, each with a worker of its own, at once.
sub measure_databases
{
	my ($bench) = @_;
	my @several = map { $bench->another("several$_") } 1 .. $DATABASES;
	my $count = $bench->count(3000, 500);

	BenchDrain::warm_up($_, 50, 50) foreach @several;
	BenchDrain::note_ratio($bench, "rate of $DATABASES databases at once, of $DATABASES times one", sub {
			$_->queue($count) foreach @several;
			my $rate = rate_of_some($DATABASES * $count, '^bench$', @several);
			$_->empty foreach @several;
			return $rate / $DATABASES;
		}, sub { BenchDrain::rate_of_lot($several[0], 50, $count); });
	$_->drop foreach @several;
	return;
}

sub measures { return; }

sub once
{
	my ($bench) = @_;

	return if $bench->{quick};
	return ([ 'scale', 'millions of messages', sub { measure_queue($bench); } ],
		[ 'scale', 'many services', sub { measure_services($bench); } ],
		[ 'scale', 'several databases', sub { measure_databases($bench); } ]);
}

1;
