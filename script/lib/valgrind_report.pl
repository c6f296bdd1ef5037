#!/usr/bin/perl
#
# valgrind_report.pl: judge the logs that valgrind wrote for server processes.
#
#   valgrind_report.pl --counts FILE --tree DIR LOGS
#
# An error counts when a frame of its stack lies in io_msg's own code; the
# packaged server has errors of its own (uninitialised bytes in WAL) that are
# not ours.  Each log is a test.  Logs without such an error are removed.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename);
use Getopt::Long;

my ($counts, $tree);
GetOptions('counts=s' => \$counts, 'tree=s' => \$tree)
  or die "valgrind_report.pl: bad arguments\n";
my $dir = shift or die "valgrind_report.pl: no directory\n";

my %own = map { basename($_) => 1 } glob("$tree/src/*.c $tree/src/core/*.c");

# Errors stand between the markers; frames name "(file.c:line)" or the library.
sub own_errors
{
	my ($log) = @_;
	my (@errors, @block);

	open(my $fh, '<', $log) or die "$log: $!\n";
	while (my $line = <$fh>)
	{
		$line =~ s/^==\d+== ?//;
		if ($line =~ /BEGIN-ERROR/)
		{
			@block = ();
		}
		elsif ($line =~ /END-ERROR/)
		{
			push @errors, join('', @block)
			  if grep { is_own_frame($_) } @block;
		}
		else
		{
			push @block, $line;
		}
	}
	return @errors;
}

sub is_own_frame
{
	my ($line) = @_;

	return $line =~ /io_msg\.so/
	  || ($line =~ /\((\w+\.c):\d+\)/ && $own{$1});
}

my @logs = glob("$dir/*.log");
my $bad = 0;

open(my $out, '>>', $counts) or die "$counts: $!\n";
foreach my $log (@logs)
{
	my @errors = own_errors($log);

	if (!@errors)
	{
		unlink $log;
		next;
	}
	$bad++;
	print "  FAILED  ", scalar(@errors), " errors in ", basename($log), "\n";
	print map { "         $_" } split /^/, $errors[0];
}
print "  FAILED  valgrind wrote no log\n" unless @logs;
printf "  %s processes of the server looked at\n", scalar @logs;
printf $out "%d %d valgrind:processes\n", @logs - $bad, $bad || !@logs;
exit($bad || !@logs ? 1 : 0);
