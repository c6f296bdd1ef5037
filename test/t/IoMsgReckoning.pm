# IoMsgReckoning.pm: what the clients, IO's side and two databases say of the
# same messages after a failover, side by side: the part of IoMsgFailover that
# finds what is wrong.
#
# A message that was committed may be missing only with an asynchronous
# standby, where the old primary alone had it.  No message may be at IO twice,
# or at IO and in no database, and what a server says of a message must be true.

package IoMsgReckoning;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use JSON::PP;
use Test::More;

use PostgreSQL::Test::Utils;

our @EXPORT = qw(rows_at is_drained untruths acked);

# What the sandbox has written into its ledger or its journal; each line is
# read once.
sub lines_of
{
	my ($self, $name) = @_;
	my $known = $self->{lines}{$name} //= [];

	open(my $fh, '<', $self->{io}->dir . "/$name") or return $known;
	seek($fh, $self->{read}{$name} // 0, 0);
	while (my $line = <$fh>)
	{
		last if substr($line, -1) ne "\n";
		push @$known, decode_json($line);
		$self->{read}{$name} += length($line);
	}
	return $known;
}

sub accepted_now { return scalar @{ $_[0]->lines_of('ledger') }; }

# All calls that a server has ever made.
sub calls_of
{
	my ($self, $node) = @_;
	my $key = $self->{key}{ $node->name };

	return scalar grep { ($_->{key} // '') eq $key } @{ $self->lines_of('journal') };
}

# The ledger by fiscal code; more than one line for a code is a duplicate.
sub read_ledger
{
	my ($self) = @_;
	my (%accepted, @twice);

	foreach my $line (@{ $self->lines_of('ledger') })
	{
		push @twice, $line->{id} if $accepted{ $line->{fiscal_code} };
		$accepted{ $line->{fiscal_code} } = $line;
	}
	return (\%accepted, \@twice);
}

# The rows of a server by fiscal code; its present timeline.
sub rows_at
{
	my ($node) = @_;
	my %rows;
	my $here = $node->safe_psql('postgres', 'SELECT timeline FROM io_msg.identity()');

	foreach my $line (split /\n/, $node->safe_psql('postgres', q{
		SELECT o.fiscal_code, o.id, o.timeline, o.message_id, o.reason,
		       CASE WHEN o.status <> 'queued' THEN o.status WHEN p.id IS NULL THEN 'sending'
		            WHEN p.timeline <> i.timeline THEN 'held' ELSE 'queued' END
		  FROM io_msg.outbox AS o LEFT JOIN io_msg.pending AS p USING (id), io_msg.identity() AS i}))
	{
		my %row;
		@row{qw(code id timeline message_id reason status)} = split /\|/, $line, -1;
		$rows{ $row{code} } = \%row;
	}
	return (\%rows, $here);
}

# All that is due on a server's own timeline has been dealt with.
sub is_drained
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		SELECT d.in_flight || d.orphans = '{}' AND NOT EXISTS (SELECT FROM io_msg.pending AS p
		       WHERE p.timeline = i.timeline)
		  FROM io_msg.drainer AS d, io_msg.identity() AS i}) eq 't';
}

# What a server says of its rows must be true: those of a timeline and of what
# it has sent itself by its key, or all.
sub untruths
{
	my ($rows, $accepted, $timeline, $key) = @_;
	my @found;

	foreach my $row (values %$rows)
	{
		my $known = $accepted->{ $row->{code} };

		next if defined $timeline && $row->{timeline} != $timeline;
		push @found, "sent, but not at IO: $row->{id}"
		  if $row->{status} eq 'sent' && ($known->{id} // '') ne $row->{message_id};
		push @found, "queued, but at IO: $row->{id}"
		  if $row->{status} eq 'queued' && $known && $known->{key} eq ($key // $known->{key});
		push @found, "row $row->{id} is $row->{status} ($row->{reason})"
		  unless $row->{status} =~ /^(?:sent|queued|held|sending|uncertain)$/;
	}
	return @found;
}

sub acked
{
	my ($load) = @_;

	return slurp_file($load->{journal}) =~ /committed (\w+)/g;
}

# The ledger, the clients' journals and both databases, side by side.
sub reconcile
{
	my ($self, $old, $new, @loads) = @_;
	my ($old_rows, $old_timeline) = rows_at($old);
	my ($new_rows) = rows_at($new);
	my ($accepted, $twice) = $self->read_ledger;
	my @wrong = (map { "accepted twice: $_" } @$twice);

	$self->{acked}{$_} = 1 foreach map { acked($_) } @loads;
	$self->{gone}{$_} = 1 foreach grep { !$new_rows->{$_} } keys %$old_rows;
	push @wrong, untruths($new_rows, $accepted),
	  untruths($old_rows, $accepted, $old_timeline, $self->{key}{ $old->name });
	push @wrong, map { "left over: $_->{id} is $_->{status}" }
	  grep { $_->{status} =~ /^(?:queued|sending)$/ } values %$new_rows;
	push @wrong, map { "ghost: $_->{id}" }
	  grep { !$new_rows->{ $_->{fiscal_code} } && !$self->{gone}{ $_->{fiscal_code} } } values %$accepted;
	push @wrong, map { "lost: $_" }
	  grep { !$new_rows->{$_} && ($self->{synchronous} || !$self->{gone}{$_}) } keys %{ $self->{acked} };
	push @wrong, map { "slow, but not uncertain: $_" }
	  grep { $new_rows->{$_}{status} ne 'uncertain' || $new_rows->{$_}{reason} ne 'interrupted' } @{ $self->{slow} };
	push @wrong, $self->sent_by_the_wrong_one($new, $new_rows);
	is_deeply(\@wrong, [], "failover $self->{round}: ledger, journals and both databases agree");
	return $self->figures($new_rows, $accepted);
}

# After its promotion a server sends new rows alone.  With a synchronous
# standby, whatever was sent before is known to the new primary.
sub sent_by_the_wrong_one
{
	my ($self, $new, $rows) = @_;
	my @ledger = @{ $self->lines_of('ledger') };
	my $key = $self->{key}{ $new->name };
	my @found;

	foreach my $i (0 .. $#ledger)
	{
		my $status = ($rows->{ $ledger[$i]{fiscal_code} } // { status => 'missing' })->{status};

		push @found, "sent by the new primary, and $status: $ledger[$i]{id}"
		  if $i >= $self->{ledger_at_promotion} && $ledger[$i]{key} eq $key && $status ne 'sent';
		push @found, "sent by the old primary, and $status: $ledger[$i]{id}"
		  if $self->{synchronous} && $status !~ /^(?:sent|uncertain)$/;
	}
	return @found;
}

sub figures
{
	my ($self, $rows, $accepted) = @_;
	my %of;

	push @{ $of{ $_->{status} } }, $_ foreach values %$rows;
	my $at_io = sub { scalar grep { $accepted->{ $_->{code} } } @{ $of{ $_[0] } // [] } };

	return $self->{sum} = {
		committed => scalar keys %{ $self->{acked} }, accepted => scalar keys %$accepted,
		uncertain => scalar @{ $of{uncertain} // [] }, uncertain_at_io => $at_io->('uncertain'),
		held => scalar @{ $of{held} // [] }, held_at_io => $at_io->('held'),
		gone => scalar keys %{ $self->{gone} } };
}

sub tell
{
	my ($self, $f, $seconds) = @_;
	my $line = sprintf '%3d failovers: %d messages committed, %d accepted, %d uncertain (%d at IO), %d held (%d at IO), '
	  . '%d on an old primary alone, %.1f s', $self->{round}, @$f{qw(committed accepted uncertain uncertain_at_io
		held held_at_io gone)}, $seconds;

	note($line);
	return unless $ENV{IOMSG_PROGRESS};
	open(my $fh, '>>', $ENV{IOMSG_PROGRESS}) or die "$ENV{IOMSG_PROGRESS}: $!\n";
	print $fh "$line\n";
	close($fh);
	return;
}

1;
