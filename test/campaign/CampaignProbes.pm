# CampaignProbes.pm: kinds of fault that need a quiet moment: one thing is done
# to a worker that does nothing else, and one promise is looked at.
#
# What is found to be broken is noted in the round; the messages of a probe are
# in the journals as those of the clients are.

package CampaignProbes;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Time::HiRes qw(sleep);

use IoMsgTest qw(poll_until);

use CampaignWeather qw(ask);

our @EXPORT = qw(probe_kinds);

my $PATIENCE_S = 30;

sub probe_kinds
{
	my %calm = (probe => 1);

	return (
		'worker replaced' => { %calm, weight => 2, strike => sub { replace_worker($_[0], 0) } },
		'worker replaced, more behind' => { %calm, weight => 2, strike => sub { replace_worker($_[0], 20) } },
		'prepared, no wake' => { %calm, weight => 2, strike => \&commit_prepared },
		'poison' => { %calm, weight => 2, settings => { 'io_msg.fault' => 'content:crash' }, strike => \&poison },
		'standby silent' => { %calm, weight => 2, strike => \&silence_standby });
}

sub broken { my ($round, $what) = @_; push @{ $round->{broken} }, $what; return; }

# The clients are done, IO is well, and all has left.
sub quiet
{
	my ($round) = @_;
	my ($server, $io) = @$round{qw(server io)};

	$round->{load}->wait;
	$round->note_closed;
	ask($io, 'clear_faults');
	ask($io, 'release');
	$server->query('SELECT io_resume()');
	$round->{load}->read_journal;
	poll_until(sub { $server->query("SELECT campaign_drained($round->{last_id}, '1 s')") eq 't' }, $PATIENCE_S);
	return;
}

# The SQL of messages that are committed when it is.
sub new_messages
{
	my ($round, $count, %more) = @_;
	my $load = $round->{load};
	my @numbers = map { $load->new_message({ nr => "probe $_", kind => 'auto', intends => 'commit', said => 'committed' }, %more) }
	  1 .. $count;

	return (join('', map { $load->enqueue_sql($_) } @numbers), @numbers);
}

sub accepted
{
	my ($round, @numbers) = @_;

	$round->{journals}->read_io;
	return scalar grep { $round->{journals}->accepted($_) } @numbers;
}

sub status_of
{
	my ($round, $n) = @_;

	return $round->{server}->query("SELECT status FROM io_msg.outbox WHERE reference = 'm$n'");
}

# Another worker takes the place of one that is waiting for answers: what those
# say must not be written, and the messages are uncertain.
sub replace_worker
{
	my ($round, $behind) = @_;
	my ($server, $io) = @$round{qw(server io)};
	my $connections = $round->{plan}{connections};

	quiet($round);
	$io->fault(kind => 'hang', path => 'message');
	my ($sql, @numbers) = new_messages($round, 1 + int($connections / 4) + $behind);
	$server->query("BEGIN; $sql COMMIT");
	# A service may have its share only.
	my $wanted = 1 + int($connections / 4);
	poll_until(sub { accepted($round, @numbers) >= $wanted }, $PATIENCE_S) or return;
	$round->{crashes}++;
	$round->{cut_off} = 1;
	my $taken = $server->query(q{UPDATE io_msg.drainer SET epoch = epoch + 1, orphans = orphans || in_flight,
		in_flight = '{}' RETURNING array_to_string(orphans, ',')});
	ask($io, 'clear_faults');
	ask($io, 'release');
	return if $taken eq '';
	my $open = "SELECT count(*) FROM io_msg.outbox WHERE id IN ($taken) AND status";
	poll_until(sub { $server->query("$open = 'queued'") == 0 }, $PATIENCE_S);
	my $written = $server->query("$open <> 'uncertain'");
	broken($round, "$written results were written by a worker that had been replaced") if $written;
	return;
}

# A commit that wakes nobody is seen by the sweep.
sub commit_prepared
{
	my ($round) = @_;
	my $server = $round->{server};

	quiet($round);
	my ($sql, $n) = new_messages($round, 1);
	$server->query("BEGIN; $sql PREPARE TRANSACTION 'probe'");
	# The sweep may bring one up meanwhile, but it finds nothing.
	poll_until(sub { !$server->drainers }, $PATIENCE_S) or return;
	$server->query("COMMIT PREPARED 'probe'");
	poll_until(sub { status_of($round, $n) ne 'queued' }, $PATIENCE_S)
	  or broken($round, "message $n, committed without a wake, is not seen");
	return;
}

# Content that crashes the worker, does so once.
sub poison
{
	my ($round) = @_;
	my $server = $round->{server};

	quiet($round);
	my ($sql, $n) = new_messages($round, 1, text => '[io_msg fault] ');
	$server->attempt($sql);
	$round->{crashes}++;
	$round->{cut_off} = 1;
	poll_until(sub { $server->met('content') }, $PATIENCE_S) or return;
	$server->recover;
	# Where it never comes to an end, the brake is released until it is clear.
	poll_until(sub { $server->attempt('SELECT io_resume()'); sleep(0.2);
			$server->met('content') > 1 || status_of($round, $n) eq 'uncertain' }, $PATIENCE_S);
	broken($round, "message $n has crashed the worker again") if $server->met('content') > 1;
	return;
}

# While the synchronous standby does not confirm the mark nothing is sent, also
# where somebody cancels the wait.
sub silence_standby
{
	my ($round) = @_;
	my $server = $round->{server};
	my $waits = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'io_msg drainer' AND wait_event = 'SyncRep'};

	quiet($round);
	$server->query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	$server->reload;
	poll_until(sub { $server->query('SHOW synchronous_standby_names') eq 'nobody' }, $PATIENCE_S);
	my ($sql, @numbers) = new_messages($round, 3);
	$server->query("SET synchronous_commit = local; BEGIN; $sql COMMIT");
	if (poll_until(sub { $server->query($waits) > 0 }, $PATIENCE_S))
	{
		for (1 .. 10)
		{
			kill('INT', $server->drainers);
			sleep(0.05);
		}
		broken($round, 'sent before the standby knew') if accepted($round, @numbers);
	}
	$server->query('ALTER SYSTEM RESET synchronous_standby_names');
	$server->reload;
	return;
}

1;
