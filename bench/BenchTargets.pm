# BenchTargets.pm: what io_msg is to reach, and whether it did.
#
# A target has the words of the report, a figure or a ratio of two figures of
# the same rounds, and a limit; the last column says by how much it was missed.

package BenchTargets;

use strict;
use warnings FATAL => 'all';

use BenchFigures;

# Little's law: no more than this leaves with so many in flight.
sub bound { my ($ms, $in_flight) = @_; return $in_flight * 1000 / $ms; }

# [what, how it is found, '>=' or '<=', limit, unit]; how: a name, a pair of
# names (their ratio), or code.
sub all
{
	my ($figures) = @_;
	my $share = sub {
		my ($ms, $in_flight) = @_;
		my $rate = $figures->median("drain, io_msg, $ms ms, $in_flight in flight");

		return defined $rate ? 100 * $rate / bound($ms, $in_flight) : undef;
	};
	my $less = sub {
		my ($a, $b) = map { $figures->median($_) } @_;

		return defined $a && defined $b ? $a - $b : undef;
	};
	my ($true) = grep { /at the true quota$/ } $figures->names;

	return (
		[ 'drain, 0 ms, of libcurl alone', [ 'drain, io_msg, 0 ms, 50 in flight', 'drain, libcurl alone, 0 ms, 50 in flight' ], '>=', 0.40, 'x' ],
		[ 'drain, 0 ms, of the plain worker', [ 'drain, io_msg, 0 ms, 50 in flight', 'drain, plain worker 1 x 100, 0 ms' ], '>=', 1.5, 'x' ],
		(map { my ($ms, $n, $least) = @$_;
			[ "drain, $ms ms, $n in flight, of Little's bound", sub { $share->($ms, $n) }, '>=', $least, '%' ] }
			  [ 50, 50, 95 ], [ 50, 200, 91 ], [ 200, 50, 95 ], [ 200, 200, 91 ]),
		[ 'CPU, 0 ms', 'CPU, io_msg with PostgreSQL, 0 ms, 50 in flight', '<=', 65, 'us/msg' ],
		[ 'CPU, 50 ms', 'CPU, io_msg with PostgreSQL, 50 ms, 50 in flight', '<=', 85, 'us/msg' ],
		[ 'CPU, added by TLS', sub { $less->('CPU, io_msg with PostgreSQL, 0 ms, 50 in flight, TLS', 'CPU, io_msg with PostgreSQL, 0 ms, 50 in flight') }, '<=', 20, 'us/msg' ],
		[ 'WAL, mark and settle', 'WAL, mark and settle', '<=', 400, 'B/msg' ],
		[ 'WAL, a status poll', 'WAL, a status poll', '<=', 250, 'B/msg' ],
		[ 'WAL, an enqueue, above the body', sub { $less->('WAL, added by io_msg', 'stored size of a body') }, '<=', 400, 'B/msg' ],
		[ 'enqueue added to a transaction, of plain INSERTs', [ 'enqueue, added by io_msg', 'enqueue, added by plain INSERTs' ], '<=', 1.3, 'x' ],
		[ 'enqueue, 8 clients, of plain INSERTs', [ 'enqueue, 8 clients, io', 'enqueue, 8 clients, plain' ], '>=', 0.95, 'x' ],
		[ 'enqueue in bulk, validation included', 'enqueue in bulk, io_msg', '<=', 25, 'us/msg' ],
		[ 'wake-up, warm, 2/s, median', 'wake-up, warm, 2/s, median', '<=', 0.5, 'ms' ],
		[ 'wake-up, warm, 20/s, median', 'wake-up, warm, 20/s, median', '<=', 0.5, 'ms' ],
		[ 'wake-up, warm, 20/s, 95 %', 'wake-up, warm, 20/s, 95 %', '<=', 3, 'ms' ],
		[ 'wake-up, cold, median', 'wake-up, cold, median', '<=', 10, 'ms' ],
		[ 'quota used, clock x 100', 'quota used, clock x 100', '>=', 98, '%' ],
		[ 'quota used, 50 ms jitter', 'quota used, clock x 2, answers 0 to 50 ms late', '>=', 98, '%' ],
		[ 'quota used, 200 ms jitter', 'quota used, clock x 2, answers 0 to 200 ms late', '>=', 95, '%' ],
		[ '429s of a campaign', '429s, clock x 100', '<=', 0, '' ],
		($true ? [ $true, [ $true, "$true, ideal time" ], '<=', 1.02, 'x ideal' ] : ()),
		[ '429s at the true quota', '429s, true quota', '<=', 0, '' ],
		[ 'share of 429s, another client takes a third', 'share of 429s, another client takes a third', '<=', 1, '%' ],
		[ 'POSTs a message', 'calls a message, message, clock x 100', '<=', 1, '' ],
		[ 'profile calls a message', 'calls a message, profile, clock x 100', '<=', 1, '' ],
		[ 'status calls a message to PROCESSED', 'calls a message, status, clock x 100', '<=', 1.2, '' ],
		[ 'private memory, 50 in flight', 'private memory, 0 ms, 50 in flight', '<=', 8, 'MB' ],
		[ 'private memory, 200 in flight over TLS', 'private memory, 50 ms, 200 in flight, TLS', '<=', 28, 'MB' ],
		(map { [ $_, $_, $_ =~ /^private/ ? ('<=', 500, 'kB') : ('>=', 0.9, 'x') ] }
			grep { /^rate |^private memory, more/ } $figures->names),
		(map { [ $_, $_, '<=', 10, 'ms' ] } grep { /^trickle .*99 %$/ } $figures->names),
		(map { [ $_, $_, '>=', 95, '%' ] } grep { /^nine services.*of all well$/ } $figures->names),
		(map { [ $_, $_, '<=', 0, '' ] } grep { /^messages not sent/ } $figures->names),
		(map { [ $_, $_, '<=', 1, '' ] } grep { /^drainers started/ } $figures->names),
		[ 'connections beyond the first, a 1,000 messages', 'connections beyond the first, a 1,000 messages, 0 ms, 50 in flight', '<=', 1, '' ],
		[ 'TLS handshakes a 1,000 messages', 'connections beyond the first, a 1,000 messages, 0 ms, 50 in flight, TLS', '<=', 1, '' ]);
}

sub value_of
{
	my ($figures, $how) = @_;

	return $how->() if ref $how eq 'CODE';
	return $figures->ratio(@$how) if ref $how eq 'ARRAY';
	return $figures->median($how);
}

# Whether it was reached, and by how many per cent of the limit it was not.
sub judge
{
	my ($value, $sign, $limit) = @_;
	my $met = $sign eq '>=' ? $value >= $limit : $value <= $limit;

	return ($met, '') if $met || !$limit;
	return (0, sprintf('%.0f %%', 100 * abs($value - $limit) / $limit));
}

# [what, target, reached, met, missed by] for each that was measured.
sub results
{
	my ($figures) = @_;
	my @rows;

	foreach my $target (all($figures))
	{
		my ($what, $how, $sign, $limit, $unit) = @$target;
		my $value = value_of($figures, $how) // next;
		my ($met, $by) = judge($value, $sign, $limit);

		push @rows, [ $what, "$sign $limit $unit", BenchFigures::short($value) . " $unit",
			$met ? 'yes' : '**no**', $by ];
	}
	return @rows;
}

1;
