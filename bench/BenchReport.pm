# BenchReport.pm: REPORT.md and its plots.

package BenchReport;

use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);

use BenchFigures;
use BenchPlot;
use BenchTargets;

sub table
{
	my ($head, @rows) = @_;

	return '' unless @rows;
	return join '', map { '| ' . join(' | ', map { $_ // '' } @$_) . " |\n" }
	  $head, [ map { $_ =~ /^(?:what|figure|record|unit|target|met|missed by)$/ ? '---' : '---:' } @$head ], @rows;
}

sub machine
{
	my ($bench) = @_;
	my ($model) = map { /^model name\s*:\s*(.*)/ ? $1 : () } do { open(my $fh, '<', '/proc/cpuinfo') or return ''; <$fh> };
	my ($load) = split ' ', do { open(my $fh, '<', '/proc/loadavg') or return ''; <$fh> };
	my ($curl) = `curl-config --version` =~ /([\d.]+)/;

	chomp(my $cpus = `nproc`);
	return sprintf("%s, %d of %s; PostgreSQL %s, libcurl %s; load %s at the end.",
		strftime('%Y-%m-%d %H:%M', localtime), $cpus, $model // 'a processor',
		$bench->{server}->sql('SHOW server_version') =~ s/ .*//r, $curl // '?', $load);
}

sub wal_tables
{
	my ($bench) = @_;
	my $text = '';

	foreach my $name (grep { /^WAL/ } sort keys %{ $bench->{tables} })
	{
		my ($count, @types) = @{ $bench->{tables}{$name} };

		$text .= "\n### $name, by record type\n\n"
		  . table([ 'record', 'records a message', 'B a message', 'images of pages, B a message' ],
			map { [ $_->[0], map { sprintf '%.3f', $_ / $count } @$_[ 1 .. 3 ] ] }
			grep { ($_->[2] + $_->[3]) / $count >= 0.05 } @types);
	}
	return $text;
}

# The two plots; returns those that could be drawn.
sub plots
{
	my ($bench, $out) = @_;
	my $figures = $bench->{figures};
	my @made;
	my $points = sub {
		my ($pattern) = @_;
		my @all = map { my $ms = $_; my $r = $figures->median(sprintf $pattern, $ms); defined $r ? [ $ms, $r ] : () } 0, 50, 200;
		return @all;
	};
	my @series = grep { @$_ > 2 } (
		(map { my $n = $_; [ "io_msg, $n in flight", '', $points->("drain, io_msg, %d ms, $n in flight") ],
				[ "libcurl alone, $n", 'stroke-dasharray="5 3"', $points->("drain, libcurl alone, %d ms, $n in flight") ] } 50, 200),
		[ 'plain worker, 1 x 100', 'stroke-dasharray="2 2"', $points->('drain, plain worker 1 x 100, %d ms') ]);

	if (@series)
	{
		write_file("$out/rates.svg", BenchPlot::rates(@series));
		push @made, 'rates.svg';
	}
	if (my $calls = $bench->{tables}{'calls at the true quota'})
	{
		write_file("$out/quota.svg", BenchPlot::window(150, 5, @$calls));
		push @made, 'quota.svg';
	}
	return @made;
}

sub write_file
{
	my ($path, $text) = @_;

	open(my $fh, '>', $path) or die "$path: $!\n";
	print $fh $text;
	close($fh) or die "$path: $!\n";
	return;
}

sub write_report
{
	my ($bench, $out, %how) = @_;
	my $figures = $bench->{figures};
	my @targets = BenchTargets::results($figures);
	my $met = grep { $_->[3] eq 'yes' } @targets;
	my @pictures = plots($bench, $out);
	my $text = "# What io_msg costs, and how fast it is\n\n"
	  . "Written by `script/bench`; $how{rounds} round(s) at $how{scale} of the usual size.\n"
	  . machine($bench) . "\n\n"
	  . "Rates move with whatever else the machine does: trust the ratios of one run, CPU and WAL a message.\n"
	  . "CPU is from /proc, of the drainer and all other processes of the server, the settling included. WAL is\n"
	  . "without images of whole pages. Everything is warm, with its connections open, when the count begins.\n\n"
	  . "## Targets: $met of " . scalar(@targets) . " met\n\n"
	  . table([ 'what', 'target', 'reached', 'met', 'missed by' ], map { [ @$_[ 0 .. 4 ] ] } @targets);

	$text .= "\n![$_]($_)\n" foreach @pictures;
	$text .= "\n## All figures\n\nMin / median / max of the rounds.\n\n"
	  . table([ 'figure', 'value', 'unit' ],
		map { [ $_, $figures->spread($_), $figures->unit_of($_) ] } $figures->names)
	  . wal_tables($bench);
	$text .= "\n## What bounds it\n\n" . $how{remarks} if $how{remarks};
	write_file("$out/REPORT.md", $text);
	return;
}

1;
