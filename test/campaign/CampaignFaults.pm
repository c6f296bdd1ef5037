# CampaignFaults.pm: what goes wrong in a round.
#
# Each kind has a weight, the settings and the weather it needs, and a way to
# strike while the load runs.  It notes in the round what it did: crashes, how
# often a worker may have been cut off between a mark and its result; planned,
# that none may have been; network_cut, that IO's end of a connection vanished.

package CampaignFaults;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use Time::HiRes qw(sleep);

use IoMsgFaults qw(fault_points);
use IoMsgTest qw(poll_until);

use CampaignProbes;
use CampaignStandby;

our @EXPORT = qw(fault_kinds plan_fault fault_settings prepare_fault strike);

# Where nothing may be raised, and where an error ends the worker.
my %in_http = map { $_ => 1 } qw(in_guard request_sent after_status after_body);
my %ends_by_error = map { $_ => 1 } qw(before_request at_stop);

my %kinds = (
	'nothing' => { weight => 2, strike => sub { } },
	'drainer killed' => { weight => 6, strike => \&kill_drainer },
	'backend killed' => { weight => 3, strike => \&kill_backend },
	'postmaster killed' => { weight => 4, strike => \&kill_postmaster },
	'immediate shutdown' => { weight => 4, strike => \&stop_immediate },
	'planned restart' => { weight => 5, gentle => 1, settings => { 'io_msg.shutdown_grace' => '60s' },
		strike => \&restart },
	'restart beyond grace' => { weight => 2, settings => { 'io_msg.shutdown_grace' => '50ms' },
		strike => \&restart_late },
	'drainer terminated' => { weight => 3, strike => \&terminate },
	'drainer frozen' => { weight => 4, settings => { 'io_msg.max_mark_age' => '100ms' }, strike => \&freeze },
	'sandbox killed' => { weight => 3, strike => sub { restart_sandbox($_[0], 'KILL') } },
	'sandbox restarted' => { weight => 1, strike => sub { restart_sandbox($_[0], 'TERM') } },
	'point: error' => { weight => 4, strike => \&wait_for_point },
	'point: exit' => { weight => 3, strike => \&wait_for_point },
	'point: crash' => { weight => 2, strike => \&wait_for_point },
	'point: kill' => { weight => 6, strike => \&wait_for_point },
	'point: quit' => { weight => 4, strike => \&wait_for_point },
	'point: stop' => { weight => 2, settings => { 'io_msg.max_mark_age' => '100ms' }, strike => \&wait_for_point },
	'point: sleep' => { weight => 2, settings => { 'io_msg.max_mark_age' => '100ms' }, strike => \&wait_for_point },
	probe_kinds(), standby_kinds());

# Each as often as its weight; only those whose name matches.  Without a choice
# each fifth round is a probe, in their turn, so that none is left out.
sub fault_kinds
{
	my ($only, $nr) = @_;
	my @names = grep { !defined $only || /$only/ } sort keys %kinds;

	if (!defined $only)
	{
		my @probes = grep { $kinds{$_}{probe} } @names;

		return $probes[ $nr / 5 % @probes ] if $nr % 5 == 0;
		@names = grep { !$kinds{$_}{probe} } @names;
	}
	return map { ($_) x $kinds{$_}{weight} } @names;
}

# What kind it is, where and when it strikes; below->(n) is a number below n.
sub plan_fault
{
	my ($kind, $below) = @_;
	my %plan = (kind => $kind, gentle => $kinds{$kind}{gentle},
		delay_ms => $below->(700), pause_ms => $below->(500), tail => $below->(2), which => $below->(100));

	if ($kind =~ /^point: (\w+)/)
	{
		my $action = $1;
		my @points = grep { $action !~ /error|exit/ || !$in_http{$_} } fault_points();

		$plan{action} = $action;
		$plan{point} = $points[ $below->(scalar @points) ];
		$plan{nth} = $plan{point} =~ /content$|orphan|at_stop/ && $plan{point} ne 'before_content' ? 1 : 1 + $below->(12);
		$plan{poison} = $plan{point} eq 'content';
		# Signals to end it are waited for, so that it is met at all.
		$plan{after} = $plan{point} =~ /orphan/ ? 'KILL' : $plan{point} eq 'at_stop' ? 'TERM' : '';
	}
	return \%plan;
}

# The settings that a round needs, beyond those of each round.
sub fault_settings
{
	my ($plan) = @_;
	my %settings = %{ $kinds{ $plan->{kind} }{settings} // {} };

	if ($plan->{point})
	{
		my $action = $plan->{action} eq 'sleep' ? 'sleep=' . (20 + $plan->{pause_ms}) : $plan->{action};

		$settings{'io_msg.fault'} = "$plan->{point}:$action:$plan->{nth}";
	}
	return %settings;
}

# What must be there before the load.
sub prepare_fault
{
	my ($round) = @_;
	my $prepare = $kinds{ $round->{plan}{kind} }{prepare} or return;

	return $prepare->($round);
}

# Strikes at the planned moment: under the load, or when the clients are done
# and the worker alone is at work.
sub strike
{
	my ($round) = @_;
	my $plan = $round->{plan};

	if ($plan->{tail})
	{
		$round->{load}->wait;
		sleep($plan->{delay_ms} / 10000);
	}
	else
	{
		sleep($plan->{delay_ms} / 1000);
	}
	$kinds{ $plan->{kind} }{strike}->($round);
	return;
}

sub note_crash { my ($round) = @_; $round->{crashes}++; $round->{cut_off} = 1; return; }

# ----------------------------------------------------------------------
# The worker and the server

sub signal_drainers
{
	my ($round, $signal) = @_;
	my $server = $round->{server};

	# The load may have only begun.
	poll_until(sub { $server->drainers }, 1);
	return kill($signal, $server->drainers);
}

sub kill_drainer { my ($round) = @_; note_crash($round) if signal_drainers($round, 'KILL'); return; }

sub kill_backend
{
	my ($round) = @_;
	my @backends = $round->{server}->backends or return;

	note_crash($round);
	kill('KILL', $backends[ $round->{plan}{which} % @backends ]);
	return;
}

sub kill_postmaster { my ($round) = @_; note_crash($round); $round->{server}->kill_postmaster; return; }
sub stop_immediate { my ($round) = @_; note_crash($round); $round->{server}->stop('immediate'); return; }
sub restart_late { my ($round) = @_; note_crash($round); $round->{server}->stop('fast'); return; }

sub restart
{
	my ($round) = @_;

	$round->{planned} = 1;
	$round->{server}->stop('fast') or die "the server does not stop\n";
	return;
}

# Beyond the grace of a round it is cut off.
sub terminate { my ($round) = @_; note_crash($round) if signal_drainers($round, 'TERM'); return; }

sub freeze
{
	my ($round) = @_;
	my @drainers = $round->{server}->drainers;

	for (1 .. 1 + $round->{plan}{which} % 4)
	{
		kill('STOP', @drainers);
		sleep($round->{plan}{pause_ms} / 1000);
		kill('CONT', @drainers);
		sleep(0.02);
	}
	return;
}

# ----------------------------------------------------------------------
# IO

sub restart_sandbox
{
	my ($round, $signal) = @_;
	my $io = $round->{io};

	$round->{network_cut} = 1;
	$round->note_closed;
	$io->stop($signal);
	sleep($round->{plan}{pause_ms} / 1000);
	$io->restart;
	return;
}

# ----------------------------------------------------------------------
# Points of the code

# The worker may get there under the load, later, or not at all.
sub wait_for_point
{
	my ($round) = @_;
	my ($server, $plan) = @$round{qw(server plan)};
	my $struck = sub { $server->met($plan->{point}) >= $plan->{nth} };

	if ($plan->{after})
	{
		note_crash($round) if signal_drainers($round, $plan->{after});
	}
	poll_until(sub { $struck->() || $round->{load}->is_over }, 5);
	poll_until($struck, $plan->{after} ? 3 : 0.3);
	sleep($plan->{pause_ms} / 1000) if $plan->{action} eq 'stop' && $struck->();
	return;
}

# Once nothing can strike any more: has it, and was the worker cut off?
sub note_point
{
	my ($round) = @_;
	my $plan = $round->{plan};

	return unless $plan->{point} && $round->{server}->met($plan->{point}) >= $plan->{nth};
	$round->{struck} = 1;
	return if $plan->{action} =~ /^(?:stop|sleep)$/;
	note_crash($round) unless $plan->{action} eq 'error' && !$ends_by_error{ $plan->{point} };
	return;
}

1;
