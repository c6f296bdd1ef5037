# BenchPlot.pm: the report's two plots, as SVG.

package BenchPlot;

use strict;
use warnings FATAL => 'all';

use List::Util qw(max);

my ($WIDTH, $HEIGHT, $LEFT, $BOTTOM, $TOP, $RIGHT) = (760, 380, 70, 45, 40, 200);
my @COLOURS = ('#0b6bcb', '#d1495b', '#3c8d40', '#8e5ea2', '#e08e0b', '#555555');

sub x_of { my ($share) = @_; return $LEFT + $share * ($WIDTH - $LEFT - $RIGHT); }
sub y_of { my ($share) = @_; return $HEIGHT - $BOTTOM - $share * ($HEIGHT - $BOTTOM - $TOP); }

sub text
{
	my ($x, $y, $anchor, $words) = @_;

	$words =~ s/&/&amp;/g;
	$words =~ s/</&lt;/g;
	return sprintf(qq{<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>\n}, $x, $y, $anchor, $words);
}

sub line
{
	my ($colour, $style, @points) = @_;

	return sprintf(qq{<polyline fill="none" stroke="%s" stroke-width="1.6" %s points="%s"/>\n},
		$colour, $style, join(' ', map { sprintf '%.1f,%.1f', @$_ } @points));
}

sub frame
{
	my ($title, $below, $beside, $body) = @_;

	return qq{<svg xmlns="http://www.w3.org/2000/svg" width="$WIDTH" height="$HEIGHT" font-family="sans-serif" font-size="12">\n}
	  . qq{<rect width="$WIDTH" height="$HEIGHT" fill="white"/>\n}
	  . text($LEFT, 20, 'start', $title)
	  . line('#333', '', [ x_of(0), y_of(1) ], [ x_of(0), y_of(0) ], [ x_of(1), y_of(0) ])
	  . text(x_of(0.5), $HEIGHT - 8, 'middle', $below)
	  . text($LEFT, $TOP - 6, 'middle', $beside) . $body . "</svg>\n";
}

sub legend
{
	my ($n, $colour, $style, $words) = @_;
	my $y = $TOP + 18 * $n;

	return line($colour, $style, [ $WIDTH - $RIGHT + 12, $y ], [ $WIDTH - $RIGHT + 36, $y ])
	  . text($WIDTH - $RIGHT + 42, $y + 4, 'start', $words);
}

# Rates over latency; both scales are logarithmic.  A series is [words, style,
# [ms, rate]...].
sub rates
{
	my (@series) = @_;
	my $top = 10**(int(log(max(map { map { $_->[1] } @$_[ 2 .. $#$_ ] } @series)) / log(10)) + 1);
	my %place = (0 => 0.05, 50 => 0.5, 200 => 0.95);
	my $share = sub { return (log($_[0]) / log(10) - 1) / (log($top) / log(10) - 1); };
	my $body = '';

	for (my $rate = 10; $rate <= $top; $rate *= 10)
	{
		$body .= line('#ddd', '', [ x_of(0), y_of($share->($rate)) ], [ x_of(1), y_of($share->($rate)) ])
		  . text($LEFT - 6, y_of($share->($rate)) + 4, 'end', $rate);
	}
	$body .= text(x_of($place{$_}), y_of(0) + 16, 'middle', "$_ ms") foreach sort keys %place;
	foreach my $n (0 .. $#series)
	{
		my ($words, $style, @points) = @{ $series[$n] };
		my $colour = $COLOURS[ $n % @COLOURS ];

		@points = map { [ x_of($place{ $_->[0] }), y_of($share->($_->[1])) ] } @points;
		$body .= line($colour, $style, @points) . legend($n, $colour, $style, $words);
		$body .= sprintf(qq{<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>\n}, @$_, $colour) foreach @points;
	}
	return frame('Messages a second over the far end\'s latency', 'latency of the far end', 'msg/s', $body);
}

# How many calls of the last period IO counts, over time, beside the quota.
sub window
{
	my ($quota, $period_s, @calls) = @_;
	my $end = $calls[-1] || 1;
	my ($first, $next) = (0, 0);
	my ($body, @points) = ('');

	foreach my $step (0 .. 600)
	{
		my $now = $end * $step / 600;

		$next++ while $next < @calls && $calls[$next] <= $now;
		$first++ while $first < $next && $now - $calls[$first] >= $period_s;
		push @points, [ x_of($now / $end), y_of(($next - $first) / ($quota * 1.1)) ];
	}
	my @total = map { [ x_of($calls[$_] / $end), y_of(($_ + 1) / @calls / 1.1) ] } 0 .. $#calls;
	my $edge = y_of(1 / 1.1);

	$body .= line($COLOURS[1], 'stroke-dasharray="5 3"', [ x_of(0), $edge ], [ x_of(1), $edge ])
	  . line($COLOURS[0], '', @points) . line($COLOURS[2], '', @total)
	  . legend(0, $COLOURS[1], 'stroke-dasharray="5 3"', "the quota, $quota")
	  . legend(1, $COLOURS[0], '', "calls of the last $period_s s")
	  . legend(2, $COLOURS[2], '', 'all calls, of ' . scalar @calls);
	$body .= text($LEFT - 6, y_of($_ / $quota / 1.1) + 4, 'end', $_) foreach 0, $quota / 2, $quota;
	$body .= text(x_of($_ / 4), y_of(0) + 16, 'middle', sprintf('%.1f s', $end * $_ / 4)) foreach 0 .. 4;
	return frame('Calls over time against the quota', 'time', 'calls', $body);
}

1;
