# CampaignReport.pm: the figures of a campaign.

package CampaignReport;

use strict;
use warnings FATAL => 'all';

use CampaignJournals;

my @bounds = ('too many uncertain', 'planned, but uncertain', 'broken promise');

sub new
{
	my ($class) = @_;

	return bless { rounds => 0, bad_rounds => 0, sum => {}, kind => {}, violations => {}, worst => [ 0, 0 ] }, $class;
}

sub violation { my ($self, $round, $which) = @_; $self->{violations}{$which}++; $round->{bad} = 1; return; }
sub violated { return scalar %{ $_[0]->{violations} }; }

# A round is over and judged.
sub add_round
{
	my ($self, $round, $seconds) = @_;
	my $count = $round->{count} // {};
	my $kind = $self->{kind}{ $round->{plan}{kind} } //= {};
	my $per_crash = $round->{crashes} ? ($count->{interrupted} // 0) / $round->{crashes} : 0;

	$self->{rounds}++;
	$self->{bad_rounds}++ if $round->{bad};
	$kind->{rounds}++;
	$kind->{seconds} += $seconds;
	$self->{points}{ $round->{plan}{point} }++ if $round->{struck};
	foreach my $of ($self->{sum}, $kind)
	{
		$of->{$_} += $count->{$_} foreach keys %$count;
		$of->{crashes} += $round->{crashes};
	}
	$self->{needless} = [ @{ $self->{needless} // [] }, map { "round $round->{nr}: $_" } @{ $round->{needless} // [] } ];
	$self->{worst} = [ $per_crash, $round->{plan}{connections} ] if $per_crash > $self->{worst}[0];
	return;
}

sub sum { my ($self, $name) = @_; return $self->{sum}{$name} // 0; }

sub ambiguous
{
	my ($self) = @_;
	my $sum = 0;

	$sum += $self->sum("uncertain: $_") foreach 'seen', 'cut off', 'network';
	return $sum;
}

# A line, for those who watch.
sub brief
{
	my ($self, $journals) = @_;
	my $wrong = 0;

	$wrong += $_ foreach values %{ $self->{violations} };
	return sprintf '%d messages, %d accepted, %d uncertain (%d needlessly), %d crashes, %d violations', $self->sum('messages'),
	  $journals->accepted_in_all, $self->sum('is uncertain'), $self->sum('uncertain: needless'), $self->sum('crashes'), $wrong;
}

# The whole of it.
sub lines
{
	my ($self, $journals, $seconds) = @_;
	my @lines = (
		sprintf('rounds %d in %d s, %d messages: %d committed, %d rolled back, %d unknown to the client',
			$self->{rounds}, $seconds, map { $self->sum($_) } 'messages', 'committed', 'rolled back', 'unknown'),
		sprintf('accepted %d; rows: %s', $journals->accepted_in_all,
			join ', ', map { "$self->{sum}{$_} " . s/^is //r } sort grep { /^is / } keys %{ $self->{sum} }),
		sprintf('uncertain %d: %d truly ambiguous (%d seen by IO, %d of workers cut off, %d of a network cut), %d needlessly',
			$self->sum('is uncertain'), $self->ambiguous, map { $self->sum("uncertain: $_") } 'seen', 'cut off', 'network',
			'needless'),
		sprintf('%d crashes, at most %d uncertain for one, with %d connections', $self->sum('crashes'), @{ $self->{worst} }));

	push @lines, join ', ', map { "$_ " . ($self->{violations}{$_} // 0) } CampaignJournals::violations(), @bounds;
	push @lines, map { "needless: $_" } @{ $self->{needless} };
	return @lines, $self->table, $self->point_table;
}

sub table
{
	my ($self) = @_;
	my @columns = ('rounds', 'messages', 'is sent', 'is failed', 'is uncertain', 'crashes', 'uncertain: seen',
		'uncertain: cut off', 'uncertain: network', 'uncertain: needless');
	my @lines = (sprintf '%-22s' . ' %9s' x @columns . ' %8s', 'kind of fault', map({ s/^is |^uncertain: //gr } @columns), 's/round');

	foreach my $name (sort keys %{ $self->{kind} })
	{
		my $kind = $self->{kind}{$name};

		push @lines, sprintf '%-22s' . ' %9d' x @columns . ' %8.1f', $name, map({ $kind->{$_} // 0 } @columns),
		  $kind->{seconds} / $kind->{rounds};
	}
	return @lines;
}

sub point_table
{
	my ($self) = @_;
	my $points = $self->{points} // {};

	return unless %$points;
	return 'struck at: ' . join ', ', map { "$_ $points->{$_}" } sort keys %$points;
}

# For script/test: each round is a check, and so is each kind of violation.
sub counts
{
	my ($self) = @_;
	my $good = $self->{rounds} - $self->{bad_rounds};
	my @lines = ("$good $self->{bad_rounds} campaign: rounds");

	return @lines unless $self->{rounds};
	foreach my $which (CampaignJournals::violations(), @bounds)
	{
		my $times = $self->{violations}{$which} // 0;

		push @lines, $times ? "0 1 campaign: $which ($times)" : "1 0 campaign: no $which";
	}
	return @lines;
}

1;
