# The protocol as it is has no error in any installation; with each defect Spin
# finds one.  A defect that it does not find is a failed test: then the model
# shows nothing.
#
# IOMSG_MODEL=full looks at two messages and a person's orders everywhere,
# which takes many minutes and some GB; without it two messages are looked at
# in the installations where that is quick.

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $model = abs_path(dirname(__FILE__)) . '/io_msg.pml';
my $full = ($ENV{IOMSG_MODEL} // '') eq 'full';
my $dir = tempdir(CLEANUP => 1);

# Names and numbers are those of the model.
my %mode_of = (alone => 0, asynchronous => 1, 'synchronous, hold' => 2, 'synchronous, trust' => 3, clone => 4);
my @sound = (
	# installation, messages, orders
	[ 'alone', 1, 2 ],
	[ 'asynchronous', 1, 2 ],
	[ 'synchronous, hold', 1, 2 ],
	[ 'synchronous, trust', 1, 2 ],
	[ 'clone', 1, 2 ],
	[ 'alone', 2, 0 ],
	[ 'asynchronous', 2, 0 ],
	$full ? (
		[ 'clone', 2, 0 ],
		[ 'synchronous, hold', 2, 0 ],
		[ 'synchronous, trust', 2, 0 ],
		[ 'alone', 2, 1 ],
	) : (),
);
# Defects by which a message is accepted twice come first; the others lose one
# or say something of it that is not true.
my $twice = 11;
my @defects = (
	[ 1, 'the mark is not flushed before the POST', 'alone' ],
	[ 2, 'an orphan is queued again', 'alone' ],
	[ 3, 'the epoch is not compared', 'alone' ],
	[ 4, 'the guard is off', 'alone' ],
	[ 5, 'a 5xx that decides nothing is retried', 'alone' ],
	[ 6, 'no hold on promotion', 'asynchronous' ],
	[ 7, 'a cancelled wait for the standby counts as confirmed', 'synchronous, hold' ],
	[ 7, 'a cancelled wait for the standby counts as confirmed', 'synchronous, trust' ],
	[ 8, 'marked after the POST', 'alone' ],
	[ 9, 'a row lock instead of a mark', 'alone' ],
	[ 10, 'a lease that runs out', 'alone' ],
	[ 11, 'a copy goes on as the original', 'clone' ],
	[ 12, 'a mark whose commit failed is taken for undone', 'alone' ],
	[ 13, 'people change what is being sent', 'alone' ],
	[ 14, 'a cut connection is called a refusal', 'alone' ],
	[ 15, 'results whose commit failed are written again', 'alone' ],
);

# Runs a command in the directory of the verifier; its output.
sub run_here
{
	my ($command) = @_;

	return scalar qx{cd '$dir' && $command 2>&1};
}

sub verify
{
	my ($mode, $defect, $messages, $orders, $only_twice) = @_;

	local $ENV{IOMSG_MODE} = $mode_of{$mode};
	local $ENV{IOMSG_DEFECT} = $defect;
	local $ENV{IOMSG_MESSAGES} = $messages;
	local $ENV{IOMSG_ORDERS} = $orders;
	local $ENV{IOMSG_TWICE} = $only_twice ? 1 : 0;
	my $output = run_here('./pan -m1000000 -n');
	my ($errors) = $output =~ /errors: (\d+)/;
	my ($states) = $output =~ /(\d+) states, stored/;
	my ($broken) = $output =~ /assertion violated (.*) \(at depth/;
	return {
		output => $output, errors => $errors, states => $states // 0, broken => $broken,
		whole => $output !~ /max search depth too small|out of memory|memory usage exceeded/i,
	};
}

my $built = run_here("spin -a '$model' && gcc -O1 -w -DSAFETY -o pan pan.c");
if (!-x "$dir/pan")
{
	BAIL_OUT("the verifier could not be built:\n$built");
}

foreach my $case (@sound)
{
	my ($mode, $messages, $orders) = @$case;
	my $found = verify($mode, 0, $messages, $orders);

	ok(defined $found->{errors} && $found->{errors} == 0 && $found->{whole} && $found->{states} > 1000,
		"$mode, messages $messages, orders $orders: no error in $found->{states} states")
	  or diag($found->{output});
}
foreach my $case (@defects)
{
	my ($defect, $name, $mode) = @$case;
	my $found = verify($mode, $defect, $defect == 3 ? 1 : 2, $defect == 3 ? 1 : 0, $defect <= $twice);

	ok(($found->{errors} // 0) > 0 && defined $found->{broken},
		"$mode: $name: " . ($defect <= $twice ? 'a message is accepted twice' : 'an error is found'))
	  or diag($found->{output});
}

done_testing();
