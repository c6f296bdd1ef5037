#!/usr/bin/perl
#
# campaign.pl: rounds of load and faults, each followed by the reconciliation
# of three journals: what the clients heard, what IO has, what the database says.
#
#   campaign.pl --counts FILE --logs DIR
#
# One cluster and one sandbox last for the whole campaign.  Environment:
#   IOMSG_CAMPAIGN_ROUNDS  how many rounds (20)
#   IOMSG_CAMPAIGN_SEED    what the choices depend on (by the clock; printed)
#   IOMSG_CAMPAIGN_FROM    the first round's number (1): to see one again
#   IOMSG_CAMPAIGN_KIND    only kinds of fault whose name matches, as in
#                          "planned restart", "point: kill", "standby promoted"
#   IOMSG_CAMPAIGN_GO_ON   1: go on after a violation
#   IOMSG_CAMPAIGN_VERBOSE 1: a line for each round
#
# Appends "passed failed name" to the file of counts.  What belongs to a
# violation stays in the directory of logs.

use strict;
use warnings FATAL => 'all';

my $out;
BEGIN { open($out, '>&', \*STDOUT) or die "STDOUT: $!\n"; $out->autoflush(1); }

use Getopt::Long;

use CampaignRun;

my ($counts, $logs) = ('', '.');
GetOptions('counts=s' => \$counts, 'logs=s' => \$logs) or die "campaign.pl: bad arguments\n";

my $run = CampaignRun->new(
	out => $out,
	logs => $logs,
	rounds => $ENV{IOMSG_CAMPAIGN_ROUNDS} // 20,
	seed => $ENV{IOMSG_CAMPAIGN_SEED} // time % 1_000_000,
	from => $ENV{IOMSG_CAMPAIGN_FROM} // 1,
	only => $ENV{IOMSG_CAMPAIGN_KIND},
	go_on => $ENV{IOMSG_CAMPAIGN_GO_ON});
my $good = eval { $run->run } // 0;
$run->give_up($@) if $@;

if ($counts)
{
	open(my $fh, '>>', $counts) or die "$counts: $!\n";
	print $fh join("\n", $run->counts), "\n";
	close($fh);
}
exit($good ? 0 : 1);
