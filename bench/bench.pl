# bench.pl: runs the measures of io_msg, interleaved, and writes the report.
#
#	perl bench/bench.pl WORK-DIR BIN-DIR OUT-DIR [--quick]
#
# script/bench sets everything up and says what the environment means.

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time);

use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../test/t";

use BenchDrain;
use BenchEnqueue;
use BenchFair;
use BenchLife;
use BenchPeers;
use BenchQuota;
use BenchReport;
use BenchRun;
use BenchScale;
use BenchWake;

my ($work, $bin, $out, $mode) = @ARGV;
my $quick = ($mode // '') eq '--quick';
my $rounds = $ENV{BENCH_ROUNDS} // ($quick ? 1 : 3);
my $only = join '|', split /[\s,]+/, $ENV{BENCH_ONLY} // '';
my $bench = BenchRun->new(
	work => $work, bin => $bin, quick => $quick,
	scale => $ENV{BENCH_SCALE} // ($quick ? 0.2 : 1),
	node_path => $ENV{BENCH_NODE_PATH});
my $start = time;
my %seconds;

# The measures of a round, in an order that changes from round to round.
sub run_round
{
	my ($round, @measures) = @_;
	my $turn = @measures ? ($round - 1) * int(@measures / 3 + 1) % @measures : 0;

	foreach my $measure (@measures[ $turn .. $#measures, 0 .. $turn - 1 ])
	{
		my ($group, $name, $code) = @$measure;
		my $began = time;

		printf STDERR "[%3.0f s] round %d, %s: %s\n", time - $start, $round, $group, $name;
		$code->();
		$seconds{$group} += time - $began;
	}
	$bench->vacuum;
	return;
}

my @measures = grep { $only eq '' || $_->[0] =~ /^(?:$only)$/ } map { $_->can('measures')->($bench) } measure_modules();
my @once = grep { $only eq '' || $_->[0] =~ /^(?:$only)$/ } map { $_->can('once') ? $_->can('once')->($bench) : () } measure_modules();
die "BENCH_ONLY names no group: $only\n" unless @measures || @once;

run_round($_, @measures) foreach 1 .. $rounds;
run_round(1, @once) if @once;
$bench->{figures}->print_json;
BenchReport::write_report($bench, $out, rounds => $rounds, scale => $bench->{scale}, remarks => remarks());
printf STDERR "[%3.0f s] %s\n", time - $start,
  join ', ', map { sprintf '%s %.0f s', $_, $seconds{$_} } sort { $seconds{$b} <=> $seconds{$a} } keys %seconds;
$bench->stop;

# What was found when the figures were looked into, kept beside this file.
sub remarks
{
	open(my $fh, '<', "$FindBin::Bin/remarks.md") or return '';
	return join '', <$fh>;
}

sub measure_modules { return qw(BenchDrain BenchEnqueue BenchWake BenchFair BenchLife BenchScale BenchPeers BenchQuota); }
