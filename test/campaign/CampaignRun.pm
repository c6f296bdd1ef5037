# CampaignRun.pm: the rounds of a campaign, one after the other, and what the
# three journals say after each and in the end.

package CampaignRun;

use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Time::HiRes qw(time);

use IoMsgFlow qw(add_services);
use IoMsgTest qw(start_sandbox);

use CampaignJournals;
use CampaignReport;
use CampaignRound;
use CampaignServer;

# Services of two accounts; one of them asks for each profile.
my @services = (
	alpha => {}, beta => {}, gamma => { account => 'second' },
	delta => { account => 'second', profile_max_age => '0 s' });

# All rounds once more, now and then and at the end.
my $LOOK_BACK = 100;

sub new
{
	my ($class, %given) = @_;
	my $self = bless { %given, next => 1, last_id => 0, report => CampaignReport->new, outcome => {},
		began => time, said_at => 0, dir => tempdir(CLEANUP => 1), services => [ grep { !ref } @services ] }, $class;

	return $self;
}

sub say { my ($self, $text) = @_; print { $self->{out} } "  $text\n"; return; }

sub run
{
	my ($self) = @_;
	my $last = $self->{from} + $self->{rounds} - 1;

	$self->say("campaign of $self->{rounds} rounds, IOMSG_CAMPAIGN_SEED=$self->{seed}");
	$self->set_up;
	foreach my $nr ($self->{from} .. $last)
	{
		$self->one_round($nr);
		last if $self->{report}->violated && !$self->{go_on};
		$self->look_back if ($nr - $self->{from} + 1) % $LOOK_BACK == 0 || $nr == $last;
		$self->tell($nr);
	}
	$self->{server}->finish;
	$self->say($_) foreach $self->{report}->lines($self->{journals}, time - $self->{began});
	return !$self->{report}->violated;
}

sub set_up
{
	my ($self) = @_;
	my $io = $self->{io} = start_sandbox(quota => 0, service => $self->{services});
	my $server = $self->{server} = CampaignServer->new($io, $self->{dir}, @{ $self->{services} });

	$self->{journals} = CampaignJournals->new($io);
	add_services($server->node, $io, @services);
	$server->renew_keys(undef);
	$server->prepare;
	return;
}

sub one_round
{
	my ($self, $nr) = @_;
	my $log_end = $self->{server}->log_end;
	my $began = time;
	my $round = $self->{round} = CampaignRound->new($self, $nr);

	$round->run;
	my @wrong = $self->reconcile($round);
	$self->{report}->add_round($round, time - $began);
	$self->{connections} = $round->{plan}{connections};
	$self->say(sprintf '%d: %.1f s, %s%s', $nr, time - $began, $round->words,
		join '', map { ", $_" } @{ $round->{notes} }, @{ $round->{steps} }) if $ENV{IOMSG_CAMPAIGN_VERBOSE};
	$self->keep_evidence($round, $log_end, @wrong) if @wrong;
	return;
}

# ----------------------------------------------------------------------
# The three journals

# What is wrong after a round; what is uncertain is counted by its cause.
sub reconcile
{
	my ($self, $round) = @_;
	my ($journals, $report) = @$self{qw(journals report)};
	my $load = $round->{load};
	my @late = grep { $_ < $self->{next} } $journals->read_io;
	my ($rows, $last) = $journals->read_rows($self->{server}, $self->{last_id});
	my @found;

	$round->{unread} = $journals->take_unread($round->{closed_at_once});
	foreach my $n ($load->numbers)
	{
		my $outcome = $self->{outcome}{$n} = $load->outcome($n);

		push @found, $journals->judge($n, $outcome, @{ $rows->{$n} // [] });
		$self->count($round, $n, $outcome, $rows->{$n}[0]);
	}
	push @found, map { [ 'ghosts', "row $rows->{$_}[0]{id} is of no client" ] }
	  grep { !defined $load->{message}{$_} } sort keys %$rows;
	push @found, map { [ 'duplicates', "message $_ of an earlier round was accepted now" ] } @late;
	push @found, $self->against_bounds($round);
	push @found, map { [ 'broken promise', $_ ] } @{ $round->{broken} // [] };
	$self->{last_id} = $last;
	$self->{next} = $load->{next};
	$report->violation($round, @$_) foreach @found;
	return @found;
}

sub count
{
	my ($self, $round, $n, $outcome, $row) = @_;

	$round->{count}{$outcome}++;
	$round->{count}{messages}++;
	return unless $row;
	$round->{count}{"is $row->{status}"}++;
	return unless $row->{status} eq 'uncertain';
	my $why = $self->{journals}->why_uncertain($n, $row, $round);
	$round->{count}{"uncertain: $why"}++;
	$round->{count}{interrupted}++ if $row->{reason} =~ /^interrupted/;
	push @{ $round->{needless} }, "message $n, row $row->{id}: $row->{reason}, phase $row->{phase}" if $why eq 'needless';
	return;
}

# A crash costs no more than the connections; a planned restart nothing.
sub against_bounds
{
	my ($self, $round) = @_;
	my $interrupted = $round->{count}{interrupted} // 0;
	my $most = $round->{crashes} * $round->{plan}{connections};
	my $uncertain = $round->{count}{'is uncertain'} // 0;
	my @found;

	push @found, [ 'too many uncertain', "$interrupted for $round->{crashes} crashes and $round->{plan}{connections} connections" ]
	  if $interrupted > $most;
	push @found, [ 'planned, but uncertain', "$uncertain uncertain after a planned restart" ]
	  if $round->{planned} && $uncertain;
	return @found;
}

# All rows of all rounds: what was settled has stayed so.
sub look_back
{
	my ($self) = @_;
	my ($rows) = $self->{journals}->read_rows($self->{server}, 0);
	my @found = map { $self->{journals}->judge($_, $self->{outcome}{$_}, @{ $rows->{$_} // [] }) }
	  sort { $a <=> $b } keys %{ $self->{outcome} };

	$self->{report}->violation($self->{round}, @$_) foreach @found;
	$self->say("all rounds again: $found[0][1]") if @found;
	return;
}

# ----------------------------------------------------------------------
# What is told, and kept

sub tell
{
	my ($self, $nr) = @_;

	return if time - $self->{said_at} < 5;
	$self->{said_at} = time;
	$self->say(sprintf '%5d s  round %d: %s', time - $self->{began}, $nr, $self->{report}->brief($self->{journals}));
	return;
}

# The rows, the lines and the logs that a violation is about.
sub keep_evidence
{
	my ($self, $round, $log_end, @wrong) = @_;
	my $dir = "$self->{logs}/round.$round->{nr}";

	make_path($dir);
	open(my $fh, '>', "$dir/what") or die "$dir/what: $!\n";
	print $fh "IOMSG_CAMPAIGN_SEED=$self->{seed} IOMSG_CAMPAIGN_FROM=$round->{nr}\n", $round->words, "\n\n";
	foreach my $one (@wrong)
	{
		$self->say("round $round->{nr}: $one->[0]: $one->[1]");
		print $fh "$one->[0]: $one->[1]\n";
		$self->write_about($fh, $1) if $one->[1] =~ /^message (\d+)/;
	}
	close($fh);
	open($fh, '>', "$dir/server.log") or die "$dir/server.log: $!\n";
	print $fh $self->{server}->log_tail($log_end);
	close($fh);
	copy($_, $dir) foreach glob("$self->{dir}/client.*");
	$self->say("evidence in $dir");
	return;
}

sub write_about
{
	my ($self, $fh, $n) = @_;
	my $code = IoMsgTest::fiscal_code($n);
	my $server = $self->{server};
	my $io = $self->{io}->dir;

	print $fh $server->query("SELECT r FROM io_msg.outbox AS r WHERE reference = 'm$n'"), "\n",
	  $server->query("SELECT t FROM io_msg.attempt AS t JOIN io_msg.outbox AS o USING (id) WHERE o.reference = 'm$n'"), "\n";
	foreach my $file ("$io/ledger", "$io/journal")
	{
		open(my $lines, '<', $file) or next;
		print $fh grep { /$code/ } <$lines>;
	}
	print $fh "\n";
	return;
}

# Something that the campaign itself could not cope with.
sub give_up
{
	my ($self, $why) = @_;
	my $round = $self->{round};

	$self->say('round ' . ($round ? $round->{nr} . ' (' . $round->words . ')' : 0) . ": $why");
	$self->{gave_up} = $why =~ s/\s+/ /gr;
	return unless $round && eval { make_path("$self->{logs}/round.$round->{nr}"); 1 };
	copy($self->{server}->node->logfile, "$self->{logs}/round.$round->{nr}/server.log");
	return;
}

# Lines for the file of counts.
sub counts
{
	my ($self) = @_;
	my @lines = $self->{report}->counts;

	push @lines, "0 1 campaign: $self->{gave_up}" if defined $self->{gave_up};
	return @lines;
}

1;
