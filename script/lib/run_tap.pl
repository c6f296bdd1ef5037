#!/usr/bin/perl
#
# run_tap.pl: run programs that print TAP, with progress and exact counts.
#
#   run_tap.pl [--jobs N] [--deadline SECONDS] --counts FILE --logs DIR PROGRAM...
#
# One line for each program as it ends, with its duration; what a failed one
# printed stays in DIR.  Appends "passed failed name" for each to FILE.  A
# program that ends without a plan, or badly, counts as one failure more; one
# that hangs is ended after --deadline seconds, so that the others still run.
# Exit status 0 only when all passed and something ran.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use File::Path qw(make_path);
use Getopt::Long;
use TAP::Harness;
use TAP::Parser::Aggregator;
use Time::HiRes qw(time);

my ($jobs, $counts, $logs) = (1);
my $deadline = $ENV{TAP_FILE_DEADLINE} // 1200 * ($ENV{IOMSG_TEST_PATIENCE} // 1);
GetOptions('jobs=i' => \$jobs, 'deadline=i' => \$deadline, 'counts=s' => \$counts, 'logs=s' => \$logs)
  or die "run_tap.pl: bad arguments\n";
die "run_tap.pl: nothing to run\n" unless @ARGV;

STDOUT->autoflush(1);
make_path($logs);

# merge puts the diagnostics beside the test that they belong to.
local $ENV{PERL_TEST_HARNESS_DUMP_TAP} = $logs;
my $harness = TAP::Harness->new(
	{
		verbosity => -3,
		merge     => 1,
		jobs      => $jobs,
		exec      => sub {
			my ($h, $file) = @_;
			return [ 'timeout', '--kill-after=20', $deadline,
				$file =~ /\.pl$/ ? ($^X, '-Itest/t', $file) : "./$file" ];
		},
	});
my $aggregate = TAP::Parser::Aggregator->new;

my %started;
my $all_good = 1;

$harness->callback(made_parser => sub { $started{ $_[1]->[0] } = time });
$harness->callback(
	after_test => sub {
		my ($test, $parser) = @_;
		report($test->[0], $parser);
	});

# The log stays only where the test failed.
sub report
{
	my ($name, $parser) = @_;
	my $passed = scalar($parser->passed);
	my $failed = scalar($parser->failed);
	my $errors = $parser->parse_errors || $parser->exit || $parser->wait;
	my $skipped = $parser->skip_all;
	my $log = "$logs/$name";

	$failed++ if $errors && !$failed;
	print "  the deadline of $deadline s passed: $name\n" if ($parser->exit // 0) == 124;
	if (!$failed && !$passed && !$skipped)
	{
		$failed++;
	}
	printf "  %-6s %7.1f s  %4d tests  %s%s\n",
	  $failed ? 'FAILED' : $skipped ? 'skip' : 'ok',
	  time - ($started{$name} // time), $passed + $failed, $name,
	  $skipped ? "  ($skipped)" : '';
	if ($failed)
	{
		$all_good = 0;
		show($log);
	}
	else
	{
		unlink $log;
	}
	open(my $fh, '>>', $counts) or die "$counts: $!\n";
	print $fh "$passed $failed $name\n";
	close($fh);
	return;
}

# What a person wants to see first: the lines about the failures.
sub show
{
	my ($log) = @_;
	open(my $fh, '<', $log) or return;
	my @lines = grep { /^\s*not ok|^\s*#|^Bail out|rror/ } <$fh>;
	splice(@lines, 40, @lines - 40, "...\n") if @lines > 40;
	print "         $_" for @lines;
	print "         (all of it in $log)\n";
	return;
}

eval {
	$harness->aggregate_tests($aggregate, @ARGV);
	1;
} or do { broken_off("$@"); $all_good = 0; };

# A program that gave up for all: it counts, whatever it passed before.
sub broken_off
{
	my ($why) = @_;

	print "  FAILED  $why";
	open(my $fh, '>>', $counts) or die "$counts: $!\n";
	print $fh '0 1 ', $why =~ s/\s+/ /gr, "\n";
	close($fh);
	return;
}

exit($all_good && $aggregate->total > 0 ? 0 : 1);
