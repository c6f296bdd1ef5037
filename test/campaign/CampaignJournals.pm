# CampaignJournals.pm: the three journals side by side.
#
# client (committed, rolled back, unknown), IO's ledger and journal, database:
#
#   client       accepted  allowed in the database
#   committed    0         failed with a refusal, uncertain, not_allowed
#   committed    1         sent with that id, uncertain
#   committed    2         never
#   rolled back            no row, never accepted
#   unknown                as committed where the row is there, else as rolled back
#
# and no row may be left waiting once IO is well and the queue has had time.

package CampaignJournals;

use strict;
use warnings FATAL => 'all';

use IoMsgTest qw(fiscal_code);

my @violations = ('lost', 'ghosts', 'duplicates', 'false sent', 'false failed', 'left waiting');

# What may be found, for the report.
sub violations { return @violations; }

sub new
{
	my ($class, $io) = @_;

	return bless { io => $io, offset => {}, accepted => {}, calls => {}, nameless => 0,
		known => {}, number_of => {} }, $class;
}

# ----------------------------------------------------------------------
# IO's side

# The lines that a file of the sandbox has got since the last time.
sub new_lines
{
	my ($self, $name) = @_;
	my @lines;

	open(my $fh, '<', $self->{io}->dir . "/$name") or return ();
	seek($fh, $self->{offset}{$name} // 0, 0);
	while (my $line = <$fh>)
	{
		# A sandbox that was killed may leave half a line.
		last unless $line =~ /\n\z/;
		$self->{offset}{$name} = tell($fh);
		push @lines, $line;
	}
	return @lines;
}

# Reads what IO has got; returns the numbers of the messages in the ledger.
# The lines are the sandbox's own, so that a full reader of JSON is not needed.
sub read_io
{
	my ($self) = @_;
	my @numbers;

	foreach my $line ($self->new_lines('ledger'))
	{
		my ($id, $code, $n) = $line =~ /"id":"(\w{26})","fiscal_code":"(\w{16})",.*"subject":"Campaign message (\d+)"/
		  or die "a message in the ledger is nobody's: $line\n";

		die "message $n went to another citizen\n" if $code ne fiscal_code($n);
		push @{ $self->{accepted}{$n} }, $id;
		push @numbers, $n;
	}
	foreach my $line (grep { /"path":"message"/ } $self->new_lines('journal'))
	{
		my ($status) = $line =~ /"status":(\d+)/;

		if ($line =~ /"fiscal_code":"(\w{16})"/)
		{
			push @{ $self->{calls}{$1} }, $status;
		}
		else
		{
			# Its body was never read.
			$self->{nameless}++;
		}
	}
	return @numbers;
}

sub accepted { my ($self, $n) = @_; return @{ $self->{accepted}{$n} // [] }; }
sub calls { my ($self, $n) = @_; return @{ $self->{calls}{ fiscal_code($n) } // [] }; }

# Messages accepted in all.
sub accepted_in_all
{
	my ($self) = @_;
	my $sum = 0;

	$sum += @$_ foreach values %{ $self->{accepted} };
	return $sum;
}

# ----------------------------------------------------------------------
# The database's side

# The rows after an id, by message; several where a message has several.
sub read_rows
{
	my ($self, $server, $after) = @_;
	my (%rows, $last);

	foreach my $line ($server->rows("SELECT o.id, o.reference, o.status, COALESCE(o.reason, ''), COALESCE(o.message_id, ''),
		o.attempts, COALESCE(a.class, ''), COALESCE(a.phase, ''), o.timeline
		FROM io_msg.outbox AS o
		LEFT JOIN LATERAL (SELECT t.class, t.phase FROM io_msg.attempt AS t WHERE t.id = o.id
			ORDER BY t.number DESC LIMIT 1) AS a ON true
		WHERE o.id > $after ORDER BY o.id"))
	{
		my %row;
		@row{qw(id reference status reason message_id attempts class phase timeline)} = @$line;
		my ($n) = $row{reference} =~ /^m(\d+)$/ or die "a row is nobody's: $row{id}\n";

		push @{ $rows{$n} }, \%row;
		$last = $row{id};
	}
	return (\%rows, $last // $after);
}

# ----------------------------------------------------------------------
# The judgement

# What is wrong with a message: [violation, words] for each.
sub judge
{
	my ($self, $n, $outcome, @rows) = @_;
	my @accepted = $self->accepted($n);
	my @found;
	my $note = sub { push @found, [ $_[0], "message $n, $outcome: $_[1]" ]; };

	$note->('duplicates', 'accepted as ' . join(', ', @accepted)) if @accepted > 1;
	$note->('duplicates', 'rows ' . join(', ', map { $_->{id} } @rows)) if @rows > 1;
	if ($outcome eq 'rolled back' || ($outcome eq 'unknown' && !@rows))
	{
		$note->('ghosts', 'accepted as ' . join(', ', @accepted)) if @accepted;
		$note->('ghosts', "it is row $rows[0]{id}") if @rows;
		return @found;
	}
	if (!@rows)
	{
		$note->('lost', 'it has no row');
		return @found;
	}
	my $wrong = $self->wrong_status($n, $rows[0]) or return @found;
	$note->($wrong, "row $rows[0]{id} is $rows[0]{status} ($rows[0]{reason}, id '$rows[0]{message_id}'), accepted as "
		  . (join(', ', @accepted) || 'nothing'));
	return @found;
}

sub wrong_status
{
	my ($self, $n, $row) = @_;
	my ($id) = $self->accepted($n);
	my $status = $row->{status};

	return if $status eq 'uncertain';
	return 'left waiting' if $status eq 'queued' && !defined $id;
	if ($status eq 'sent')
	{
		return 'false sent' unless defined $id;
		return if $row->{message_id} eq $id;
		return $row->{message_id} eq '' && $row->{reason} eq 'accepted_without_id' ? undef : 'false sent';
	}
	return 'false failed' if defined $id;
	return if $status eq 'not_allowed' && $row->{reason} =~ /^(?:no_profile|sender_not_allowed)$/;
	# Failed is said on IO's word only.
	return if $status eq 'failed' && grep { $_ >= 400 } $self->calls($n);
	return 'false failed';
}

# Why a row is uncertain:
#   seen       IO saw the request, or its connection
#   cut off    the worker died between mark and result
#   network    the sandbox was killed under it, so that nobody can know
#   needless   none of these
sub why_uncertain
{
	my ($self, $n, $row, $round) = @_;

	return 'cut off' if $row->{reason} =~ /^interrupted/ && $round->{cut_off};
	return 'seen' if $self->accepted($n) || $self->calls($n);
	return 'network' if $round->{network_cut};
	if ($round->{unread} > 0)
	{
		$round->{unread}--;
		return 'seen';
	}
	return 'needless';
}

# Connections and requests of the round that IO closed unread.
sub take_unread
{
	my ($self, $closed_at_once) = @_;
	my $unread = $self->{nameless} + $closed_at_once;

	$self->{nameless} = 0;
	return $unread;
}

1;
