# BenchFigures.pm: what was measured: each figure's value in each round.

package BenchFigures;

use strict;
use warnings FATAL => 'all';

use JSON::PP;
use List::Util qw(max min);

sub new { return bless { names => [], values => {}, units => {}, notes => [] }, $_[0]; }

# Notes one round's value.
sub add
{
	my ($self, $name, $unit, $value) = @_;

	push @{ $self->{names} }, $name unless $self->{values}{$name};
	$self->{units}{$name} = $unit;
	push @{ $self->{values}{$name} }, $value;
	printf STDERR "  %-46s %12s %s\n", $name, short($value), $unit;
	return;
}

# A sentence for the report.
sub note
{
	my ($self, $text) = @_;

	push @{ $self->{notes} }, $text unless grep { $_ eq $text } @{ $self->{notes} };
	return;
}

# A number with as many digits as it deserves.
sub short
{
	my ($value) = @_;

	return '' unless defined $value;
	return sprintf('%.0f', $value) if abs($value) >= 100 || $value == int($value);
	return sprintf(abs($value) >= 10 ? '%.1f' : '%.3f', $value);
}

sub median_of
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = int(@sorted / 2);

	return unless @sorted;
	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# A share of the values is not above this one.
sub percentile_of
{
	my ($share, @values) = @_;
	my @sorted = sort { $a <=> $b } @values;

	return $sorted[ min($#sorted, int($share * @sorted)) ];
}

sub values_of { return @{ $_[0]{values}{ $_[1] } // [] }; }
sub unit_of { return $_[0]{units}{ $_[1] }; }
sub names { return @{ $_[0]{names} }; }
sub notes { return @{ $_[0]{notes} }; }
sub median { my ($self, $name) = @_; return median_of($self->values_of($name)); }

# "min / median / max", or the one value.
sub spread
{
	my ($self, $name) = @_;
	my @all = $self->values_of($name) or return '';

	return short($all[0]) if @all == 1;
	return join ' / ', map { short($_) } min(@all), median_of(@all), max(@all);
}

# The median of the rounds' own ratios; undef where either is missing.
sub ratio
{
	my ($self, $name, $by) = @_;
	my @a = $self->values_of($name);
	my @b = $self->values_of($by);
	my $n = min(scalar @a, scalar @b);

	return unless $n;
	return median_of(map { $b[$_] ? $a[$_] / $b[$_] : () } 0 .. $n - 1);
}

# One line of JSON for each figure.
sub print_json
{
	my ($self) = @_;
	my $json = JSON::PP->new->canonical;

	foreach my $name ($self->names)
	{
		my @all = map { 0 + sprintf('%.6g', $_) } $self->values_of($name);
		print $json->encode({ figure => $name, unit => $self->{units}{$name},
				min => min(@all), median => median_of(@all), max => max(@all), rounds => \@all }), "\n";
	}
	return;
}

1;
