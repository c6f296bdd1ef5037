# CampaignServer.pm: the server of a campaign, and each way to end it.
#
# It is real where it counts: fsync is on, and what nobody has flushed stays in
# memory, so that a crash loses what a crash can lose.  Whatever was done to it,
# recover() brings it back.

package CampaignServer;

use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep time);

use PostgreSQL::Test::Utils;

use IoMsgFaults qw(fault_node times_met);
use IoMsgTest qw(poll_until);

use CampaignWeather qw(ask);

my %settings = (
	'fsync' => 'on',
	'recovery_init_sync_method' => 'syncfs',
	'shared_buffers' => '16MB',
	'max_connections' => 40,
	'max_prepared_transactions' => 20,
	'autovacuum' => 'off',
	'checkpoint_timeout' => '1h',
	'wal_writer_delay' => '10s',
	'wal_writer_flush_after' => '1GB',
	'log_statement' => 'none',
	'log_min_messages' => 'log',
	'io_msg.sweep' => '500ms',
	'io_msg.idle_exit' => '200ms',
	'io_msg.retry_delay' => '20ms',
	'io_msg.poll_delay' => '1h');

# A server with these services of the sandbox; its key file is in DIR.
sub new
{
	my ($class, $io, $dir, @services) = @_;
	my $self = bless { io => $io, services => [@services], keys_file => "$dir/io_msg.keys" }, $class;

	$self->{node} = fault_node('campaign', %settings, init => [ allows_streaming => 1 ],
		'io_msg.keys_file' => $self->{keys_file});
	$self->set('io_msg.fault' => '');
	return $self;
}

# SQL functions that wait in the server, not in a process for each look.
sub prepare
{
	my ($self) = @_;

	$self->query(<<'SQL');
CREATE FUNCTION campaign_drained(last bigint, patience interval) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	until CONSTANT timestamptz := clock_timestamp() + patience;
BEGIN
	WHILE EXISTS (SELECT FROM io_msg.outbox WHERE id > last AND status = 'queued')
	      OR EXISTS (SELECT FROM io_msg.drainer WHERE in_flight <> '{}' OR orphans <> '{}')
	LOOP
		IF clock_timestamp() > until THEN
			RETURN false;
		END IF;
		PERFORM pg_sleep(0.01);
	END LOOP;
	RETURN true;
END
$$
SQL
	return;
}

sub node { return $_[0]->{node}; }
sub data { return $_[0]->{node}->data_dir; }
sub connstr { return $_[0]->{node}->connstr('postgres') . ' application_name=campaign'; }

# ----------------------------------------------------------------------
# SQL

# What SQL says, undef where the server is not there to answer or refuses.
sub attempt
{
	my ($self, $sql) = @_;

	open(my $fh, '-|', 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $self->{node}->connstr('postgres'),
		'-c', $sql) or die "psql: $!\n";
	local $/ = undef;
	my $out = <$fh> // '';
	return close($fh) ? $out =~ s/\n\z//r : undef;
}

# The same, tried for as long as the server needs to come back.
sub query
{
	my ($self, $sql) = @_;
	my $out;

	poll_until(sub {
		defined($out = $self->attempt($sql)) and return 1;
		$self->pg_ctl('start') unless $self->postmaster;
		return 0;
	}) or die "no answer to: $sql\n";
	return $out;
}

# Rows as lists of columns.
sub rows
{
	my ($self, $sql) = @_;

	return map { [ split /\|/, $_, -1 ] } split /\n/, $self->query($sql);
}

# ----------------------------------------------------------------------
# Settings

# Settings of a round, those of the round before are gone.
sub set
{
	my ($self, %round) = @_;
	my $conf = $self->data . '/faults.conf';

	open(my $fh, '>', "$conf.new") or die "$conf.new: $!\n";
	print $fh "$_ = '$round{$_}'\n" foreach sort keys %round;
	close($fh) or die "$conf.new: $!\n";
	rename("$conf.new", $conf) or die "$conf: $!\n";
	$self->reload;
	return;
}

sub reload
{
	my ($self) = @_;
	my $pid = $self->postmaster;

	kill('HUP', $pid) if $pid;
	return;
}

# Fresh keys for the services, in the file and at the sandbox.
sub renew_keys
{
	my ($self, $tag) = @_;
	my @lines;

	foreach my $service (@{ $self->{services} })
	{
		my ($primary, $secondary) = map { $tag ? "$_-$tag" : $_ } $self->{io}->keys($service);

		push @lines, "postgres $service $primary $secondary";
		ask($self->{io}, 'set_keys', $service, primary => $primary, secondary => $secondary);
	}
	$self->write_keys(@lines);
	return;
}

# As IoMsgTest's, where nobody may be there to reload.
sub write_keys
{
	my ($self, @lines) = @_;

	IoMsgTest::write_keys_file($self->{keys_file}, @lines);
	$self->reload;
	return;
}

# How often a point was met in this round, over all restarts.  It is forgotten
# only while nothing is ordered: a worker that has not heard yet that it is over
# would otherwise meet it for the first time again.
sub forget_met { my ($self) = @_; unlink glob($self->data . '/io_msg_fault.*'); return; }
sub met { my ($self, $point) = @_; return times_met($self->{node}, $point); }

# ----------------------------------------------------------------------
# Processes

# The postmaster, 0 where none runs.
sub postmaster
{
	my ($self) = @_;

	open(my $fh, '<', $self->data . '/postmaster.pid') or return 0;
	my $pid = <$fh> // '';
	return $pid =~ /^(\d+)/ && kill(0, $1) ? $1 : 0;
}

# Its children whose title matches.
sub children
{
	my ($self, $title) = @_;
	my $postmaster = $self->postmaster or return ();
	my @found;

	open(my $fh, '<', "/proc/$postmaster/task/$postmaster/children") or return ();
	foreach my $pid (split ' ', scalar(<$fh> // ''))
	{
		open(my $cmd, '<', "/proc/$pid/cmdline") or next;
		push @found, $pid if (scalar(<$cmd>) // '') =~ $title;
	}
	return @found;
}

sub drainers { return $_[0]->children(qr/io_msg drainer/); }
sub backends { return $_[0]->children(qr/\[local\]/); }

# ----------------------------------------------------------------------
# The ends

sub pg_ctl
{
	my ($self, @how) = @_;

	return system('pg_ctl', '-D', $self->data, '-l', $self->{node}->logfile, '-s', '-w', '-t', 120, @how) == 0;
}

sub stop { my ($self, $mode) = @_; return $self->pg_ctl('stop', '-m', $mode); }

sub kill_postmaster
{
	my ($self) = @_;
	my $pid = $self->postmaster or return;
	my @children = $self->children(qr/./);

	kill('KILL', $pid);
	# They notice it, unless they stand still.
	poll_until(sub { kill('CONT', @children); !grep { kill(0, $_) } @children })
	  or die "processes of a server that was killed remain\n";
	return;
}

# Another server takes its place, with the same key file; nothing of the old
# one is left.
sub move_to
{
	my ($self, $node) = @_;
	my $old = $self->{node};

	undef $old->{_pid};
	$old->clean_node;
	$self->{node} = $node;
	return;
}

# Whatever became of it: it runs and answers.
sub recover
{
	my ($self) = @_;

	kill('CONT', $_) foreach $self->drainers;
	my $up = poll_until(sub {
		# A shutdown may be under way.
		$self->postmaster || $self->pg_ctl('start') or return 0;
		return ($self->attempt('SELECT 1') // '') eq '1';
	});
	die "the server does not come back\n" unless $up;
	$self->{node}->_update_pid(1);
	return;
}

# The last log lines, for those who look for the reason.
sub log_tail
{
	my ($self, $from) = @_;

	my $log = slurp_file($self->{node}->logfile);

	# A standby has a log of its own.
	return substr($log, $from < length($log) ? $from : 0);
}

sub log_end { return -s $_[0]->{node}->logfile; }

sub finish
{
	my ($self) = @_;

	$self->recover;
	$self->{node}->stop('fast');
	return;
}

1;
